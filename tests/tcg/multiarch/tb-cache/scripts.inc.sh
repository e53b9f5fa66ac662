# TBs kept in a file: what the scripts share, sourced by them
#
# They have set $test, the test's name.  Their arguments are QEMU's options; in
# the environment are QEMU, the emulator, and TARGET_NAME.
#
# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later

# shellcheck source-path=SCRIPTDIR source=../scripts.inc.sh
. "$(dirname "$0")/../scripts.inc.sh"
dir=$tmp/cache
unset QEMU_TB_CACHE
options=$*
trace='-trace tb_cache_*'

# run CACHE PROGRAM ARGUMENT...: leaves out, err, $status; of the TBs of the
# last process that ended $taken over, $made and $added, or nothing
run() {
    cache=$1
    shift
    name="$* with \"$cache\""
    status=0
    # shellcheck disable=SC2086 # words
    QEMU_TB_CACHE=$cache "$QEMU" $options $trace "$@" \
        > "$tmp/out" 2> "$tmp/err" < /dev/null || status=$?
    count "$tmp/err"
}

count() {
    # shellcheck disable=SC2046 # numbers
    set -- $(sed -n '/^tb_cache_save/s/[^0-9]\{1,\}/ /gp' "$1" | tail -n 1)
    taken=$1
    made=$2
    added=$3
}

# The same, which must succeed and say nothing
good() {
    run "$@"
    [ "$status" = 0 ] || fail "status $status"
    [ ! -s "$tmp/out" ] || fail "there is output"
}
