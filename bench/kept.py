# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: the cost of short processes with translations kept in a file."""
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median

import common
import programs
import short

# cold: an empty store.  warm: a store with the TBs of this program and others.  own: with this program's
# TBs alone, as if each program had its own file.  unseen: with those of other programs only.
WAYS = ('pristine', 'translated', 'cold', 'warm', 'own', 'unseen')
RATIOS = {'warm_gain': ('translated', 'warm'), 'own_gain': ('translated', 'own'), 'unseen_gain': ('translated', 'unseen'),
          'cold_cost': ('cold', 'translated'), 'warm_of_pristine': ('warm', 'pristine')}
TABLES = {'kept': (('guest', 'program'), (*(f'{w}_ms' for w in WAYS), *RATIOS, 'rounds', 'warm_page_faults', 'store_kb'))}
PROGRAMS = {
    **{n: c for n, c in short.PROGRAMS.items() if n != 'apt-config'},
    'cat': ['cat', '/dev/null'],
    'wc': ['wc', '/dev/null'],
    'date': ['date'],
    'mkdir': ['mkdir', '-p', '.'],
    'ls': ['ls', '/dev'],
    'sort': ['sort', '/dev/null'],
    'cc1-hello': ['../lib/gcc/{triplet}/12/cc1', '-quiet', '-O2', '@/hello.c', '-o', '-'],
    'sh-200': ['dash', '@/many.sh'],
}
LONG = ('sh-200', 'cc1-hello', 'python3')


class Job(programs.Job):
    """A program that may use a store."""
    stores = None

    def command(self, way, options=(), inputs='full'):
        """The whole command, and its environment."""
        command, env = super().command('pristine' if way == 'pristine' else 'translated', options, inputs)
        if way not in ('pristine', 'translated'):
            env['QEMU_TB_CACHE'] = str(self.store(way))
        return command, env

    def store(self, way):
        """The directory of a way."""
        name = {'warm': 'all', 'own': f'own-{self.name}', 'cold': f'cold-{self.name}', 'unseen': f'unseen-{self.name}'}[way]
        return Path(self.stores.name) / self.guest / name


def prepare(guest_names):
    """Jobs for the guests that Debian has programs for; and the programs that are left out."""
    jobs, left_out = [], []
    Job.stores = tempfile.TemporaryDirectory(prefix='qemu-bench-', dir='/dev/shm')   # pylint: disable=consider-using-with
    (programs.DATA / 'full/hello.c').write_text('#define N 10\nint puts(const char *);\nint main(void)\n{\n'
                                                '    for (int i = 0; i < N; i++)\n        puts("hello");\n    return 0;\n}\n')
    for guest in guest_names:
        if guest in common.guests.DEBIAN:
            programs.of_debian(guest, {f'kept-{n}': c for n, c in PROGRAMS.items()}, jobs, left_out)
    return [Job(j.guest, j.name, j.root, j.argv) for j in jobs], left_out


def kilobytes(directory):
    """The disk space of a store."""
    return int(subprocess.run(['du', '-sk', directory], capture_output=True, text=True, check=True).stdout.split()[0])


def fill(job, jobs):
    """Fill the stores for a job's ways, except cold."""
    for way, names in (('warm', None), ('own', (job.name,)), ('unseen', [j.name for j in jobs if j.name != job.name])):
        where = job.store(way)
        if way == 'warm' and where.exists():
            continue
        shutil.rmtree(where, ignore_errors=True)
        where.parent.mkdir(exist_ok=True)
        where.mkdir(mode=0o700)
        for other in jobs:
            if other.guest == job.guest and (names is None or other.name in names) and \
                    (way != 'unseen' or other.name.removeprefix('kept-') not in LONG):
                command, env = other.command('warm')
                other.clear()
                for _ in range(2):
                    subprocess.run(command, env={**env, 'QEMU_TB_CACHE': str(where)}, cwd=other.dir, check=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(job, jobs, quick):
    """The values of a program."""
    fill(job, jobs)
    used, digests = {w: [] for w in WAYS}, set()
    filled = job.store('unseen').with_name('filled')
    shutil.rmtree(filled, ignore_errors=True)
    job.store('unseen').rename(filled)
    few = job.name.removeprefix('kept-') in LONG
    for n in range((3 if quick else 6) if few else (10 if quick else 30)):
        for way in WAYS[::-1 if n % 2 else 1]:
            if way in ('cold', 'unseen'):
                shutil.rmtree(job.store(way), ignore_errors=True)
            if way == 'unseen':
                subprocess.run(['cp', '-r', '--sparse=always', filled, job.store(way)], check=True)
            usage, digest = job.execute(way)
            used[way].append(usage)
            if job.name != 'kept-date':
                digests.add(digest)
    if len(digests) > 1:
        raise RuntimeError('the outputs differ')
    # medians, not best times: each cold run is different
    ms = {w: 1000 * median(map(common.cpu, us)) for w, us in used.items()}
    return {**{f'{w}_ms': f'{v:.2f}' for w, v in ms.items()},
            **{name: f'{ms[a] / ms[b]:.3f}' for name, (a, b) in RATIOS.items()}, 'rounds': len(used['warm']),
            'warm_page_faults': min(u.ru_minflt for u in used['warm']), 'store_kb': kilobytes(job.store('own'))}


def run(jobs, quick, table, progress):
    """Measure all that the table does not have; return the failures."""
    return progress.each('kept', jobs, lambda j: table.has(j.guest, j.name.removeprefix('kept-')),
                         lambda j: table.add(guest=j.guest, program=j.name.removeprefix('kept-'), **measure(j, jobs, quick)))
