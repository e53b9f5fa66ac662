# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: that the series costs nothing without the option."""
import os
import re
import shutil
import subprocess
import time

import guests
import stats
from common import BUILD, ENV, OUT, ROOT

TABLES = {'off': (('guest', 'workload'), (
    'base_instructions', 'patched_instructions', 'ratio', 'repeat', 'base_s', 'patched_s', 'time_ratio'))}
TEXT = OUT / 'data/text-2'
BASE = BUILD / 'obj-base'
FEW = 20000                     # bytes that are enough to count instructions


def prepare(guest_names):
    """Build the pristine base; returns what is left out."""
    wanted = [g for g in guest_names if not (BASE / f'qemu-{g}').exists()]
    if wanted:
        print(f'== bench: building the pristine base for {" ".join(wanted)}, to compare with', flush=True)
        env = {**os.environ, 'TARGETS': '', 'ONLY': ' '.join(f'qemu-{g}' for g in wanted)}
        subprocess.run([ROOT / 'dev/build', BUILD / 'base', BASE], env=env, check=False)
    return [f'off: no base build of {g}' for g in wanted if not (BASE / f'qemu-{g}').exists()]


def binaries(guest):
    """Both QEMUs at paths of the same length: the kernel puts the path on the stack."""
    both = []
    for name, build in (('0', BASE), ('1', BUILD / 'obj')):
        path = OUT / f'off/{name}/qemu-{guest}'
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(build / f'qemu-{guest}', path)
        both.append(path)
    return both


def command(guest, qemu, text):
    """The workload: the demo's program, under one QEMU."""
    return [str(qemu), *guests.qemu(guest, guests.sysroot(guest))[1:], str(OUT / f'words-{guest}'), str(text)]


def count(argv):
    """Instructions of a whole QEMU process, under callgrind."""
    log = OUT / 'off/callgrind.log'
    p = subprocess.run(['setarch', '-R', 'valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
                        f'--log-file={log}', *argv], env=ENV, cwd=OUT, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False, timeout=300)
    found = re.search(r'Collected : (\d+)', log.read_text())
    if p.returncode or not found:
        raise RuntimeError(f'valgrind: exit {p.returncode}')
    return int(found[1])


def seconds(argv):
    """How long it takes."""
    start = time.perf_counter()
    subprocess.run(argv, env=ENV, cwd=OUT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def measure(guest, quick):
    """The values of a guest."""
    subprocess.run([guests.compiler(guest), '-O2', '-o', OUT / f'words-{guest}', ROOT / 'dev/demo/words.c'],
                   check=True)
    few = OUT / 'off/few'
    both = binaries(guest)
    few.write_bytes(TEXT.read_bytes()[:FEW])
    counts = [count(command(guest, q, few)) for q in both]
    repeat = 0 if quick else abs(count(command(guest, both[0], few)) - counts[0])
    times = ([], [])
    while len(times[1]) < 5 or (len(times[1]) < 15 and not stats.stable(*times, 0.02)):
        for qemu, found in zip(both, times):
            found.append(seconds(command(guest, qemu, TEXT)))
    best = [min(t) for t in times]
    return {'base_instructions': counts[0], 'patched_instructions': counts[1],
            'ratio': f'{counts[1] / counts[0]:.6f}', 'repeat': repeat, 'base_s': f'{best[0]:.4f}',
            'patched_s': f'{best[1]:.4f}', 'time_ratio': f'{best[1] / best[0]:.4f}'}


def run(guest_names, table, progress, quick):
    """Compare on each guest that the table does not have; returns what could not be."""
    left_out = []
    done = [g for g in guest_names if table.has(g, 'words')]
    progress.skip('off', len(done) / max(len(guest_names), 1))
    for guest in [g for g in guest_names if g not in done]:
        try:
            if not shutil.which('valgrind'):
                raise RuntimeError('no valgrind on this machine')
            if not guests.compiler(guest):
                raise RuntimeError(f'no {guests.TRIPLETS[guest]}-gcc')
            table.add(guest=guest, workload='words', **measure(guest, quick))
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            left_out.append(f'off of {guest}: {e}')
        done.append(guest)
        progress.step('off', len(done) / len(guest_names), guest)
    return left_out
