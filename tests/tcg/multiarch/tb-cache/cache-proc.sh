#!/bin/sh
#
# Test TBs kept in a file: the guest's processes, descriptors, mappings are
# as without
#
# SPDX-License-Identifier: GPL-2.0-or-later

test="cache-proc"
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
# shellcheck disable=SC3045 # any shell has -c
ulimit -c 0
cp -p cache-proc "$tmp/"
cd "$tmp" || exit 1
# Whatever make has left open: the guest lists them.
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-

run "" ./cache-proc
parts=$(cat out)
for part in $parts; do
    case $part in
    # The guest gives QEMU's stderr to a file of its own.
    closed | standard) trace= ;;
    *) trace="-trace tb_cache_*" ;;
    esac
    run "" ./cache-proc "$part" "file-$part" 1
    plain=$status
    mv out plain
    # cold and warm, then again with more
    for with in "cache 1" "cache 1" "cache 2" "cache,check=on 3" \
                "cache,check=on 1"; do
        run "${with% *}" ./cache-proc "$part" "file-$part" "${with#* }"
        [ "$status" = "$plain" ] || fail "status $status, not $plain"
        cmp -s plain out || fail "it is otherwise"
    done
    # Ways to end by which it saved what there was to be saved: threads may keep
    # it from that, and signals that QEMU does not see.
    run cache ./cache-proc "$part" "file-$part" 1
    case $part in
    threadexec | exitgroup | threadexit | thread | dup | kill) ;;
    closed | standard) ;;
    *)  [ "$made" -lt 64 ] || fail "$made are made again" ;;
    esac
done
[ "$(find . -name '*.tb' | wc -l)" = 1 ] || fail "there are other files"

# There is little time in which the guest could see QEMU's descriptors.
for i in 1 2 3 4 5 6 7 8; do
    rm -rf again
    run again ./cache-proc dup file-dup $i
    [ ! -s out ] || fail "a descriptor is seen"
done

# The guest maps over QEMU's mapping, or unmaps it.
mkfifo fifo
for n in 0 1 2 3; do
    name="over $n"
    rm -f out
    # shellcheck disable=SC2086 # words
    QEMU_TB_CACHE=cache "$QEMU" $options ./cache-proc over file $n \
        < fifo > out 2> err &
    exec 3> fifo
    until [ -s out ] || ! kill -0 $!; do
        sleep .1
    done
    map=$(sed -n 's/^\([0-9a-f]*-[0-9a-f]*\) .*\.tb$/\1/p' /proc/$!/maps)
    [ -n "$map" ] || fail "no mapping"
    grep '\.tb$' /proc/$!/maps | grep -qv ' r--s ' && fail "it can be written"
    echo "$map" >&3
    exec 3>&-
    wait $! || fail "status $?"
    last=$(tail -n 1 out)
    case $last in
    done | "out of reach") ;;
    *)  fail "it prints $last" ;;
    esac
done
run "cache,check=on" ./cache-proc maps file 1
[ "$status" = 0 ] || fail "status $status"
[ "$last" = "done" ] || skip over "QEMU's mapping is out of the guest's reach"

finish
