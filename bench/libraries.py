#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench-libraries: seconds of CPU time of programs that unpack and hash, best of three.

They run under the unpatched QEMU; under ours with auto, without and with native calls of libraries other than the
C library; and as the host's own programs.  GUEST=aarch64, ROUNDS=3.  Needs the packages that make bench fetches.
"""
import bz2
import lzma
import os
import subprocess
import sys
import zlib
from resource import RUSAGE_CHILDREN, getrusage

import common
import guests

GUEST = os.environ.get('GUEST') or 'aarch64'
ROUNDS = int(os.environ.get('ROUNDS') or 3)
ROOT = common.OUT / f'root-{guests.DEBIAN[GUEST]}'
DATA = common.OUT / 'data'
EXCLUDE = 'auto,exclude=liblzma:libz:libbz2:libcrypto'
PYTHON = 'import sys; m = __import__(sys.argv[1]); print(len(m.decompress(open(sys.argv[2], "rb").read())))'
MADE = {'xz': lzma.compress, 'z': zlib.compress, 'bz2': bz2.compress}


def seconds(command):
    """The least CPU time of the command and its children."""
    least = float('inf')
    for _ in range(ROUNDS):
        before = common.cpu(getrusage(RUSAGE_CHILDREN))
        subprocess.run([str(a) for a in command], env=common.ENV, stdout=subprocess.DEVNULL, check=True)
        least = min(least, common.cpu(getrusage(RUSAGE_CHILDREN)) - before)
    return least


def inputs(deb):
    """Write 57 MB of a package's contents, and compressed copies of it."""
    DATA.mkdir(parents=True, exist_ok=True)
    plain = DATA / 'libraries'
    if not plain.exists():
        plain.write_bytes(subprocess.run(['dpkg-deb', '--fsys-tarfile', deb], stdout=subprocess.PIPE, check=True).stdout[:57 << 20])
    for end, compress in MADE.items():
        made = DATA / f'libraries.{end}'
        if not made.exists():
            made.write_bytes(compress(plain.read_bytes()))
    return plain


def main():
    base, ours = common.binary(GUEST, 'pristine'), common.BUILD / f'qemu-{GUEST}'
    for needed in ROOT, base, ours:
        if not needed.exists():
            sys.exit(f'make: bench-libraries: {needed}: not there; make bench makes it')
    deb = max(common.BUILD.glob('dl/*/cache/archives/*.deb'), key=lambda p: p.stat().st_size)
    plain = inputs(deb)
    jobs = [['xz', '-dc', f'{plain}.xz'], ['dpkg-deb', '--fsys-tarfile', deb],
            *(['python3', '-c', PYTHON, m, f'{plain}.{e}'] for m, e in (('lzma', 'xz'), ('zlib', 'z'), ('bz2', 'bz2'))),
            *(['openssl', 'dgst', f'-{h}', plain] for h in ('sha1', 'sha256', 'sha512'))]
    print('| | unpatched QEMU | without | `auto` | times as fast as without | the host itself |\n|---|---|---|---|---|---|')
    for job in jobs:
        own = [ROOT / 'usr/bin' / job[0], *job[1:]]
        took = [seconds([base, '-L', ROOT, *own]), *(seconds([ours, '-L', ROOT, '--native-bypass', how, *own])
                                                     for how in (EXCLUDE, 'auto')), seconds(job)]
        name = ' '.join(a for a in map(str, job) if a != PYTHON and not a.startswith('/'))
        print(f'| {name} | {took[0]:.2f} | {took[1]:.2f} | {took[2]:.2f} | {took[1] / took[2]:.1f} | {took[3]:.2f} |', flush=True)


if __name__ == '__main__':
    main()
