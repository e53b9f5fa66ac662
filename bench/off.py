# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: instructions of QEMU without the option, for pristine QEMU and ours."""
import os
import re
import shutil
import subprocess

import common
from common import BUILD, ROOT

TABLES = {'off': (('guest', 'program'), ('pristine_instructions', 'translated_instructions', 'ratio'))}
BASE = BUILD / 'obj-base'
WAYS = ('pristine', 'translated')
LIMIT = 300                     # seconds
# These take at least half a minute to start under callgrind.
SLOW = ('python3', 'python3-zlib', 'jq', 'cc1')


def prepare(guest_names):
    """Build the pristine base, and link both QEMUs to where the ways find them; return the guests without."""
    wanted = [g for g in guest_names if not (BASE / f'qemu-{g}').exists()]
    if wanted:
        print(f'== bench: building the pristine base for {" ".join(wanted)}, to compare with', flush=True)
        env = {**os.environ, 'TARGETS': '', 'ONLY': ' '.join(f'qemu-{g}' for g in wanted)}
        subprocess.run([ROOT / 'dev/build', BUILD / 'base', BASE], env=env, check=False)
    for guest in guest_names:
        for way, build in zip(WAYS, (BASE, BUILD / 'obj')):
            link = common.binary(guest, way)
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(build / link.name)
    return [g for g in wanted if not (BASE / f'qemu-{g}').exists()]


def count(job):
    """Count QEMU's instructions from start to end, with callgrind, for each way."""
    job.clear()
    running = {}
    for way in WAYS:
        # callgrind's LD_PRELOAD must not reach the guest
        command, env = job.command(way, ['-U', 'LD_PRELOAD'], inputs='small')
        # not to /dev/null, for which grep and tar take a shortcut
        with open(job.dir / f'{way}.out', 'wb') as out:
            # run both at the same time: this does not measure time; pylint: disable=consider-using-with
            running[way] = subprocess.Popen(
                ['setarch', '-R', 'valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
                 f'--log-file={job.dir}/{way}.log', *command],
                env=env, cwd=job.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
    try:
        codes = {way: p.wait(LIMIT) for way, p in running.items()}
    finally:
        for p in running.values():
            p.kill()
    found = {way: re.search(r'Collected : (\d+)', (job.dir / f'{way}.log').read_text()) for way in WAYS}
    if any(codes.values()) or not all(found.values()):
        raise RuntimeError(f'valgrind: exit {codes}')
    return {way: int(m[1]) for way, m in found.items()}


def row_of(counts):
    """The values of a program, with the ratio of our QEMU to pristine QEMU."""
    return {**{f'{w}_instructions': n for w, n in counts.items()},
            'ratio': f'{counts["translated"] / counts["pristine"]:.6f}'}


def run(jobs, table, progress):
    """Count for all programs that the table does not have; return those that could not be counted."""
    if not shutil.which('valgrind'):
        return ['off: no valgrind on this machine']
    return progress.each('off', [j for j in jobs if j.name not in SLOW], lambda j: table.has(j.guest, j.name),
                         lambda j: table.add(guest=j.guest, program=j.name, **row_of(count(j))))
