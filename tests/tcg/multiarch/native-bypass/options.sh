#!/bin/sh
#
# Test --native-bypass LIB and QEMU_NATIVE_BYPASS: good ones, bad ones, and
# what QEMU says of them
#
# NATIVE_STATIC is a static program or "".
#
# SPDX-License-Identifier: GPL-2.0-or-later

test=native-options
target=$TARGET_NAME
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"

# good NAME ARGUMENT...: a program is run with the library
good() {
    qemu "$@" "$program" child 7
    expect 7 native
}

# bad LIB [PATTERN]: an error on the command line, no use in the environment
bad() {
    qemu "--native-bypass $1" --native-bypass "$1" "$program" child 7
    expect 1 "" "qemu-$target: --native-bypass: ${2:-?}*"
    with "$1" "QEMU_NATIVE_BYPASS=$1, -d unimp" -d unimp -D "$tmp/log" \
        "$program" child 7
    expect 7 translated
    [ "$(grep -c QEMU_NATIVE_BYPASS: "$tmp/log")" = 1 ] ||
        fail "not one line in the log"
}

# unfit NAME [OFFSET OCTAL]...: NATIVE_LIB with other bytes is for another guest
unfit() {
    patch=$tmp/$1
    cp "$NATIVE_LIB" "$patch"
    shift
    while [ $# != 0 ]; do
        # shellcheck disable=SC2059 # the format is the byte
        printf "\\$2" | dd of="$patch" bs=1 seek="$1" conv=notrunc 2> /dev/null
        shift 2
    done
    bad "$patch" "*not built for $target"
}

# byte OFFSET: of NATIVE_LIB, in octal
byte() {
    od -An -to1 -j"$1" -N1 "$NATIVE_LIB" | tr -d ' '
}

# The option in its several forms; native-exec has the variable.

ln -s "$NATIVE_DIR" "$tmp/dir"
ln -s "$NATIVE_LIB" "$tmp/lib"
for lib in "$NATIVE_LIB" "$NATIVE_DIR" "$NATIVE_DIR/" "$tmp/dir" "$tmp/lib" \
           native-options.tmp/lib; do
    good "$lib" --native-bypass "$lib"
done
good "one dash" -native-bypass "$NATIVE_LIB"
good "last one" --native-bypass /nonexistent --native-bypass "$NATIVE_LIB"

with "" "nothing in the environment" -d unimp -D "$tmp/log" "$program" child 7
expect 7 translated
! grep -s native_bypass "$tmp/log" || fail "something in the log"
with /nonexistent "good option, bad environment" \
    --native-bypass "$NATIVE_LIB" "$program" child 7
expect 7 native
with "$NATIVE_LIB" "bad option, good environment" \
    --native-bypass /nonexistent "$program" child 7
expect 1 "" "qemu-$target: --native-bypass: /nonexistent: *"

qemu "missing argument" --native-bypass
[ "$status" = 1 ] || fail "status $status"
grep -q "missing argument.*native-bypass" "$tmp/err" || fail "says otherwise"
qemu "missing program" --native-bypass "$NATIVE_LIB"
[ "$status" = 1 ] || fail "status $status"

qemu "--help" --help
grep -q -- "^-native-bypass auto|off|lib *QEMU_NATIVE_BYPASS " "$tmp/out" ||
    fail "no option, no variable"

# Bad input

for lib in /nonexistent on Auto; do
    bad "$lib" "$lib: No such file or directory; give auto|off|LIB"
done
for names in nonesuch strlen:nonesuch nonesuch:strlen strlen,memcpy strlen:; do
    qemu "$names" --native-bypass "auto,exclude=$names" "$program" child 7
    expect 1 "" "qemu-$target: --native-bypass: auto,exclude=$names: there are no*"
done
# Of the variable, a name that another target has
with auto,exclude=nonesuch:strlen "unknown name" -d native_bypass \
    -D "$tmp/log" "$program" child 7
expect 7 translated
grep -q "QEMU_NATIVE_BYPASS: .* no native calls of 'nonesuch'" "$tmp/log" ||
    fail "no line in the log"
grep -q "[1-9][0-9]* calls" "$tmp/log" || fail "no native calls"
! grep " strlen\$" "$tmp/log" || fail "not excluded"
for form in "auto," auto,exclude auto,exclude= auto,only=strlen; do
    bad "$form" "$form: no such form; give auto or auto,exclude=FUNCTION*"
done
qemu "empty" --native-bypass "" "$program" child 7
expect 1 "" "qemu-$target: --native-bypass: '': *auto|off|LIB"
mkdir "$tmp/empty"
bad "$tmp/empty" "*no $target-linux-user/libnative.so in this directory"
ln -s loop "$tmp/loop"
bad "$tmp/loop" "*Too many levels of symbolic links"
mkdir -p "$tmp/looped/$target-linux-user"
ln -s libnative.so "$tmp/looped/$target-linux-user/libnative.so"
bad "$tmp/looped"
mkdir -p "$tmp/dirs/$target-linux-user/libnative.so"
bad "$tmp/dirs" "*not a regular file"
mkfifo "$tmp/fifo"
bad "$tmp/fifo" "*not a regular file"
bad /dev/null "*not a regular file"
bad "$program/x" "*Not a directory"

echo "#!/bin/sh" > "$tmp/script"
bad "$tmp/script" "*not an ELF file"
bad ./libpreloaded.so "*/libpreloaded.so: not a libnative.so"
: > "$tmp/nothing"
bad "$tmp/nothing" "*not an ELF file"
for size in 1 4 15 19 20 51 52 63 64 119 400 \
            $(($(wc -c < "$NATIVE_LIB") / 4)); do
    dd if="$NATIVE_LIB" of="$tmp/truncated" bs=1 count="$size" 2> /dev/null
    bad "$tmp/truncated" "*truncated ELF file"
done

# e_ident[EI_CLASS], e_ident[EI_DATA] and e_machine
class=$(byte 4)
data=$(byte 5)
unfit class 4 "00$((3 - class))"
unfit data 5 "00$((3 - data))" 18 "$(byte 19)" 19 "$(byte 18)"
unfit machine $((20 - data)) 376
case $target in
mips | mipsel)
    # e_flags: EF_MIPS_ABI2
    unfit n32 $((data == 1 ? 36 : 39)) 047
    ;;
arm)
    # e_flags: no version of the EABI
    unfit oabi 39 000
    ;;
esac
[ -z "$NATIVE_STATIC" ] || bad "$NATIVE_STATIC" "*not a shared library"

for other in "$NATIVE_DIR"/*/libnative.so; do
    case $other in
    "$NATIVE_LIB") ;;
    *)  bad "$other" "*not built for $target" ;;
    esac
done
mkdir -p "$tmp/wrong/$target-linux-user"
cp "$tmp/machine" "$tmp/wrong/$target-linux-user/libnative.so"
bad "$tmp/wrong" "*not built for $target"

# What the file /etc/ld.so.preload cannot hold
for char in ' ' ':' '#'; do
    cp "$NATIVE_LIB" "$tmp/a${char}path"
    bad "$tmp/a${char}path" "*white space, ':' or '#'"
done

# Root reads it all the same, unless that capability is taken away.
cp "$NATIVE_LIB" "$tmp/unreadable"
chmod 0 "$tmp/unreadable"
drop=
[ ! -r "$tmp/unreadable" ] ||
    drop="setpriv --bounding-set=-dac_override,-dac_read_search"
if { $drop test -r "$tmp/unreadable" || ! $drop "$QEMU" --version; } \
    > /dev/null 2>&1; then
    skip unreadable "setpriv cannot make it so to this user"
else
    qemu=$QEMU
    QEMU=$tmp/qemu-$target
    printf '#!/bin/sh\nexec %s "$@"\n' "$drop $qemu" > "$QEMU"
    chmod +x "$QEMU"
    bad "$tmp/unreadable" "*Permission denied"
    QEMU=$qemu
fi

# What QEMU says of its own accord

if [ -n "$NATIVE_STATIC" ]; then
    qemu "static, no option" "$NATIVE_STATIC"
    plain=$status
    mv "$tmp/out" "$tmp/plain"
    native "static" "$NATIVE_STATIC"
    expect "$plain" "$(cat "$tmp/plain")" \
        "qemu-$target: warning: --native-bypass: *static*"
    with "$NATIVE_LIB" "static, environment" "$NATIVE_STATIC"
    expect "$plain" "$(cat "$tmp/plain")"
else
    skip static "no static C library"
fi

finish
