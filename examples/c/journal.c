/*
 * `journal FILE LINE` adds a line to a journal and prints the whole of it.
 *
 * The journal is what one node alone in its group has committed; the file holds its writes.
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "raftcore.h"

static void fail(const char *what)
{
    fprintf(stderr, "journal: %s\n", what);
    exit(1);
}

/* Every call of the library gives a status; its text is for people. */
static void ok(raftcore_status status)
{
    if (status != RAFTCORE_STATUS_OK)
        fail(raftcore_status_text(status));
}

static void system_ok(int result)
{
    if (result < 0) {
        perror("journal");
        exit(1);
    }
}

/* Folds the stored writes; cuts off the last one if a crash tore it. */
static raftcore_stored *read_stored(int file)
{
    struct stat info;
    system_ok(fstat(file, &info));
    size_t length = (size_t)info.st_size, at = 0;
    uint8_t *bytes = malloc(length + 1);
    if (bytes == NULL || pread(file, bytes, length, 0) != (ssize_t)length)
        fail("the file cannot be read");
    raftcore_stored *stored;
    ok(raftcore_stored_empty(&stored));
    while (at < length) {
        size_t used;
        raftcore_status status = raftcore_stored_replay(stored, bytes + at, length - at, &used);
        if (status == RAFTCORE_STATUS_DECODE_TRUNCATED)
            break;
        ok(status);
        at += used;
    }
    free(bytes);
    system_ok(ftruncate(file, (off_t)at));
    bool empty;
    ok(raftcore_stored_is_empty(stored, &empty));
    if (empty) {
        const uint64_t voters[] = {1};
        raftcore_stored_free(stored);
        ok(raftcore_stored_found(1, 1, voters, 1, &stored));
    }
    return stored;
}

static void persist(raftcore_node *node, const raftcore_output *output, int file)
{
    raftcore_write_id id;
    raftcore_bytes record;
    ok(raftcore_output_persist(output, &id, &record));
    if (write(file, record.data, record.length) != (ssize_t)record.length)
        fail("the file cannot be written");
    system_ok(fsync(file));
    ok(raftcore_node_persisted(node, id));
}

/* Gives the index of the last entry that was applied. */
static uint64_t apply(raftcore_node *node, const raftcore_output *output)
{
    raftcore_apply committed;
    ok(raftcore_output_apply(output, &committed));
    for (size_t at = 0; at < committed.commands; at++) {
        raftcore_command command;
        ok(raftcore_output_command(output, at, &command));
        printf("%.*s\n", (int)command.payload.length, (const char *)command.payload.data);
    }
    ok(raftcore_node_applied(node, committed.last));
    return committed.last;
}

/* Carries out all duties; gives the index of the last entry that was applied, or 0. */
static uint64_t carry_out(raftcore_node *node, int file)
{
    uint64_t applied = 0;
    for (;;) {
        raftcore_output *output;
        uint32_t kind;
        ok(raftcore_node_poll_output(node, &output));
        if (output == NULL)
            return applied;
        ok(raftcore_output_kind(output, &kind));
        if (kind == RAFTCORE_OUTPUT_PERSIST)
            persist(node, output, file);
        else if (kind == RAFTCORE_OUTPUT_APPLY)
            applied = apply(node, output);
        else if (kind == RAFTCORE_OUTPUT_HALTED)
            fail("the node halted");
        raftcore_output_release(output);
    }
}

int main(int count, char **arguments)
{
    if (count != 3)
        fail("usage: journal FILE LINE");
    const char *line = arguments[2];
    int file = open(arguments[1], O_RDWR | O_APPEND | O_CREAT, 0644);
    system_ok(file);

    raftcore_config config;
    raftcore_node *node;
    raftcore_stored *stored = read_stored(file);
    ok(raftcore_config_default(&config, sizeof config));
    config.window_bytes = SIZE_MAX; /* the whole journal stays in memory: none is read back */
    ok(raftcore_node_new(&config, stored, 0, &node));
    raftcore_stored_free(stored);

    raftcore_entry_id proposed = {0, UINT64_MAX};
    uint64_t applied = 0;
    /* Nobody waits for a network here, so time may run as fast as it can. */
    for (uint64_t now = 0; applied < proposed.index; now++) {
        uint32_t role;
        ok(raftcore_node_tick(node, now));
        ok(raftcore_node_role(node, &role));
        if (role == RAFTCORE_ROLE_LEADER && proposed.index == UINT64_MAX)
            ok(raftcore_node_propose(node, (const uint8_t *)line, strlen(line), &proposed));
        applied = carry_out(node, file);
    }
    raftcore_node_free(node);
    system_ok(close(file));
    return 0;
}
