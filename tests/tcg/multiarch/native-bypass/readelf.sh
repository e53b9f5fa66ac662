#!/bin/sh
#
# Test libnative.so as a shared object
#
# SPDX-License-Identifier: GPL-2.0-or-later

test=native-readelf
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
lib=$NATIVE_LIB
name=$lib
export LC_ALL=C

dynamic=$(readelf -dW "$lib") || fail "no dynamic section"
headers=$(readelf -lW "$lib") || fail "no program headers"
symbols=$(readelf --dyn-syms -W "$lib" | awk '$1 ~ /^[0-9]+:$/')

case $dynamic in
*"soname: [libnative.so]"*) ;;
*)  fail "soname" ;;
esac
case $dynamic in
*TEXTREL* | *"(NEEDED)"*) fail "text relocations, or needs another library" ;;
esac
# musl reads both kinds, glibc of some targets only one
case $dynamic in
*HASH\)*) ;;
*)  fail "no hash table" ;;
esac

echo "$headers" | awk '$1 == "GNU_STACK" { n++; if ($0 ~ / RWE /) exec = 1 }
                       END { exit exec || n != 1 }' || fail "executable stack"
echo "$headers" | grep -q 'LOAD .* RWE ' && fail "writable code"

# Value Size Type Bind Vis Ndx Name: each function, and nothing else.  Before
# the last two there may be something of PowerPC's.
symbols=$(echo "$symbols" | sed 's/\[<localentry>: [0-9]*\]//')
undefined=$(echo "$symbols" | awk '$5 != "LOCAL" && $7 == "UND" {
                                       print $5, $8 }' | sort | tr "\n" ";")
[ "$undefined" = "GLOBAL malloc;WEAK __chk_fail;" ] ||
    fail "undefined symbols: $undefined"
defined=$(echo "$symbols" | awk '$5 != "LOCAL" && $7 != "UND"')
echo "$defined" | awk '$4 != "FUNC" || $5 != "GLOBAL" || $6 != "DEFAULT" ||
                       $3 == 0 { exit 1 }' ||
    fail "not only sized global functions"
arm=$(readelf -hW "$lib" | grep -c 'Machine: *ARM$')
listed=$(awk -F '[(,)]' -v arm="$arm" '
             /^#if defined\(__arm__\)/ { skip = !arm }
             /^#endif/ { skip = 0 }
             skip { next }
             $1 == "NATIVE_CHECKED" { print "__" $2 "_chk" }
             $1 ~ /^NATIVE(_ALIAS|_GUEST)?$/ { print $2 }' "$NATIVE_FUNCTIONS" |
         sort | tr "\n" " ")
exported=$(echo "$defined" | awk '{ print $8 }' | sort | tr "\n" " ")
[ -n "$listed" ] || fail "no functions in $NATIVE_FUNCTIONS"
[ "$listed" = "$exported" ] || fail "exported: $exported, listed: $listed"

finish
