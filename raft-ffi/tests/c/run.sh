#!/bin/sh
# Builds the static library and runs the C programs against it; `c: ok` is the last line.
#
#   run.sh             as they are
#   run.sh --shared    against the shared library instead
#   run.sh --asan      with AddressSanitizer and UndefinedBehaviorSanitizer in the C code
#   run.sh --valgrind  under valgrind; exit code 77 if it is not installed
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
flags=""
runner=""
library=static
case "${1:-}" in
"") ;;
--shared) library=shared ;;
--asan) flags="-fsanitize=address,undefined -fno-sanitize-recover=all" ;;
--valgrind)
    if ! command -v valgrind >/dev/null; then
        echo "c: skipped: valgrind is not installed" >&2
        exit 77
    fi
    runner="valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all"
    ;;
*)
    echo "usage: $0 [--shared | --asan | --valgrind]" >&2
    exit 2
    ;;
esac

target="${CARGO_TARGET_DIR:-$root/target}"
"${CARGO:-cargo}" build --quiet --manifest-path "$root/raft-ffi/Cargo.toml"
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
if [ "$library" = shared ]; then
    # The program asks for the library by its SONAME, the name under which it is installed.
    ln -s "$target/debug/libraftcore.so" "$built/libraftcore.so.0.1"
    link="$built/libraftcore.so.0.1 -Wl,-rpath,$built -lpthread"
else
    link="$target/debug/libraftcore.a -lpthread -ldl -lm"
fi
if command -v "${CXX:-c++}" >/dev/null; then
    "${CXX:-c++}" -std=c++17 -Wall -Wextra -Werror -pedantic -fsyntax-only \
        -x c++ "$root/include/raftcore.h"
fi
for program in three_nodes changes snapshots misuse; do
    # shellcheck disable=SC2086 # flags, link and runner are several words on purpose
    ${CC:-cc} -std=c11 -Wall -Wextra -Werror -pedantic -g -O1 $flags \
        -I "$root/include" -I "$here" "$here/$program.c" -o "$built/$program" $link
    # shellcheck disable=SC2086
    $runner "$built/$program"
done
echo "c: ok"
