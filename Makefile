# SPDX-License-Identifier: GPL-2.0-or-later
#
# Thin: the work is in dev/.  Every step makes sure of the steps before it,
# skips what is done already, and leaves its results in build/.

JOBS ?= $(shell nproc)
export JOBS SPEED QEMU QEMU_SRC TARGETS FILE REROLL TRIALS SEED ROUNDS SUITES TIME WAY FUNCTIONS GUESTS PROGRAMS PARTS QUICK PEER ARCH DEB LEVEL MUTANTS CHECK

.NOTPARALLEL:
.PHONY: all demo check check-libraries check-clibs bench bench-libraries sanitize fuzz fuzz-elf mutants deb check-deb check-jobs image check-image series series-check refresh clean distclean help

all:
	@dev/build

demo:
	@dev/packages
	@dev/demo/run

check:
	@dev/check

check-libraries:
	@dev/build
	@dev/checks/libraries

check-clibs:
	@dev/packages
	@dev/build
	@dev/check-clibs

bench:
	@bench/run

bench-libraries:
	@bench/libraries.py

fuzz:
	@dev/fuzz

fuzz-elf:
	@dev/fuzz-elf

mutants:
	@dev/mutants

deb:
	@dev/deb

check-deb:
	@dev/check-deb

check-jobs:
	@dev/check-jobs

image:
	@dev/image

check-image:
	@dev/check-image

sanitize:
	@dev/sanitize

series:
	@dev/series

series-check:
	@dev/series-check --build

refresh:
	@dev/refresh

# keeps downloads and the unpacked base
clean:
	for d in build build/10.2 build/11; do \
		rm -rf $$d/obj $$d/mutants $$d/series* $$d/demo $$d/qemu-* $$d/common-user $$d/*.log; done

distclean:
	rm -rf build

help:
	@echo 'make               QEMU with the series: build/qemu-<target>'
	@echo 'make demo          Debian'"'"'s programs, of ten guests, and ours of two: translated and with the bypass'
	@echo 'make check         all tests: SPEED=slow has all of them on each guest (hours)'
	@echo 'make check-libraries  streams of Debian'"'"'s libraries, decoded by the host'"'"'s: SUITES="bullseye sid" SEED=1 ROUNDS=6'
	@echo 'make check-clibs   auto with glibc and musl of four Debian releases, and with other C libraries: SUITES="bullseye forky" TRIALS=2000'
	@echo 'make bench         what a call costs and what programs gain: build/bench/report.html (two hours)'
	@echo 'make fuzz          native functions against the guests'"'"' own, at random: TRIALS=1000000 SEED=random WAY=library'
	@echo 'make fuzz-elf      what auto reads of ELF files, with libFuzzer: TIME=60 TRIALS='
	@echo 'make bench-libraries  unpacking and hashing, by the host'"'"'s libraries: GUEST=aarch64 ROUNDS=3'
	@echo 'make sanitize      the tests of native calls, QEMU built with ASan and UBSan (long)'
	@echo 'make mutants       puts faults into QEMU, one at a time: a test must fail with each: MUTANTS="fault-address" CHECK=1 (long)'
	@echo 'make deb           a Debian package: all emulators, linked statically, registered with binfmt_misc: TARGETS, LTO= for a faster build'
	@echo 'make check-deb     that package, installed into a chroot of Debian'"'"'s: SUITE=bookworm FOREIGN="arm64 armhf" WORK=1'
	@echo 'make check-jobs    compilers, servers and runtimes in foreign chroots, by that package and Debian'"'"'s: FOREIGN="arm64 riscv64" PROGRAMS="go redis" DEB=FILE ROUNDS=3'
	@echo 'make image         an OCI image of that package, for docker/setup-qemu-action, docker and podman: ARCH=arm64 DEB=FILE LEVEL=19'
	@echo 'make check-image   that image, in namespaces, and by podman: DEB=FILE'
	@echo 'make series QEMU=10.2   build/10.2/series/*.patch, ready for git am and for mail'
	@echo 'make series-check  make check of the series, and builds every commit (long)'
	@echo 'make refresh QEMU=10.2  edits made in build/10.2/tree go back to patches/ and the new files'
	@echo 'make clean         removes the builds of make and make check; distclean all, also what was fetched'
	@echo
	@echo 'QEMU=10.2, QEMU=11    for each of these: on that QEMU, in build/10.2 or build/11'
	@echo 'QEMU_SRC=DIR|TARBALL  another QEMU tree      FILE=TEXT  input of make demo'
	@echo 'TARGETS="arm mips"    only these guests      JOBS=N     parallel jobs'
	@echo 'REROLL=2              make series says v2    FUNCTIONS="memcpy strlen"  make fuzz and bench try these'
	@echo 'QUICK=1               a short make bench     GUESTS="arm mips" PROGRAMS="jq tar"  make bench runs these'
	@echo 'PEER=debian|FILE.deb|DIRECTORY  make bench also runs programs by that QEMU: Debian'"'"'s newest qemu-user, for example'
	@echo 'PARTS="calls off"     make bench measures these only, of: calls programs short kept where classes off; more runs go on from there'
