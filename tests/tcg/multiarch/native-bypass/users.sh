#!/bin/sh
#
# Test --native-bypass by what users run: under tight limits, to list what a
# program needs, with libnative.so and without the option, with lines in the
# real /etc/ld.so.preload
#
# NATIVE_MUSL is a build of native-exec with musl or "".
#
# SPDX-License-Identifier: GPL-2.0-or-later

test=native-users
target=$TARGET_NAME
musl=$NATIVE_MUSL
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
explanation="libnative.so: this library needs QEMU's option --native-bypass"

# same NAME ARGUMENT...: with the option as without, but for addresses
same() {
    qemu "$@"
    plain=$status
    sed 's/(0x[0-9a-f]*)//' "$tmp/out" "$tmp/err" > "$tmp/plain"
    native "$@"
    [ "$status" = "$plain" ] || fail "status $status and not $plain"
    sed 's/(0x[0-9a-f]*)//' "$tmp/out" "$tmp/err" | cmp -s - "$tmp/plain" ||
        fail "otherwise it is: $(cat "$tmp/plain")"
}

# limited LIMIT VALUE [OUTPUT]: is the run as without the option, only OUTPUT?
# Through a pipe, to which no limit applies.
limited() {
    name="ulimit $1 $2"
    : > "$tmp/err"
    for option in "" "--native-bypass $NATIVE_LIB"; do
        status=0
        # shellcheck disable=SC2086,SC3045 # two words; any shell has -n
        text=$( (ulimit "$1" "$2" && exec "$QEMU" -L "$root" $option \
            "$program" child 7) 2>&1) || status=$?
        echo "$text" > "$tmp/out"
        if [ -z "$option" ]; then
            plain=$status
            expected=$text
        fi
    done
    [ "$status" = "$plain" ] || fail "status $status and not $plain"
    [ "$expected" != translated ] || expected=${3:-$expected}
    [ "$text" = "$expected" ] || fail "output is not \"$expected\""
}

# Whatever make has left open: descriptors are counted below.
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-

# The program's loader, where QEMU finds it
interp=$(readelf -lW "$program" 2> /dev/null |
         sed -n 's/.*interpreter: \(.*\)]$/\1/p')
if [ -z "$interp" ]; then
    skip loader "no readelf"
elif [ -e "$root$interp" ]; then
    interp=$root$interp
fi

# It finds the sysroot's C library in the first directory that it looks into: in
# one before that, the host may have another C library.
qemu "first directory" -E LD_DEBUG=libs "$program" child 7
sed -n 's|.*trying file=\(.*/\)libc\.so\.6$|\1|p' "$tmp/err" |
    awk '{ tried[NR] = $0 }
         END { for (i in tried) bad += index(tried[i], $0) != 1
               exit !NR || bad }' || fail "not in the first one"

# The loader may open as many files as the program alone takes.
for n in 3 4 5 6 7 8; do
    limited -n $n native
done
[ "$plain" = 7 ] || fail "nor does it run without the option"
limited -f 0

# Who lists what a program needs gets that.
listed() {
    same "$1 LD_TRACE_LOADED_OBJECTS" -E LD_TRACE_LOADED_OBJECTS=1 "$program"
    grep -q 'libc.so.6' "$tmp/out" || fail "no list"
    [ -n "$interp" ] || return
    same "$1 --list" "$interp" --list "$program"
    grep -q 'libc.so.6' "$tmp/out" || fail "no list"
    same "$1 --verify" "$interp" --verify "$program"
    same "$1 --inhibit-cache --library-path" "$interp" --inhibit-cache \
        --library-path /nonexistent --list "$program"
}
listed "no real file,"

# But a loader started by hand that runs the program is one as any other.
if [ -n "$interp" ]; then
    native "loader" "$interp" "$program" child 7
    expect 7 native
    native "loader --library-path" "$interp" --inhibit-cache \
        --library-path /nonexistent "$program" child 7
    expect 7 native
    qemu "loader, no option" "$interp" "$program" child 7
    expect 7 translated
fi

# Without the option, the library says so.
qemu "LD_PRELOAD, no option" -E "LD_PRELOAD=$NATIVE_LIB" "$program" child 7
expect 127 "" "$explanation"
with /nonexistent "LD_PRELOAD, bad option" -E "LD_PRELOAD=$NATIVE_LIB" \
    "$program" child 7
expect 127 "" "$explanation"
native "LD_PRELOAD" -E "LD_PRELOAD=$NATIVE_LIB" "$program" child 7
expect 7 native
if [ "$target" = "$(uname -m)" ]; then
    run "no QEMU" env "LD_PRELOAD=$NATIVE_LIB" "$program" child 7
    expect 127 "" "$explanation"
fi

# A library that is not there is told to a person, once: not by what a shell
# starts that is not interactive.
terminal() {
    run "$1" env QEMU_NATIVE_BYPASS=/nonexistent python3 -c '
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' \
        sh -c "$2" "$QEMU" -L "$root" "$program" child 7
    [ "$status" = 7 ] || fail "status $status"
    why="warning: QEMU_NATIVE_BYPASS: /nonexistent"
    lines=$(grep -c "^qemu-$target: $why" "$tmp/out")
    [ "$lines" = "$3" ] || fail "$lines lines and not $3"
}
# shellcheck disable=SC2016 # the other shell's
terminal "terminal" 'exec "$0" "$@"' 1
# shellcheck disable=SC2016 # the other shell's
terminal "terminal, a child" '"$0" "$@"; exit $?' 0

# A real /etc/ld.so.preload.  The loader of a guest without access() asks for it by
# faccessat(), for which QEMU does not look in the sysroot.
case $target in
aarch64 | loongarch64 | riscv64) asks_outside=1 ;;
*)                               asks_outside= ;;
esac
cp -RP "$root" "$tmp/root"
root=$tmp/root
preload=$root/etc/ld.so.preload
real() {
    echo "$1" > "$preload"
    cp "$preload" "$tmp/preload"
}
unchanged() {
    cmp -s "$preload" "$tmp/preload" || fail "the real file is changed"
}
real "$NATIVE_LIB"
qemu "our line, no option" "$program" child 7
if [ "$asks_outside" ]; then
    expect 7 translated
else
    expect 127 "" "$explanation"
fi
native "our line" "$program" child 7
expect 7 native
unchanged

real "$PWD/libpreloaded.so"
qemu "a line, no option" "$program" child 7
expect 7 translated
native "a line" "$program" child 7
expect 7 native
unchanged
listed "a line,"
[ "$asks_outside" ] || grep -q libpreloaded.so "$tmp/out" ||
    fail "no libpreloaded.so"
limited -n 4 native
limited -f 0
[ "$plain" = 7 ] || fail "nor does it run without the option"
# Where ours cannot be given to the loader, it loads the real lines.
preloads() {
    (ulimit -f 0 && exec "$QEMU" -L "$root" "$@" -E LD_DEBUG=files \
        "$program" child 7 2>&1) | grep -c 'calling init: .*libpreloaded.so'
}
plain=$(preloads)
status=$(preloads --native-bypass "$NATIVE_LIB")
[ "$status" = "$plain" ] || fail "$status real lines loaded and not $plain"
unchanged
root=$NATIVE_SYSROOT

# Programs that close stderr before they exit, and have another file there
closed() {
    [ "$status $(cat "$tmp/out")" = "7 $1" ] || fail "status $status"
    [ "$(cat "$tmp/file")" = mine ] || fail "the file is: $(cat "$tmp/file")"
}
both=$(printf 'native\nnative')
native "close" -d native_bypass "$program" close "$tmp/file"
closed "$both"
counted "$tmp/err"
native "close, -D" -d native_bypass -D "$tmp/log" "$program" close "$tmp/file"
closed "$both"
counted "$tmp/log"
native "no close" -d native_bypass "$program" child 7
counted "$tmp/err"
qemu "close, no option" -d native_bypass "$program" close "$tmp/file"
closed "$(printf 'translated\ntranslated')"

# musl's loader reads no such file, which its user is to know.
if [ -n "$musl" ]; then
    why="$musl: nothing is preloaded: its loader reads no /etc/ld.so.preload"
    native "musl" "$musl" child 7
    expect 7 translated "qemu-$target: warning: --native-bypass: $why"
    with "$NATIVE_LIB" "musl, environment" "$musl" child 7
    expect 7 translated
    with "$NATIVE_LIB" "musl, environment and log" -d unimp "$musl" child 7
    expect 7 translated "native_bypass: $why"
    native "musl, LD_PRELOAD" -E "LD_PRELOAD=$NATIVE_LIB" \
        -d native_bypass -D "$tmp/log" "$musl" child 7
    expect 7 native
    counted "$tmp/log"
    qemu "musl, LD_PRELOAD, no option" -E "LD_PRELOAD=$NATIVE_LIB" \
        "$musl" child 7
    expect 127 "" "$explanation"
elif [ "$target" = "$(uname -m)" ]; then
    skip musl "there is no musl-gcc"
fi

finish
