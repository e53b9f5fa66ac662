#!/bin/sh
#
# Test what QEMU says of --native-bypass auto, and what it counts
#
# NATIVE_MUSL is a build of native-exec with musl or "".
#
# SPDX-License-Identifier: GPL-2.0-or-later

test=native-by-address
target=$TARGET_NAME
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
auto="--native-bypass auto"
log="-d native_bypass -D $tmp/log"

# hooked PATTERN: is one file of that name said to have functions, and are
# calls counted?
hooked() {
    lines=$(grep -c "^native_bypass: $1: [1-9][0-9]* functions\$" "$tmp/log")
    [ "$lines" = 1 ] ||
        fail "not one line for $1"
    grep -v "functions\$" "$tmp/log" > "$tmp/counts"
    counted "$tmp/counts"
}

# shellcheck disable=SC2086 # options
{
qemu "auto" $auto $log "$program" child 7
expect 7 translated
hooked ".*/libc\.so\.6"
grep -q " strcmp\$" "$tmp/log" || fail "no call of strcmp"
qemu "one instruction in a TB" $auto $log -one-insn-per-tb "$program" child 7
expect 7 translated
hooked ".*/libc\.so\.6"
with auto "auto in the environment" $log "$program" child 7
expect 7 translated
hooked ".*/libc\.so\.6"
with "$NATIVE_LIB" "auto, a library in the environment" \
    $auto $log "$program" child 7
expect 7 translated
hooked ".*/libc\.so\.6"
with auto "a library, auto in the environment" \
    --native-bypass "$NATIVE_LIB" "$program" child 7
expect 7 native

# Nothing excluded is a native call, by none of its names.
some=auto,exclude=strcmp:memcpy:index
qemu "some are excluded" --native-bypass "$some" $log "$program" child 7
expect 7 translated
hooked ".*/libc\.so\.6"
! grep -E " (strcmp|memmove|strchr)\$" "$tmp/log" || fail "not excluded"
with "$some" "some are excluded in the environment" $log "$program" child 7
expect 7 translated
hooked ".*/libc\.so\.6"
! grep -E " (strcmp|memmove|strchr)\$" "$tmp/log" || fail "not excluded"

# By that name, it is on without an option; "off" is off.
named=$tmp/qemu-$target-native
ln -s "$QEMU" "$named"
run "by name" "$named" -L "$root" $log "$program" child 7
expect 7 translated
hooked ".*/libc\.so\.6"
run "by name, a library" env "QEMU_NATIVE_BYPASS=$NATIVE_LIB" \
    "$named" -L "$root" "$program" child 7
expect 7 native
for off in off ""; do
    run "by name, \"$off\"" env "QEMU_NATIVE_BYPASS=$off" \
        "$named" -L "$root" $log "$program" child 7
    expect 7 translated
    [ ! -s "$tmp/log" ] || fail "not off"
done
with auto "auto, off" --native-bypass off $log "$program" child 7
expect 7 translated
[ ! -s "$tmp/log" ] || fail "not off"

# A caller with fewer rights than the program chooses no library for it.  Only
# its owner may be able to reach this directory; and only this caller is to
# reach what has root's rights.
rights=$(mktemp -d /tmp/native-rights.XXXXXX)
trap 'rm -rf "$rights"' EXIT
trap 'exit 1' HUP INT TERM
cp "$QEMU" "$rights/qemu"
cp "$(command -v id)" "$NATIVE_LIB" "$rights"
cp -RP "$root" "$rights/root"
# A caller with fewer rights may not reach the files that these links name.
find "$rights/root" -type l | while read -r link; do
    case $(readlink "$link") in
    /*)
        file=$(readlink -f "$link")
        rm "$link"
        cp -R "$file" "$link" ;;
    esac
done
find "$rights/root" "$rights"/*.so ! -type l -exec chmod go+rX {} +
chgrp 1 "$rights" 2> /dev/null && chmod 710 "$rights" &&
    chmod 4755 "$rights/qemu" "$rights/id"
rights() {
    what=$1
    shift
    run "$what" "$@" env "QEMU_NATIVE_BYPASS=$rights/libnative.so" \
        "$rights/qemu" -L "$rights/root" "$program" child 7
}
fewer="setpriv --reuid=1 --regid=1 --clear-groups"
if [ "$($fewer "$rights/id" -u 2> /dev/null)" = 0 ]; then
    rights "same rights"
    expect 7 native
    rights "more rights" $fewer
    expect 7 translated
    # Nor does the variable make an option an offer.
    run "more rights, an option" $fewer env QEMU_NATIVE_BYPASS=auto \
        "$rights/qemu" --native-bypass "$rights/none" "$program" child 7
    expect 1 "" "qemu*: --native-bypass: $rights/none: *"
else
    skip rights "another user gets no rights of root's in /tmp"
fi

for lib in "auto $NATIVE_LIB" "$NATIVE_LIB auto"; do
    qemu "both" --native-bypass "${lib% *}" --native-bypass "${lib#* }" \
        "$program" child 7
    expect 1 "" "qemu-$target: --native-bypass: ${lib#* }: not together with*"
done

# Each function that is hooked, and each entry that a resolver gives, is traced.
qemu "trace" $auto --trace native_bypass_hook "$program" child 7
[ "$status" = 7 ] || fail "status $status"
grep -q "^native_bypass_hook pc=0x[0-9a-f]* function=strlen " "$tmp/err" ||
    fail "no event for strlen"

# Without a soname, functions of musl's loader tell.  It traps, which the shell
# would tell.
(qemu "musl's functions" $auto $log ./native-loader) 2> /dev/null
name="musl's functions"
grep -q "^native_bypass: .*/native-loader: 1 functions\$" "$tmp/log" ||
    fail "not hooked"
for lib in ./native-loader-*; do
    (qemu "$lib" $auto $log "$lib") 2> /dev/null
    name=$lib
    ! grep functions "$tmp/log" || fail "hooked"
done

if [ -n "$NATIVE_MUSL" ]; then
    qemu "musl" $auto $log "$NATIVE_MUSL" child 7
    expect 7 translated
    hooked ".*"

    # What all functions do does not depend on the option.  But three of musl
    # 1.2.3 compare by a subtraction that overflows; C defines the sign.
    export NATIVE_AUTO=1
    qemu "fuzz, no option" ./native-fuzz-musl -n 1000
    [ "$status" = 0 ] || fail "status $status"
    mv "$tmp/out" "$tmp/translated"
    qemu "fuzz" $auto $log ./native-fuzz-musl -n 1000
    [ "$status" = 0 ] || fail "status $status"
    sed -i '/^wmemcmp\|^wcsn*cmp/d' "$tmp/out" "$tmp/translated"
    cmp -s "$tmp/translated" "$tmp/out" || fail "functions differ"
    grep -q "^native_bypass: 2000 memccpy\$" "$tmp/log" || fail "translated"
    hooked ".*"
fi
}

finish
