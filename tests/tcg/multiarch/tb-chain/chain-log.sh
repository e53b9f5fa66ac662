#!/bin/sh
#
# Tests of links between TBs: logs of what is executed
#
# TBs on other pages are in the log each time that they are executed, and
# options that keep TBs apart change nothing else.  Argument: what runs
# chain-log; its log is chain-log.log.
#
# SPDX-License-Identifier: GPL-2.0-or-later

rounds=50
kinds=7

fail() {
    echo "$*"
    exit 1
}

# $1 = threads, $2... = options
run() {
    threads=$1
    shift
    rm -f chain-log.log
    got=$($qemu "$@" ./chain-log $rounds "$threads") ||
        fail "$threads threads, $*: status $?"
    test "$got" = "sum $((rounds * kinds * threads))" ||
        fail "$threads threads, $*: $got"
}

# How often the log has the TB at $1, and how often it should.  One that was
# stopped before it began, as something else was to be done, is there again.
logged() {
    count=$(grep -c "^Trace [0-9]*: .*/0*$1/" chain-log.log)
    stopped=$(grep -c "^Stopped execution .* \[0*$1\]" chain-log.log)
    test $((count - stopped)) -eq "$2" || fail "$threads threads, $options:" \
        "TB $1 is logged $count times, $stopped times stopped, not $2"
}

qemu=$*
for threads in 1 2; do
    run $threads
    run $threads -one-insn-per-tb
    run $threads -d nochain -D chain-log.log
    run $threads -one-insn-per-tb -d nochain -D chain-log.log
    for options in "-d exec" "-d exec,nochain" "-one-insn-per-tb -d exec" \
                   "-one-insn-per-tb -d exec,nochain"; do
        # shellcheck disable=SC2086
        run $threads $options -dfilter 0x20000000+0x2000 -D chain-log.log
        for entry in 20000000 20000040 20000080 20000140 20000180 200001c0 \
                     20000ff0; do
            logged $entry $((rounds * threads))
        done
        logged 20001000 $((rounds * kinds * threads))
    done
done
rm -f chain-log.log
