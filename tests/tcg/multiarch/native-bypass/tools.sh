#!/bin/sh
#
# Test --native-bypass with QEMU's own tools: a program's output stays the same
#
# usage: tools.sh TARGET_NAME PLUGINS
#
# PLUGINS is a directory of plugins or "".  The rest comes from the
# environment, see Makefile.target.
#
# SPDX-License-Identifier: GPL-2.0-or-later

target=$1
plugins=$2
tmp=$PWD/native-tools.tmp
calls=100000
failed=0

program=./native-tools

fail() {
    echo "$name: $*"
    failed=1
}

# run NAME ARGUMENT...: leaves out, err, log, $pid and $status
run() {
    name=$1
    shift
    rm -f "$tmp/log"
    "$QEMU" -L "$NATIVE_SYSROOT" "$@" > "$tmp/out" 2> "$tmp/err" &
    pid=$!
    status=0
    wait $pid || status=$?
    [ $status = 0 ] || fail "status $status: $(head -n 5 "$tmp/err")"
}

# with LINES-ON-STDERR NAME OPTION...: the same output as without OPTION
with() {
    lines=$1
    what=$2
    shift 2
    run "$what" --native-bypass "$NATIVE_LIB" "$@" "$program"
    cmp -s "$tmp/out" "$tmp/native" || fail "other output"
    [ "$(wc -l < "$tmp/err")" -eq "$lines" ] ||
        fail "stderr: $(head -n 5 "$tmp/err")"
}

# logged PATTERN...
logged() {
    for pattern; do
        grep -q "$pattern" "$tmp/log" || fail "no \"$pattern\" in the log"
    done
}

rm -rf "$tmp"
mkdir -p "$tmp"

# What it is to be: older C libraries have not all of the functions.
run "native" --native-bypass "$NATIVE_LIB" -d native_bypass -D "$tmp/log" \
    "$program"
logged '^native_bypass: [0-9]* memcpy$' '^native_bypass: [0-9]* wcscmp$'
mv "$tmp/out" "$tmp/native"
run "translated" "$program"
[ "$(wc -l < "$tmp/out")" -gt 70 ] || fail "few functions"
grep -vxF -f "$tmp/native" "$tmp/out" && fail "differs"

# A call that is made again is one.
run "mended" --native-bypass "$NATIVE_LIB" -d native_bypass -D "$tmp/log" \
    "$program" mended
logged '^native_bypass: 1 wcpncpy$'

with 0 "-one-insn-per-tb" -one-insn-per-tb
with 0 "-d in_asm,op,out_asm" -d in_asm,op,out_asm -D "$tmp/log"
logged '^IN: ' 'call native_memcpy,' '^OUT: '

with 0 "-perfmap" -perfmap
[ -s "/tmp/perf-$pid.map" ] || fail "no map"
rm -f "/tmp/perf-$pid.map"

# counted FUNCTION: instructions executed in a run with $calls calls of it
counted() {
    run "counting $1" --native-bypass "$NATIVE_LIB" \
        -plugin "$plugins/libinsn.so" -d plugin -D "$tmp/log" \
        "$program" "$1" "$calls"
    count=$(sed -n 's/^total insns: //p' "$tmp/log")
}

if [ -n "$plugins" ]; then
    for plugin in insn.so bb.so mem.so,inline=on; do
        with 1 "-plugin $plugin" \
            -plugin "$plugins/lib$plugin" \
            -d plugin -D "$tmp/log"
        logged ": [1-9]"
    done

    # The stub is one instruction, and so is a return, but for mips.
    case $target in
    mips*)  return_insns=2 ;;
    *)      return_insns=1 ;;
    esac
    counted return
    returns=$count
    counted strlen
    stub_insns=$(((count - returns + calls * return_insns + calls / 2) / calls))
    [ "$stub_insns" = 1 ] || fail "$stub_insns instructions"
else
    echo "  SKIPPED native-tools plugins on $target because" \
        "plugins are not enabled" >&2
fi

[ $failed != 0 ] || rm -rf "$tmp"
exit $failed
