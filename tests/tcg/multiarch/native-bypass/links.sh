#!/bin/sh
#
# Test --native-bypass auto with programs that define functions of the C
# library's names, however they are linked
#
# COMPILER is the target's, NATIVE_STATIC whether it can link static programs.
#
# NATIVE_SEED=n repeats the orders of objects that it links.
#
# SPDX-License-Identifier: GPL-2.0-or-later

test=native-links
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
source=$(dirname "$0")/links.c
seed=${NATIVE_SEED:-$(date +%s)}
echo "NATIVE_SEED=$seed"
cd "$tmp" || exit

# compile COMPILER FLAG...: the objects, and one of them in an archive
compile() {
    for part in MAIN OWN LOCAL; do
        "$@" -D$part -fno-builtin -ffunction-sections -w -c "$source" \
            -o "$part" || return
    done
    rm -f liblocal.a
    ar rc liblocal.a LOCAL
}

# runs_own LOG ARGUMENT...: links the program by "$link ARGUMENT...", runs it
runs_own() {
    want=$1
    shift
    # shellcheck disable=SC2086 # options
    $link -o program "$@" > "$tmp/err" 2>&1 || return
    for option in off auto; do
        qemu "$link $*, $option" --native-bypass $option \
            -E LD_LIBRARY_PATH=/lib64 -d native_bypass -D "$tmp/log" ./program
        expect 0 "1003 enmoved ck 112 7"
    done
    grep -q "^native_bypass: $want" "$tmp/log" || fail "not \"$want\""
}

# must LOG ARGUMENT...: as runs_own, and it can be linked
must() {
    runs_own "$@" || { name="$link $*"; fail "cannot be linked"; }
}
none="no shared C library that QEMU knows\$"

# orders: links the program in some orders of what is there
orders() {
    for option in sort-section=name sort-section=alignment gc-sections \
                  no-gc-sections; do
        # shellcheck disable=SC2046 # words
        set -- $(printf '%s\n' MAIN OWN LOCAL libc/*.o |
            awk -v seed="$seed" 'BEGIN { srand(seed) } { print rand(), $0 }' |
            sort | cut -d' ' -f2)
        seed=$((seed + 1))
        # Not each linker has each option.
        runs_own "$none" "$@" "-Wl,--$option" || must "$none" "$@"
    done
}

# shellcheck disable=SC2086 # options
compile $COMPILER -O1 -fPIC || exit

# Dynamic programs, with the functions in the program and in a library
link="$COMPILER"
libc=".*/libc\.so\.6: [1-9][0-9]* functions\$"
must "$libc" MAIN OWN LOCAL
must "$libc" -lc MAIN OWN LOCAL -rdynamic
$link -shared -o libown.so OWN LOCAL || exit
must "$libc" MAIN libown.so -Wl,-rpath,"$tmp"

if [ -z "$NATIVE_STATIC" ]; then
    skip static "no static C library"
    finish
fi

# Objects of the C library that stand among the program's
mkdir libc
(cd libc && ar x "$($COMPILER -print-file-name=libc.a)" \
    libc-start.o memccpy.o strchrnul.o strsep.o strncat.o) || exit

link="$COMPILER -static"
must "$none" -Wl,--sort-section=alignment MAIN OWN LOCAL
must "$none" -Wl,--sort-section=name MAIN OWN LOCAL
must "$none" -lc MAIN OWN LOCAL
must "$none" MAIN -lc OWN LOCAL
must "$none" MAIN OWN -lc -L. -llocal
link="$COMPILER -static-pie"
runs_own "$none" MAIN OWN LOCAL || skip static-pie "it cannot be linked"
runs_own "$none" MAIN OWN LOCAL \
    -Wl,-soname,libc.so.6,--export-dynamic-symbol='*mem*'

for linker in bfd gold lld mold; do
    link="$COMPILER -static -fuse-ld=$linker"
    if runs_own "$none" MAIN OWN LOCAL; then
        orders
    else
        skip "$linker" "it does not link the program"
    fi
done

# Where everything is compiled at once, objects have no order.
clang="clang --target=$($COMPILER -dumpmachine) -O2 -flto"
link="$clang -fuse-ld=lld -static"
# shellcheck disable=SC2086 # options
if compile $clang 2> "$tmp/err" && runs_own "$none" MAIN OWN LOCAL; then
    orders
else
    skip "lld -flto" "clang does not link the program"
fi
finish
