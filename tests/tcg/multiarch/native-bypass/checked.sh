#!/bin/sh
#
# Test --native-bypass with AddressSanitizer: results and reports stay the same
#
# usage: checked.sh PROGRAM...
#
# Each is native-checked with it.  The rest comes from the environment, see
# Makefile.target.
#
# SPDX-License-Identifier: GPL-2.0-or-later

tmp=$PWD/native-checked.tmp
failed=0
# Of QEMU itself, too: the runtime reads /proc/self/environ.
export ASAN_OPTIONS=detect_leaks=0
# Its shadow counts as data, all of the 15 TiB that it reserves.
# shellcheck disable=SC3045 # any shell has -d
ulimit -S -d "$(ulimit -H -d)"

rm -rf "$tmp"
mkdir -p "$tmp"

# run NAME ARGUMENT...: leaves the result and what matters of the report
run() {
    name=$1
    shift
    status=0
    "$QEMU" -L "$NATIVE_SYSROOT" "$@" > "$tmp/out" 2> "$tmp/err" || status=$?
    {
        echo "status $status"
        cat "$tmp/out"
        sed -n 's/^==[0-9]*==ERROR: \([^:]*: [^ ]*\).*/\1/p
                s/^\([A-Z]* of size [0-9]*\) .*/\1/p' "$tmp/err"
    } > "$tmp/$name"
}

for program; do
    for size in 10 11; do
        run translated "$program" $size
        run native --native-bypass "$NATIVE_LIB" "$program" $size
        case $size in
        10) expected="status 0" ;;
        11) expected="heap-buffer-overflow" ;;
        esac
        if ! grep -q "$expected" "$tmp/translated"; then
            # what does not run is nothing to compare with
            echo "$program $size, translated: not \"$expected\":"
            head -n 5 "$tmp/out" "$tmp/err"
            failed=1
        elif ! cmp -s "$tmp/translated" "$tmp/native"; then
            echo "$program $size:"
            diff "$tmp/translated" "$tmp/native"
            failed=1
        fi
    done
done

[ $failed != 0 ] || rm -rf "$tmp"
exit $failed
