#!/bin/sh
#
# Test that a process takes over no TB of one with other NaNs, on MIPS
#
# SPDX-License-Identifier: GPL-2.0-or-later

test="cache-nan"
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"

for first in "" x; do
    for argument in "$first" x "" "$first"; do
        # shellcheck disable=SC2086 # none if empty
        run "" ./cache-nan $argument
        plain=$status
        # a NaN of 2008 is 0, another one 0x7fffffff
        case $plain in 0 | 255) ;; *) fail "status $plain" ;; esac
        # shellcheck disable=SC2086
        run "$dir-$first" ./cache-nan $argument
        [ "$status" = "$plain" ] || fail "status $status, not $plain"
    done
done
[ "$taken" -gt 0 ] || fail "none is taken over"

finish
