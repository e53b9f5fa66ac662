# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by dev/check-NAME, after lib.sh: prints result lines for dev/check, and counts them.

LABEL=${STEP#check-}
work=$BUILD/$STEP

passed=0 failed=0 skipped=0
ok() { printf 'ok %s: %s\n' "$LABEL" "$*"; passed=$((passed + 1)); }
not_ok() { printf 'not ok %s: %s\n' "$LABEL" "$*"; failed=$((failed + 1)); }
skip() { printf 'skip %s: %s\n' "$LABEL" "$*"; skipped=$((skipped + 1)); }
# result NAME COMMAND...: tests whether it succeeds, and prints its output if not
result() {
    name=$1
    shift
    if "$@" > "${log:-$work/log}" 2>&1; then ok "$name"; else not_ok "$name"; sed 's/^/    /' "${log:-$work/log}"; fi
}
