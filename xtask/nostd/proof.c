/* Runs three raftcore nodes on Linux without any library: what the compiler itself expects of a
 * C library is here, and nothing else. */

#include <stddef.h>
#include <stdint.h>

int32_t proof_run(void);

static long system_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

_Noreturn void proof_exit(int32_t status)
{
    for (;;)
        system_call(60, status, 0, 0);
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    while (length--)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t length)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if (t <= f)
        return memcpy(to, from, length);
    while (length--)
        t[length] = f[length];
    return to;
}

void *memset(void *to, int value, size_t length)
{
    unsigned char *t = to;
    while (length--)
        *t++ = (unsigned char)value;
    return to;
}

int memcmp(const void *left, const void *right, size_t length)
{
    const unsigned char *l = left, *r = right;
    for (; length; length--, l++, r++)
        if (*l != *r)
            return *l - *r;
    return 0;
}

int bcmp(const void *left, const void *right, size_t length)
{
    return memcmp(left, right, length);
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

/* Precompiled parts of `alloc` name these for unwinding; nothing unwinds here. */
void rust_eh_personality(void)
{
    proof_exit(102);
}

void _Unwind_Resume(void)
{
    proof_exit(103);
}

static void print(const char *text)
{
    system_call(1, 1, (long)text, (long)strlen(text));
}

__attribute__((force_align_arg_pointer)) void _start(void)
{
    int32_t applied = proof_run();
    if (applied <= 0) {
        print("the nodes did not apply the commands\n");
        proof_exit(1);
    }
    print("three nodes elected a leader and applied the commands, without std\n");
    proof_exit(0);
}
