#!/bin/sh
#
# Test --native-bypass with QEMU's own tools: a program's output stays the same
#
# NATIVE_PLUGINS is a directory of plugins or "".
#
# SPDX-License-Identifier: GPL-2.0-or-later

test=native-tools
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
program=./$test
calls=100000

succeeds() {
    [ "$status" = 0 ] || fail "status $status"
}

# same STDERR NAME OPTION...: the same output as without OPTION
same() {
    warning=$1
    shift
    native "$@" "$program"
    expect 0 "$(cat "$tmp/native")" "$warning"
}

# logged PATTERN...
logged() {
    for pattern; do
        grep -q "$pattern" "$tmp/log" || fail "no \"$pattern\" in the log"
    done
}

# What it is to be: older C libraries have not all of the functions.
native "native" -d native_bypass -D "$tmp/log" "$program"
succeeds
logged '^native_bypass: [0-9]* memcpy$' '^native_bypass: [0-9]* wcscmp$'
mv "$tmp/out" "$tmp/native"
qemu "translated" "$program"
succeeds
[ "$(wc -l < "$tmp/out")" -gt 70 ] || fail "few functions"
grep -vxF -f "$tmp/native" "$tmp/out" && fail "differs"

# A call that is made again is one.
native "fixed" -d native_bypass -D "$tmp/log" "$program" fixed
succeeds
logged '^native_bypass: 1 wcpncpy$'

same "" "-one-insn-per-tb" -one-insn-per-tb
same "" "-d in_asm,op,out_asm" -d in_asm,op,out_asm -D "$tmp/log"
logged '^IN: ' 'call native_memcpy,' '^OUT: '

same "" "-perfmap" -perfmap
[ -s "/tmp/perf-$pid.map" ] || fail "no map"
rm -f "/tmp/perf-$pid.map"

# executed FUNCTION: instructions in a run with $calls calls of it
executed() {
    native "counting $1" -plugin "$NATIVE_PLUGINS/libinsn.so" \
        -d plugin -D "$tmp/log" "$program" "$1" "$calls"
    succeeds
    count=$(sed -n 's/^total insns: //p' "$tmp/log")
}

if [ -n "$NATIVE_PLUGINS" ]; then
    for plugin in insn.so bb.so mem.so,inline=on; do
        same "qemu-$TARGET_NAME: warning: --native-bypass: plugins *" \
            "-plugin $plugin" -plugin "$NATIVE_PLUGINS/lib$plugin" \
            -d plugin -D "$tmp/log"
        logged ": [1-9]"
    done

    # The stub is one instruction, and so is a return, but for mips.
    case $TARGET_NAME in
    mips*)  return_insns=2 ;;
    *)      return_insns=1 ;;
    esac
    executed return
    returns=$count
    executed strlen
    stub_insns=$(((count - returns + calls * return_insns + calls / 2) / calls))
    [ "$stub_insns" = 1 ] || fail "$stub_insns instructions"
else
    skip plugins "plugins are not enabled"
fi

finish
