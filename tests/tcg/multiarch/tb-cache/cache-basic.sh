#!/bin/sh
#
# Test -tb-cache and QEMU_TB_CACHE
#
# SPDX-License-Identifier: GPL-2.0-or-later

test="cache-basic"
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
here=$PWD

# same CACHE ARGUMENT...: as without
same() {
    run "$@"
    [ "$status" = 0 ] || fail "status $status"
    cmp -s "$tmp/plain" "$tmp/out" || fail "it is otherwise"
}

run "" ./cache-state "$tmp/file" 0
[ "$status" = 0 ] || fail "status $status"
[ -z "$taken" ] || fail "something is kept"
cp "$tmp/out" "$tmp/plain"

# Both ways to say it, and those to say that it is not to be
same "$dir" ./cache-state "$tmp/file" 0
# It takes over some of its own when the first thread has all translated anew.
[ "$taken" -lt $((made / 5)) ] || fail "$taken are taken over"
[ "$made" -gt 500 ] || fail "$made are made"
[ "$added" -gt $((made * 9 / 10)) ] || fail "$added of $made are added"
cold=$made
same "" -tb-cache "$dir" ./cache-state "$tmp/file" 0
[ "$taken" -gt $((cold * 9 / 10)) ] || fail "$taken of $cold are taken over"
[ "$made" -lt $((cold / 10)) ] || fail "$made of $cold are made again"
# What threads wait for differs a bit from run to run.
same "$dir" ./cache-state "$tmp/file" 0
same "$dir" ./cache-state "$tmp/file" 0
[ "$added" -lt $((cold / 10)) ] || fail "$added are added again"
same "$dir,check=on" ./cache-state "$tmp/file" 0
same "" -tb-cache "$dir,check=on" ./cache-state "$tmp/file" 0
[ "$taken" -gt $((cold * 9 / 10)) ] || fail "$taken are taken over"
[ "$made" -gt $((cold * 9 / 10)) ] || fail "$made are translated again"
same "dir=$dir,check=off,size=8M" ./cache-state "$tmp/file" 0
[ "$taken" -gt $((cold * 9 / 10)) ] || fail "$taken are taken over"
for option in off ""; do
    same "$dir" -tb-cache "$option" ./cache-state "$tmp/file" 0
    [ -z "$taken" ] || fail "something is kept"
done
same off ./cache-state "$tmp/file" 0
[ -z "$taken" ] || fail "something is kept"
same off -tb-cache "$dir" ./cache-state "$tmp/file" 0
[ "$taken" -gt 0 ] || fail "the environment counts more"

# Sizes: the option's own, in units of 4 MiB
sized() {
    want=$1
    shift
    same "$@" ./cache-state "$tmp/file" 0
    [ "$(find "$tmp/sized" -type f -exec wc -c {} + | awk '{ print $1 }')" = \
      "$want" ] || fail "the file is not of $want bytes"
    rm -rf "$tmp/sized"
}
sized 4194304 "$tmp/sized,size=1"
sized 8388608 "$tmp/sized,size=11M"
sized 268435456 "$dir,size=8M" -tb-cache "$tmp/sized"

# A relative one, and what is no directory, or has no parent
cd "$tmp" || exit 1
same relative "$here/cache-state" "$tmp/file" 0
[ -d "$tmp/relative" ] || fail "there is no directory"
[ "$added" -gt 500 ] || fail "$added are added"
cd "$here" || exit 1
: > "$tmp/none"
for d in "$tmp/none" "$tmp/none/x" "$tmp/nowhere/x" /proc /dev/null; do
    same "$d" ./cache-state "$tmp/file" 0
    [ -z "$taken" ] || fail "something is kept"
done
run "$dir,check=perhaps" ./cache-state "$tmp/file" 0
[ "$status" = 1 ] || fail "status $status"
run "$dir,other=on" ./cache-state "$tmp/file" 0
[ "$status" = 1 ] || fail "status $status"

# What somebody is to see is translated here.
same "$dir" -d strace -D "$tmp/log" ./cache-state "$tmp/file" 0
count "$tmp/log"
[ "$taken" -gt 0 ] || fail "nothing is taken over"
for what in "-d in_asm" "-d nochain" "-one-insn-per-tb"; do
    # shellcheck disable=SC2086 # words
    same "$dir" $what -D "$tmp/log" ./cache-state "$tmp/file" 0
    [ -z "$taken" ] || fail "something is kept"
done

# What depends on something else is another file.
case $TARGET_NAME in
mips64*)        other="-R 0x200000000" ;;
mips*)          other="-R 0x70000000" ;;
i386 | x86_64)  other="-cpu max,check=off" ;;
riscv64)        other="-cpu rv64" ;;
ppc64le)        other="-cpu power10" ;;
*)              other="-cpu max" ;;
esac
# shellcheck disable=SC2086 # words
same "$dir" $other ./cache-state "$tmp/file" 0
[ "$taken" -lt $((made / 5)) ] || fail "$taken are taken over"
[ "$(find "$dir" -type f -size +0 | wc -l)" = 2 ] ||
    fail "there are not two files: $(ls "$dir")"
[ "$(find "$dir" -type f -perm 600 | wc -l)" = 2 ] ||
    fail "mode: $(ls -l "$dir")"

# One process runs all the time; what another one saves it has.
good "$dir" ./cache-proc fresh "$tmp/file" 1
mkfifo "$tmp/fifo"
for i in 5 6; do
    # shellcheck disable=SC2086 # words
    QEMU_TB_CACHE=$dir "$QEMU" $options $trace ./cache-proc \
        wait "$tmp/file" $i < "$tmp/fifo" > "$tmp/long" 2> "$tmp/long-err" &
    exec 3> "$tmp/fifo"
    until [ -s "$tmp/long" ] || ! kill -0 $!; do
        sleep .1
    done
    [ $i = 5 ] || good "$dir" ./cache-proc fresh "$tmp/file" $i
    echo x | head -c 1 >&3
    exec 3>&-
    wait $! || fail "status $?"
    count "$tmp/long-err"
    if [ $i = 5 ]; then
        [ "$made" -ge 128 ] || fail "$made are made"
    else
        [ "$made" -lt 50 ] || fail "$made are made again"
    fi
done

finish
