#!/bin/sh
#
# Test that NaNs are the same with kept TBs, and after signals, on MIPS
#
# SPDX-License-Identifier: GPL-2.0-or-later

test="cache-nan"
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"

# Status 1 tells of a NaN of before 2008, 2 of the handler's rounding mode
for argument in "" x; do
    # shellcheck disable=SC2086 # none if empty
    good "" ./cache-nan $argument
done
for first in "" x; do
    for argument in "$first" x "" "$first"; do
        # shellcheck disable=SC2086
        run "$dir-$first" ./cache-nan $argument
        [ "$status" = 0 ] || fail "status $status"
    done
done
[ "$taken" -gt 0 ] || fail "none is taken over"

finish
