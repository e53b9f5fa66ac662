#!/bin/sh
# Native bypass: a program prints the same with native calls as without
#
#   compare.sh PROGRAM FUNCTION ARGUMENT...
#
# FUNCTION must have been called natively. The environment has QEMU and
# NATIVE_SYSROOT, what -L takes.
#
# SPDX-License-Identifier: GPL-2.0-or-later

program=$1 function=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset QEMU_NATIVE_BYPASS LD_PRELOAD

for way in off auto; do
    "$QEMU" -L "$NATIVE_SYSROOT" -E LD_LIBRARY_PATH=/lib64 \
        --native-bypass $way -d native_bypass -D "$tmp/log" \
        "$program" "$@" > "$tmp/$way" 2>&1 || {
        echo "$program $*: $way: exit $?"
        tail -n 5 "$tmp/$way"
        exit 1
    }
done
if ! cmp -s "$tmp/off" "$tmp/auto"; then
    echo "$program $*: translated and native differ:"
    diff "$tmp/off" "$tmp/auto" | head -n 20
    exit 1
fi
if ! grep -q "native_bypass: [0-9]* $function\$" "$tmp/log"; then
    echo "$program $*: no native call of $function"
    exit 1
fi
echo "$(grep -c : "$tmp/auto") results are the same"
