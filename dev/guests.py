# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests and their functions, for the scripts of dev/ and bench/."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tree import BUILD, ROOT  # noqa: F401

TRIPLETS = {
    'i386': 'i686-linux-gnu', 'x86_64': 'x86_64-linux-gnu',
    'arm': 'arm-linux-gnueabihf', 'aarch64': 'aarch64-linux-gnu',
    'mips': 'mips-linux-gnu', 'mips64': 'mips64-linux-gnuabi64',
    'mipsel': 'mipsel-linux-gnu', 'mips64el': 'mips64el-linux-gnuabi64', 'riscv64': 'riscv64-linux-gnu',
    's390x': 's390x-linux-gnu', 'ppc64le': 'powerpc64le-linux-gnu', 'loongarch64': 'loongarch64-linux-gnu',
}
# Debian has programs for these: 12, the last release with mipsel and mips64el, 13, the first with riscv64, or 14
DEBIAN = {'i386': 'i386', 'x86_64': 'amd64', 'arm': 'armhf', 'aarch64': 'arm64', 'mipsel': 'mipsel',
          'mips64el': 'mips64el', 'riscv64': 'riscv64', 's390x': 's390x', 'ppc64le': 'ppc64el',
          'loongarch64': 'loong64'}
SUITES = {'riscv64': 'trixie', 'loongarch64': 'forky'}
NATIVE = BUILD / 'common-user/native'
# where scripts that take OBJ find the emulators
EMULATORS = Path(os.environ.get('OBJ') or BUILD)
# the files of dev/newer-gcc
NEWER = ROOT / 'build/loongarch64'


def names(step, variable, known):
    """The known names that the user's variable selects; all if it selects none."""
    chosen = [n.removesuffix('-linux-user') for n in os.environ.get(variable, '').split()]
    for name in chosen:
        if name not in known:
            print(f'make: {step}: {variable}: {name}: not known; known are: {" ".join(known)}', file=sys.stderr)
            sys.exit(2)
    return [n for n in known if not chosen or n in chosen]


def functions(guest=None):
    """The names in the table that exist on a guest, or all of them."""
    found, skip = [], False
    for line in open(ROOT / 'include/user/native-functions.h.inc', encoding='utf-8'):
        if line.startswith('#'):
            skip = line.startswith('#if') and guest not in (None, 'arm')
        row = re.match(r'NATIVE(_CHECKED|_\w+)?\((\w+)', line)
        if row and not skip:
            found.append(f'__{row[2]}_chk' if row[1] == '_CHECKED' else row[2])
    return found


def suite(guest):
    """The Debian release with the guest's programs."""
    return SUITES.get(guest, 'bookworm')


def compiler(guest):
    """The guest's cross compiler, or None."""
    return shutil.which(f'{TRIPLETS[guest]}-gcc', path=f'{os.environ["PATH"]}:{NEWER}/usr/bin')


def sysroot(guest):
    """The directory of the cross compiler's loader and C library."""
    for root in Path('/usr') / TRIPLETS[guest], NEWER / 'usr' / TRIPLETS[guest]:
        if (root / 'lib/libc.so.6').exists():
            return root
    return Path('/')


def documentation(out):
    """Write all documentation in QEMU's tree into one file of the directory."""
    path = out / 'qemu-docs.txt'
    base = BUILD / 'base'
    parts = sorted(p for d in ('docs', 'qapi') for p in (base / d).rglob('*')
                   if p.suffix in ('.rst', '.txt', '.json') and p.is_file())
    path.write_bytes(b''.join(p.read_bytes() for p in parts))
    return path


def qemu(guest, root, native='', options=(), binary=None):
    """The command that runs a guest's program with the libraries below root; binary is another QEMU.

    native selects the native calls: 'library' (libnative.so), 'auto' or nothing.
    """
    command = [str(binary or BUILD / f'qemu-{guest}'), '-L', str(root)]
    if (root / 'lib/libc.so.6').exists():
        # otherwise the loader uses another C library, if the host has one for this guest
        command += ['-E', f'LD_LIBRARY_PATH={root}/lib']
    if native:
        command += ['--native-bypass', 'auto' if native == 'auto' else str(NATIVE / f'{guest}-linux-user/libnative.so')]
    return command + list(options)


def spied(work, spy, program, cases):
    """Run a program on each guest, with a library preloaded into QEMU; both are C code.

    A case is a name, the kind of native calls, the program's arguments, and a function that checks the ended
    process.  Prints result lines.
    """
    work.mkdir(exist_ok=True)
    for name, text in ('spy', spy), ('program', program):
        (work / f'{name}.c').write_text(text)
    subprocess.run(['cc', '-shared', '-fPIC', '-fno-builtin', '-o', work / 'spy.so', work / 'spy.c', '-ldl'], check=True)
    for guest in TRIPLETS:
        known = compiler(guest) and (BUILD / f'qemu-{guest}').exists()
        binary = work / f'program-{guest}'
        if known:
            subprocess.run([compiler(guest), '-fno-builtin', '-o', binary, work / 'program.c'], check=True)
        for name, native, args, right in cases:
            if not known:
                print(f'skip {name} on {guest}: no cross compiler, or not built')
                continue
            run = subprocess.run(qemu(guest, sysroot(guest), native, ('-U', 'LD_PRELOAD', str(binary), *args)), check=False,
                                 env={'LD_PRELOAD': str(work / 'spy.so')}, capture_output=True, text=True)
            print(f'ok {name} on {guest}' if right(run) else
                  f'not ok {name} on {guest}: status {run.returncode}, {run.stdout!r} {run.stderr}')
