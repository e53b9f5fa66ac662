# TBs kept in a file: what the scripts share, sourced by them
#
# They have set $test, the test's name.  Their arguments are QEMU's options; in
# the environment are QEMU, the emulator, and TARGET_NAME.
#
# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later

tmp=$PWD/$test.tmp
dir=$tmp/cache
failed=0
unset QEMU_TB_CACHE
rm -rf "$tmp"
mkdir -p "$tmp"
options=$*
trace='-trace tb_cache_*'

fail() {
    echo "$name: $*"
    for f in out err; do
        if [ -s "$tmp/$f" ]; then
            echo "--- $f"
            head -n 20 "$tmp/$f"
        fi
    done
    failed=1
}

# As skip-test of the Makefile does, but stdout is this test's own.
skip() {
    echo "  SKIPPED $test $1 on $TARGET_NAME because $2" >&2
}

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

# To be called at the end
finish() {
    [ $failed != 0 ] || rm -rf "$tmp"
    exit $failed
}
