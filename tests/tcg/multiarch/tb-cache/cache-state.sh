#!/bin/sh
#
# Test that TBs kept in a file do what they would do without
#
# SPDX-License-Identifier: GPL-2.0-or-later

test="cache-state"
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"

run "" ./cache-state "$tmp/file" 0
[ "$status" = 0 ] || fail "status $status"
cp "$tmp/out" "$tmp/plain"
grep -q '^signal 11' "$tmp/plain" || fail "there are no faults"

# Whatever comes first, so that each is made once where the other one was kept
for first in 0 1; do
    other=$((1 - first))
    for with in " $first" " $first" ",check=on $first" " $other" \
                ",check=on $other" ",check=on $first"; do
        run "$dir-$first${with% *}" ./cache-state "$tmp/file" "${with#* }"
        [ "$status" = 0 ] || fail "status $status"
        cmp -s "$tmp/plain" "$tmp/out" || fail "it is otherwise"
    done
done
run "$dir-0" ./cache-state "$tmp/file" 0
[ "$taken" -gt $((made * 10)) ] || fail "$taken are taken over, $made made"

finish
