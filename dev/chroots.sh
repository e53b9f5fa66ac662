# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced, after lib.sh, by scripts that run foreign programs in chroots: makes Debian's chroots, as
# tars in $work, and runs jobs in them with the emulators of this package, or of Debian's.

# shellcheck source=results.sh
. "$ROOT/dev/results.sh"
host=host-$SUITE
# the chroots where this package and Debian's are installed
root=$work/$host
debian=$work/debian

# bootstrap NAME SUITE OPTION...: makes NAME.tar, unless it exists
bootstrap() {
    name=$1
    suite=$2
    shift 2
    [ ! -f "$work/$name.tar" ] || return 0
    rm -rf "$work/new"
    debootstrap --variant=minbase "$@" "$suite" "$work/new" "$mirror" > "$work/$name.log" 2>&1 ||
        { not_ok "debootstrap of $name: see $work/$name.log"; return 1; }
    pack new "$name"
}
# pack DIRECTORY NAME: moves a directory's contents into NAME.tar
pack() {
    tar -C "$work/$1" --xattrs --numeric-owner -cf "$work/$2.tar.new" .
    rm -rf "${work:?}/$1"
    mv "$work/$2.tar.new" "$work/$2.tar"
}
# unpack NAME [AS]
unpack() {
    rm -rf "${work:?}/${2:-$1}"
    mkdir "$work/${2:-$1}"
    tar -C "$work/${2:-$1}" --xattrs --numeric-owner -xpf "$work/$1.tar"
}
install_package() {
    cp "$deb" "$root/package.deb" && chroot "$root" dpkg -i package.deb && rm "$root/package.deb"
}
# has_own: tests whether the kernel can start programs by a private table; prints why not
has_own() { "$ROOT/dev/own-binfmt" "$root" "$root" true true > "$work/log" 2>&1 ||
    { skip "programs started by binfmt_misc: it cannot be mounted in a user namespace here: $(head -n 1 "$work/log")"; return 1; }; }
# Debian's package has the same version of QEMU
bootstrap_debian() { bootstrap debian trixie --include=qemu-user,qemu-user-binfmt; }

# enter WAY COMMAND...: runs it in the chroot $arch-WAY, with the emulators of that way: native, off
# (the same ones, without native calls and kept translations) or debian; through the command
# $around, if it is set
enter() (
    way=$1
    shift
    by=$root
    register='qemu-user-native register'
    off=
    case $way in
    off) off='QEMU_NATIVE_BYPASS=off QEMU_TB_CACHE=off' ;;
    debian)
        by=$debian
        # shellcheck disable=SC2016 # for the inner shell
        register='for f in /usr/lib/binfmt.d/qemu-*.conf; do cat "$f" > /proc/sys/fs/binfmt_misc/register; done' ;;
    esac
    # what one job keeps is there for the next one
    mkdir -p "$shm/$arch-$way"
    # Python's compiled files have to be the same
    # shellcheck disable=SC2086 # words
    ${around:-} env SHM="$shm/$arch-$way" "$ROOT/dev/own-binfmt" "$by" "$work/$arch-$way" "$register" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive container=lxc \
        PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 SOURCE_DATE_EPOCH=1700000000 $off "$@"
)

# foreign_debs DIRECTORY SUITE PACKAGE...: fetches those of these that $arch-native lacks
foreign_debs() {
    to=$1
    APT=$STEP-$arch-$2
    APT_OPTIONS="-o APT::Architecture=$arch -o APT::Architectures=$arch"
    apt_sources deb "$2"
    shift 2
    cp "$work/$arch-native/var/lib/dpkg/status" "$BUILD/dl/$APT/status"
    apt_private apt-get -y --no-install-recommends --download-only install "$@" > "$work/log" 2>&1 || return 1
    rm -rf "$to"
    mkdir "$to"
    cp "$BUILD/dl/$APT"/cache/archives/*.deb "$to"
}

[ "$(id -u)" = 0 ] || { skip "not root, who alone can make a chroot"; exit 0; }
"$ROOT/dev/packages" "$STEP"
mkdir -p "$work"
mirror=$(apt_mirrors | sed -n 's/^MAIN //p')
# on a tmpfs, as in normal use
shm=$(mktemp -d "/dev/shm/$STEP.XXXXXX")
trap 'rm -rf "$shm"' EXIT
trap 'exit 1' HUP INT TERM
