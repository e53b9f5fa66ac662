#!/bin/sh
#
# Whether a log of "-d native_bypass" counts calls of every helper
#
# counted.sh FUNCTIONS LOG: FUNCTIONS is native-functions.h.inc.
#
# SPDX-License-Identifier: GPL-2.0-or-later

names=$(sed -n 's/^NATIVE(\([a-z0-9_]*\),.*/\1/p' "$1")
test -n "$names" || { echo "$1: no functions"; exit 1; }
for name in $names; do
    grep -q "^native_bypass: [1-9][0-9]* $name\$" "$2" ||
        { echo "$2: no call of $name"; exit 1; }
done
