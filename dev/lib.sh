# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the scripts of dev/.

set -eu

STEP=$(basename "$0")
ROOT=$(cd "$(dirname "$0")" && until [ -f dev/lib.sh ]; do cd ..; done && pwd -P)
# Debian 13's QEMU, or, in directories below, the one that the series is written for, or a later one
QEMU=${QEMU:-10.0}
case $QEMU in
10.0) BUILD=$ROOT/build ;;
*) BUILD=$ROOT/build/$QEMU ;;
esac
JOBS=${JOBS:-$(nproc)}
# shellcheck disable=SC2034 # for the scripts
ALL_TARGETS="i386 x86_64 arm aarch64 mips mips64 mipsel mips64el riscv64 s390x ppc64le loongarch64"
# build one more target, to test that it refuses the option
# shellcheck disable=SC2034 # for the scripts
UNSERVED=xtensa

# A command started by make must not take part in make's job server.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# Seconds for each test of make check-tcg.  This limit is for tests that hang, not for
# slow ones: on a busy machine a test takes many times as long as on an idle one.
# shellcheck disable=SC2034 # for the scripts
TEST_TIMEOUT=1200

# The user's git settings (signing, hooks, line ends) must not change commits.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
# the compiler of dev/newer-gcc
PATH=$PATH:$ROOT/build/loongarch64/usr/bin
# nor may the umask change which files other users can read in packages and chroots
umask 022

say() { printf '== %s: %s\n' "$STEP" "$*"; }
warn() { printf 'make: %s: warning: %s\n' "$STEP" "$*" >&2; }
die() { printf 'make: %s: %s\n' "$STEP" "$*" >&2; exit 1; }

case $JOBS in
'' | 0* | *[!0-9]*) die "JOBS=$JOBS: give a number" ;;
esac
case $ROOT in
*[[:space:]:]*) die "$ROOT: the path has a blank or a colon, which QEMU's build does not take; clone elsewhere" ;;
esac

# need_space MB WHAT: fails early instead of midway
need_space() {
    mkdir -p "$BUILD" 2>/dev/null || die "$2: cannot create $BUILD; make it writable"
    free=$(df -Pm "$BUILD" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$1" ] ||
        die "$2: needs $1 MB in $BUILD and $free MB are free; free some space and run make again"
}

# apt with its own lists, sources, cache and (empty) state, below build/dl/$APT:
# the machine's apt settings stay unchanged, and root is not needed.
apt_private() {
    tool=$1
    shift
    d=$BUILD/dl/$APT
    mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
    : >> "$d/status"
    # shellcheck disable=SC2086 # options
    "$tool" -q ${APT_OPTIONS:-} -o Dir::State="$d" -o Dir::State::Lists="$d/lists" \
        -o Dir::State::status="$d/status" -o Dir::Cache="$d/cache" \
        -o Dir::Etc::SourceList="$d/base.sources" \
        -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
        -o Dir::Etc::PreferencesParts=/dev/null -o APT::Default-Release= \
        -o APT::Sandbox::User= -o Debug::NoLocking=1 -o Acquire::Retries=2 "$@"
}

# apt_mirrors: prints lines "MAIN uri" and "SECURITY uri" from this machine's settings.
# apt prints them only once it has lists, and root may not have any.
apt_mirrors() {
    # shellcheck disable=SC2016 # apt's variables
    set -- --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages'
    targets=$(apt-get indextargets "$@" 2>/dev/null || :)
    case $targets in
    *Debian\ *) ;;
    *)
        d=$BUILD/dl/machine
        mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
        machine="-o Dir::State::Lists=$d/lists -o Dir::Cache=$d/cache -o APT::Sandbox::User= -o Debug::NoLocking=1"
        # shellcheck disable=SC2086 # options
        apt-get -q $machine update >"$BUILD/dl/machine.log" 2>&1 || :
        # shellcheck disable=SC2086
        targets=$(apt-get $machine indextargets "$@" 2>/dev/null || :)
        ;;
    esac
    printf '%s\n' "$targets" | awk '
        $1 == "Debian" && NF == 2 && !m++ { print "MAIN", $2 }
        $1 == "Debian-Security" && !s++ { print "SECURITY", $2 }'
}

# apt_sources deb|deb-src SUITE...: writes base.sources and fetches the lists; a
# suite named *-security comes from the security mirror, if there is one
apt_sources() {
    type=$1
    shift
    mkdir -p "$BUILD/dl/$APT"
    mirrors=$(apt_mirrors)
    main=$(printf '%s\n' "$mirrors" | sed -n 's/^MAIN //p')
    security=$(printf '%s\n' "$mirrors" | sed -n 's/^SECURITY //p')
    [ -n "$main" ] || die "apt: this machine's apt knows no reachable Debian mirror; check the network and the apt sources, or give QEMU_SRC=<directory or tarball>"
    for suite; do
        uri=$main
        case $suite in *-security) uri=$security ;; esac
        [ -n "$uri" ] || continue
        printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' \
            "$type" "$uri" "$suite" /usr/share/keyrings/debian-archive-keyring.gpg
    done > "$BUILD/dl/$APT/base.sources"
    apt_private apt-get -o APT::Update::Error-Mode=any update > "$BUILD/dl/$APT.log" 2>&1 ||
        die "apt: no package lists of $*: $(apt_why "$BUILD/dl/$APT.log"); check the network and the clock, and run make again"
}

# apt_why LOG: prints the first error as one line
apt_why() {
    why=$(grep -m1 '^E:' "$1" || tail -n 1 "$1")
    printf '%s' "${why:-no reason given, see $1}"
}

# tested OBJ: prints the targets whose tests configure has a compiler for; the
# variable's name is that of 10.0, or of 10.2
tested() { sed -n 's/^TCG_TESTS_\(TARGETS\|WITH_COMPILERS\)=//p' "$1/config-host.mak"; }
has_tests() { case " $(tested "$1") " in *" $2-linux-user "*) ;; *) return 1 ;; esac; }

# by_guest FUNCTION DIR GUESTS: runs FUNCTION GUEST for each guest with native calls, JOBS at a
# time; files in DIR keep the output of each together
by_guest() {
    each=$1 results=$2 guests=$3
    set --
    for t in $guests; do
        t=${t%-linux-user}
        [ "$t" != "$UNSERVED" ] || continue
        "$each" "$t" > "$results/$t.results" 2>&1 &
        set -- "$@" "$t:$!"
        if [ $# = "$JOBS" ]; then
            all_ended "$@"
            set --
        fi
    done
    all_ended "$@"
}
# for by_guest: a list of GUEST:PID
all_ended() {
    for r; do
        wait "${r#*:}" || echo "not ok $STEP: the tests of ${r%:*} ended with an error"
        cat "$results/${r%:*}.results"
    done
}

# the directory for the package for hosts of ARCH: users install that of this machine's architecture
deb_directory() {
    if [ "${ARCH:-}" = "$(dpkg --print-architecture)" ] || [ -z "${ARCH:-}" ]; then echo "$BUILD"; else echo "$BUILD/host-$ARCH"; fi
}

codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# letter_commit LETTER FIELD RANGE: prints the commit of RANGE whose subject the cover letter's line "FIELD: SUBJECT" has
letter_commit() {
    subject=$(sed -n "s/^$2: //p" "$1" | head -n 1)
    commit=$(git log --format='%H %s' "$3" | SUBJECT=$subject awk 'substr($0, 42) == ENVIRON["SUBJECT"] { print $1 }')
    [ -n "$commit" ] || die "${1#"$ROOT"/}: begin it with \"$2: \" and the subject of a patch; there is no patch \"$subject\""
    echo "$commit"
}
