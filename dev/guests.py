# SPDX-License-Identifier: GPL-2.0-or-later
"""What make demo and make bench know of the guests."""
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build'
TRIPLETS = {
    'i386': 'i686-linux-gnu', 'x86_64': 'x86_64-linux-gnu',
    'arm': 'arm-linux-gnueabihf', 'aarch64': 'aarch64-linux-gnu',
    'mips': 'mips-linux-gnu', 'mips64': 'mips64-linux-gnuabi64',
    'mipsel': 'mipsel-linux-gnu', 'mips64el': 'mips64el-linux-gnuabi64',
}
NATIVE = BUILD / 'common-user/native'


def compiler(guest):
    """The guest's cross compiler, or None."""
    return shutil.which(f'{TRIPLETS[guest]}-gcc')


def sysroot(guest):
    """Where the cross compiler's loader and C library are."""
    root = Path('/usr') / TRIPLETS[guest]
    return root if (root / 'lib/libc.so.6').exists() else Path('/')


def documentation(out):
    """All the text of the documentation in QEMU's tree, in one file of the directory."""
    path = out / 'qemu-docs.txt'
    base = BUILD / 'base'
    parts = sorted(p for d in ('docs', 'qapi') for p in (base / d).rglob('*')
                   if p.suffix in ('.rst', '.txt', '.json') and p.is_file())
    path.write_bytes(b''.join(p.read_bytes() for p in parts))
    return path


def qemu(guest, root, bypass=False, options=(), binary=None):
    """The command that runs a guest's program with the libraries below root.

    The bypass is libnative.so's, or that of the library that it names; binary
    is another QEMU.
    """
    command = [str(binary or BUILD / f'qemu-{guest}'), '-L', str(root)]
    if (root / 'lib/libc.so.6').exists():
        # or the host's ld.so.cache leads i386's loader to another C library
        command += ['-E', f'LD_LIBRARY_PATH={root}/lib']
    if bypass:
        library = NATIVE / f'{guest}-linux-user/libnative.so' if bypass in (True, 1) else bypass
        command += ['--native-bypass', str(library)]
    return command + list(options)
