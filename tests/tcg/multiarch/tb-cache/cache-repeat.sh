#!/bin/sh
#
# Test that guest addresses repeat while TBs are kept: in two runs, and of
# libraries in two programs
#
# SPDX-License-Identifier: GPL-2.0-or-later

test="cache-repeat"
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"

# guest OUTPUT PROGRAM: the loader would prefer libraries of the host's
guest() {
    set -- "$1" -L "${SYSROOT:-/}" -E "LD_LIBRARY_PATH=$SYSROOT/lib" "$2"
    out=$1
    shift
    run "$dir" "$@"
    [ "$status" = 0 ] || fail "status $status"
    mv "$tmp/out" "$tmp/$out"
}

same() {
    cmp -s "$tmp/$1" "$tmp/$2" || {
        fail "$3 differ"
        diff "$tmp/$1" "$tmp/$2"
    }
}

guest 1 ./cache-repeat
guest 2 ./cache-repeat
same 1 2 "two runs"
# shellcheck disable=SC3045 # dash and bash have it
ulimit -S -s unlimited 2> /dev/null
guest 3 ./cache-repeat
for n in 1 3; do
    grep -E 'exe|vdso' "$tmp/$n" > "$tmp/code$n"
done
same code1 code3 "runs with another stack"

if [ -e cache-repeat-1 ]; then
    # The address space of a 32-bit guest is small: once in some forty times
    # the second program's other library is where the first one has libc.
    for try in 1 2 3 4 5; do
        rm -rf "$dir"
        guest 1 ./cache-repeat-1
        guest 2 ./cache-repeat-1
        same 1 2 "two runs of a dynamic program"
        guest 2 ./cache-repeat-2
        for n in 1 2; do
            grep -E 'interpreter|vdso|libc' "$tmp/$n" > "$tmp/libs$n"
        done
        [ -s "$tmp/libs1" ] || fail "it has no libraries"
        ! cmp -s "$tmp/libs1" "$tmp/libs2" || break
    done
    same libs1 libs2 "two programs, in $try stores,"
else
    skip libraries "there is no shared C library"
fi

finish
