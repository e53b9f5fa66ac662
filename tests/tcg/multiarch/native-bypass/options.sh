#!/bin/sh
#
# Test --native-bypass LIB and QEMU_NATIVE_BYPASS: good ones, bad ones, and
# what QEMU says of them
#
# usage: options.sh TARGET_NAME STATIC PLUGINS
#
# STATIC is a static program or "", PLUGINS a directory of plugins or "".  The
# rest comes from the environment, see Makefile.target.
#
# SPDX-License-Identifier: GPL-2.0-or-later

target=$1
static=$2
plugins=$3
test=native-options
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"

# expect STATUS OUTPUT LINES-ON-STDERR [PATTERN-OF-STDERR]
expect() {
    [ "$status" = "$1" ] || fail "status $status and not $1"
    [ "$(cat "$tmp/out")" = "$2" ] || fail "stdout is not \"$2\""
    [ "$(wc -l < "$tmp/err")" -eq "$3" ] || fail "stderr has not $3 lines"
    [ -z "$4" ] || grep -q -- "$4" "$tmp/err" || fail "no \"$4\" on stderr"
}

# qemu NAME ARGUMENT...
qemu() {
    what=$1
    shift
    run "$what" "$QEMU" -L "$NATIVE_SYSROOT" "$@"
}

# with VALUE NAME ARGUMENT...: the same with QEMU_NATIVE_BYPASS
with() {
    value=$1
    what=$2
    shift 2
    run "$what" env "QEMU_NATIVE_BYPASS=$value" \
        "$QEMU" -L "$NATIVE_SYSROOT" "$@"
}

# bad LIB [PATTERN]: an error on the command line, no use in the environment
bad() {
    qemu "--native-bypass $1" --native-bypass "$1" "$program" child 7
    expect 1 "" 1 "^qemu-$target: --native-bypass: ${2:-.}"
    with "$1" "QEMU_NATIVE_BYPASS=$1" "$program" child 7
    expect 7 translated 0
    with "$1" "QEMU_NATIVE_BYPASS=$1, -d unimp" -d unimp -D "$tmp/log" \
        "$program" child 7
    expect 7 translated 0
    [ "$(grep -c QEMU_NATIVE_BYPASS: "$tmp/log")" = 1 ] ||
        fail "not one line in the log"
}

# patched NAME [OFFSET OCTAL]...: NATIVE_LIB with other bytes
patched() {
    patch=$tmp/$1
    cp "$NATIVE_LIB" "$patch"
    shift
    while [ $# != 0 ]; do
        # shellcheck disable=SC2059 # the format is the byte
        printf "\\$2" | dd of="$patch" bs=1 seek="$1" conv=notrunc 2> /dev/null
        shift 2
    done
}

# byte OFFSET: of NATIVE_LIB, in octal
byte() {
    od -An -to1 -j"$1" -N1 "$NATIVE_LIB" | tr -d ' '
}

unset QEMU_NATIVE_BYPASS
rm -rf "$tmp"
mkdir -p "$tmp"

# The option off, on, and in its several forms

qemu "no option" "$program" child 7
expect 7 translated 0
for option in --native-bypass -native-bypass; do
    qemu "$option file" "$option" "$NATIVE_LIB" "$program" child 7
    expect 7 native 0
    qemu "$option directory" "$option" "$NATIVE_DIR" "$program" child 7
    expect 7 native 0
done
qemu "directory/" --native-bypass "$NATIVE_DIR/" "$program" child 7
expect 7 native 0
ln -s "$NATIVE_DIR" "$tmp/dir"
ln -s "$NATIVE_LIB" "$tmp/lib"
qemu "link to a directory" --native-bypass "$tmp/dir" "$program" child 7
expect 7 native 0
qemu "link to a file" --native-bypass "$tmp/lib" "$program" child 7
expect 7 native 0
qemu "relative" --native-bypass native-options.tmp/lib "$program" child 7
expect 7 native 0
qemu "last one" --native-bypass /nonexistent --native-bypass "$NATIVE_LIB" \
    "$program" child 7
expect 7 native 0

with "$NATIVE_LIB" "file in the environment" "$program" child 7
expect 7 native 0
with "$NATIVE_DIR" "directory in the environment" "$program" child 7
expect 7 native 0
with "" "nothing in the environment" -d unimp -D "$tmp/log" "$program" child 7
expect 7 translated 0
! grep -s native_bypass "$tmp/log" || fail "something in the log"
with /nonexistent "good option, bad environment" \
    --native-bypass "$NATIVE_LIB" "$program" child 7
expect 7 native 0
with "$NATIVE_LIB" "bad option, good environment" \
    --native-bypass /nonexistent "$program" child 7
expect 1 "" 1 "^qemu-$target: --native-bypass: /nonexistent: "

qemu "missing argument" --native-bypass
[ "$status" = 1 ] || fail "status $status"
grep -q "missing argument.*native-bypass" "$tmp/err" || fail "says otherwise"
qemu "missing program" --native-bypass "$NATIVE_LIB"
[ "$status" = 1 ] || fail "status $status"

qemu "--help" --help
grep -q -- "^-native-bypass lib  *QEMU_NATIVE_BYPASS " "$tmp/out" ||
    fail "no option, no variable"

# Bad input

bad "/nonexistent" "/nonexistent: No such file or directory"
qemu "empty" --native-bypass "" "$program" child 7
expect 1 "" 1 "^qemu-$target: --native-bypass: "
mkdir "$tmp/empty"
bad "$tmp/empty" ".*no $target-linux-user/libnative.so in this directory"
ln -s loop "$tmp/loop"
bad "$tmp/loop" ".*Too many levels of symbolic links"
mkdir -p "$tmp/looped/$target-linux-user"
ln -s libnative.so "$tmp/looped/$target-linux-user/libnative.so"
bad "$tmp/looped"
mkdir -p "$tmp/dirs/$target-linux-user/libnative.so"
bad "$tmp/dirs" ".*not a regular file"
mkfifo "$tmp/fifo"
bad "$tmp/fifo" ".*not a regular file"
bad /dev/null ".*not a regular file"
bad "$program/x" ".*Not a directory"

echo "#!/bin/sh" > "$tmp/script"
bad "$tmp/script" ".*not an ELF file"
: > "$tmp/nothing"
bad "$tmp/nothing" ".*not an ELF file"
for size in 1 3 4 15 16 18 19; do
    dd if="$NATIVE_LIB" of="$tmp/truncated" bs=1 count=$size 2> /dev/null
    bad "$tmp/truncated" ".*truncated ELF file"
done
for size in 20 51 52 63 64 119 400 $(($(wc -c < "$NATIVE_LIB") / 4)); do
    dd if="$NATIVE_LIB" of="$tmp/truncated" bs=1 count="$size" 2> /dev/null
    bad "$tmp/truncated" ".*truncated ELF file"
done

# e_ident[EI_CLASS], e_ident[EI_DATA] and e_machine
class=$(byte 4)
data=$(byte 5)
patched class 4 "00$((3 - class))"
bad "$tmp/class" ".*-bit .*, and .*-bit .* is needed"
patched data 5 "00$((3 - data))" 18 "$(byte 19)" 19 "$(byte 18)"
bad "$tmp/data" ".*-endian .*, and .*-endian .* is needed"
patched machine $((20 - data)) 376
bad "$tmp/machine" ".*machine .*, and .* is needed"
case $target in
mips | mipsel)
    # e_flags: EF_MIPS_ABI2
    patched n32 $((data == 1 ? 36 : 39)) 047
    bad "$tmp/n32" ".*n32 ABI.* o32 "
    ;;
arm)
    # e_flags: no version of the EABI
    patched oabi 39 000
    bad "$tmp/oabi" ".*EABI"
    ;;
esac
[ -z "$static" ] || bad "$static" ".*not a shared library"

for other in "$NATIVE_DIR"/*/libnative.so; do
    case $other in
    "$NATIVE_LIB") ;;
    *)  bad "$other" ".*-endian .*, and .*-endian .* is needed" ;;
    esac
done
mkdir -p "$tmp/wrong/$target-linux-user"
cp "$tmp/machine" "$tmp/wrong/$target-linux-user/libnative.so"
bad "$tmp/wrong" ".* is needed"

# What the file /etc/ld.so.preload cannot hold
for char in ' ' ':' '#'; do
    cp "$NATIVE_LIB" "$tmp/a${char}path"
    bad "$tmp/a${char}path" ".*white space, ':' or '#'"
done

# Root reads it all the same, unless that capability is taken away.
cp "$NATIVE_LIB" "$tmp/unreadable"
chmod 0 "$tmp/unreadable"
if [ ! -r "$tmp/unreadable" ]; then
    bad "$tmp/unreadable" ".*Permission denied"
else
    drop="setpriv --bounding-set=-dac_override,-dac_read_search"
    qemu=$QEMU
    cat > "$tmp/qemu-$target" <<EOF
#!/bin/sh
exec $drop $qemu "\$@"
EOF
    chmod +x "$tmp/qemu-$target"
    if ! $drop true 2> /dev/null; then
        skip unreadable "setpriv cannot drop root's capabilities"
    elif $drop test -r "$tmp/unreadable"; then
        skip unreadable "nothing is unreadable to this user"
    else
        QEMU=$tmp/qemu-$target
        bad "$tmp/unreadable" ".*Permission denied"
        QEMU=$qemu
    fi
fi

# What QEMU says of its own accord

qemu "-d native_bypass" -d native_bypass -D "$tmp/log" \
    --native-bypass "$NATIVE_LIB" "$program" child 7
expect 7 native 0
counted "$tmp/log"

if [ -n "$static" ]; then
    qemu "static, no option" "$static"
    plain=$status
    mv "$tmp/out" "$tmp/plain"
    qemu "static" --native-bypass "$NATIVE_LIB" "$static"
    expect "$plain" "$(cat "$tmp/plain")" 1 \
        "^qemu-$target: warning: --native-bypass: .*static"
    with "$NATIVE_LIB" "static, environment" "$static"
    expect "$plain" "$(cat "$tmp/plain")" 0
else
    skip static "no static C library"
fi

# A loader started by hand is no static program.
find_interp
if [ -n "$interp" ]; then
    qemu "loader" --native-bypass "$NATIVE_LIB" "$interp" "$program" child 7
    expect 7 native 0
fi

if [ -n "$plugins" ]; then
    for plugin in insn mem; do
        qemu "plugin $plugin" --native-bypass "$NATIVE_LIB" \
            -plugin "$plugins/lib$plugin.so" "$program" child 7
        expect 7 native 1 "^qemu-$target: warning: --native-bypass: plugins "
    done
else
    skip plugin "plugins are not enabled"
fi

[ $failed != 0 ] || rm -rf "$tmp"
exit $failed
