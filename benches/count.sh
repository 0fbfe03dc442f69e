#!/bin/sh
# Counts the instructions of a job per entry: callgrind over two sizes, the difference divided.
#
#   benches/count.sh J1                        raftcore
#   benches/count.sh J1 --raft-rs              the peer (wants protoc)
#   benches/count.sh J1 --without pre-vote     or check-quorum, or both
#   benches/count.sh J4 --what poll            has (default), poll, deadline
#   benches/count.sh J7 --voters 101
#   benches/count.sh J8 --what verify          decode (default), verify
#   IN='rapidhash|::checksum' benches/count.sh J1   only in functions or source files of such a name
#   PROFILE=1 benches/count.sh J1              the functions that take most, per entry
#
# SIZES="1000 3000" sets other sizes, CODEC=prost the codec of the peer; BINARY=path skips the build.
set -eu

if [ $# -eq 0 ]; then
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
command -v valgrind >/dev/null || { echo "count.sh: valgrind is not installed" >&2; exit 3; }

job=$1
shift
case $job in
    # Long enough that it does not matter where the allocator can grow a block in place.
    J2 | J3) default="1024 17408" ;;
    J5) default="50 150" ;;
    J6) default="20000 60000" ;;
    J7) default="50 150" ;;
    J8) default="20 60" ;;
    *) default="1000 9000" ;;
esac
# shellcheck disable=SC2086
set -- ${SIZES:-$default} "$@"
small=$1 large=$2
shift 2

root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${BINARY:-}" ]; then
    features=
    case " $* " in *" --raft-rs "*) features="--features peers${CODEC:+-$CODEC}" ;; esac
    # shellcheck disable=SC2086
    (cd "$root" && cargo build --quiet --profile measure -p raftcore-benches --bin count $features)
    BINARY=${CARGO_TARGET_DIR:-$root/target}/measure/count
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# Prints the instructions of one run. In callgrind's file, `fn` names the function and `fl`, `fi` and
# `fe` the source file of the lines that follow, and with a `c` before it those of a call: the line after `calls`.
count() {
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*measured*' \
        --callgrind-out-file="$out/$1" "$BINARY" --job "$job" --entries "$@" >"$out/log" 2>&1 ||
        { cat "$out/log" >&2; exit 1; }
    if [ -z "${IN:-}" ]; then
        awk '/^(summary|totals):/ { print $2; exit }' "$out/$1"
        return
    fi
    awk -v part="$IN" '
        /^c?f[nlie]=/ {
            kind = /^c?fn/ ? "function" : "file"
            id = kind $1
            sub(/c?f[nlie]=/, "", id)
            if (NF > 1) name[id] = $0
            if (!/^c/) wanted[kind] = name[id] ~ part
        }
        /^calls=/ { called = 1; next }
        /^[0-9+*-]/ { if (!called && (wanted["function"] || wanted["file"])) sum += $2; called = 0 }
        END { print sum + 0 }' "$out/$1"
}

first=$(count "$small" "$@")
second=$(count "$large" "$@")
echo "$job $*" "$first" "$second" "$small" "$large" | awk '{
    n = NF
    name = $1
    for (i = 2; i <= n - 4; i++) name = name " " $i
    printf "COUNT job=%s instructions=%.1f\n", name, ($(n - 2) - $(n - 3)) / ($n - $(n - 1))
}'

if [ -n "${PROFILE:-}" ]; then
    callgrind_annotate --auto=no "$out/$large" | awk -v entries="$large" '
        /^ *[0-9][0-9,]* \(/ {
            count = $1
            gsub(",", "", count)
            if (count / entries < 3) next
            rest = $0
            sub(/^ *[0-9,]+ \([^)]*\) */, "", rest)
            printf "%9.1f  %s\n", count / entries, rest
        }'
fi
