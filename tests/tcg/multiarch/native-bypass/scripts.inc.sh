# Native bypass: what the scripts share, sourced by them
#
# They have set $test, the test's name.  The rest comes from the environment,
# see Makefile.target.
#
# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later

# shellcheck source-path=SCRIPTDIR source=../scripts.inc.sh
. "$(dirname "$0")/../scripts.inc.sh"
root=$NATIVE_SYSROOT
unset QEMU_NATIVE_BYPASS LD_PRELOAD

# "child 7" prints "native" or "translated", and exits 7.
program=./native-exec

# run NAME COMMAND...: leaves out, err, log, $pid and $status
run() {
    name=$1
    shift
    rm -f "$tmp/log"
    status=0
    "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null &
    pid=$!
    wait $pid || status=$?
}

# qemu NAME ARGUMENT..., and the same with the option
qemu() {
    what=$1
    shift
    run "$what" "$QEMU" -L "$root" "$@"
}
native() {
    what=$1
    shift
    qemu "$what" --native-bypass "$NATIVE_LIB" "$@"
}

# with VALUE NAME ARGUMENT...: as qemu, with QEMU_NATIVE_BYPASS
with() {
    value=$1
    what=$2
    shift 2
    run "$what" env "QEMU_NATIVE_BYPASS=$value" "$QEMU" -L "$root" "$@"
}

# expect STATUS STDOUT [STDERR]: STDERR is a pattern of one line, or nothing
expect() {
    [ "$status" = "$1" ] || fail "status $status and not $1"
    [ "$(cat "$tmp/out")" = "$2" ] || fail "stdout is not \"$2\""
    lines=${3:+1}
    [ "$(wc -l < "$tmp/err")" -eq "${lines:-0}" ] || fail "lines on stderr"
    # shellcheck disable=SC2254 # a pattern
    case $(cat "$tmp/err") in
    $3) ;;
    *)  fail "stderr is not \"$3\"" ;;
    esac
}

# counted FILE: is what -d native_bypass logs there, once, and nothing else?
counted() {
    awk '
        /^native_bypass: [0-9]+ calls$/ { total = $2; totals++; next }
        /^native_bypass: [0-9]+ [a-z]+$/ { sum += $2; bad += seen[$3]++; next }
        { bad = 1 }
        END { exit bad || totals != 1 || sum != total ||
              seen["strlen"] != 1 }
    ' "$1" || fail "counts do not add up"
}
