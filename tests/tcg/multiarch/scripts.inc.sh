# What the scripts that test an option share, sourced by theirs
#
# They have set $test, the test's name, and set $name to what fail() is about.
#
# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later

tmp=$PWD/$test.tmp
failed=0
rm -rf "$tmp"
mkdir -p "$tmp"

fail() {
    echo "$name: $*"
    for f in out err log; do
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

# To be called at the end
finish() {
    [ $failed != 0 ] || rm -rf "$tmp"
    exit $failed
}
