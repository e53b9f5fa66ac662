#!/bin/sh
#
# Test --native-bypass with AddressSanitizer: results and reports stay the same
#
# NATIVE_ASAN are builds of native-checked with it.
#
# SPDX-License-Identifier: GPL-2.0-or-later

test=native-asan
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
# Of QEMU itself, too: the runtime reads /proc/self/environ.
export ASAN_OPTIONS=detect_leaks=0
# Its shadow counts as data, all of the 15 TiB that it reserves.
# shellcheck disable=SC3045 # any shell has -d
ulimit -S -d "$(ulimit -H -d)"

# The result and what matters of the report
result() {
    echo "status $status"
    cat "$tmp/out"
    sed -n 's/^==[0-9]*==ERROR: \([^:]*: [^ ]*\).*/\1/p
            s/^\([A-Z]* of size [0-9]*\) .*/\1/p' "$tmp/err"
}

# compare PROGRAM SIZE RESULT: what does not run is nothing to compare with
compare() {
    qemu "$1 $2, translated" "$1" "$2"
    if grep -q 'AddressSanitizer failed to allocate' "$tmp/err"; then
        skip "$1 $2" "its shadow does not fit into the address space"
        return
    fi
    expected=$(result)
    case $expected in
    *"$3"*) ;;
    *)  fail "not \"$3\"" ;;
    esac
    native "$1 $2" "$1" "$2"
    [ "$(result)" = "$expected" ] || fail "otherwise it is: $expected"
    qemu "$1 $2, auto" --native-bypass auto "$1" "$2"
    [ "$(result)" = "$expected" ] || fail "otherwise it is: $expected"
}

for program in $NATIVE_ASAN; do
    compare "$program" 10 "status 0"
    compare "$program" 11 "heap-buffer-overflow"
done

finish
