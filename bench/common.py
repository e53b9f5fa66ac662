# SPDX-License-Identifier: GPL-2.0-or-later
"""The shared code of make bench: its tables, its progress, its arithmetic."""
import csv
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'dev'))
import guests  # noqa: E402
from guests import BUILD, ROOT  # noqa: E402,F401

OUT = BUILD / 'bench'
# The environment for everything that is measured.
ENV = {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C', 'HOME': '/nonexistent'}
# Guest code is translated by the unpatched QEMU or by ours without the option, or runs with option and library.
WAYS = ('pristine', 'translated', 'bypass')
# Another QEMU, Debian's for example, if PEER names one
PEER = 'peer'
# The comparisons: how many times as fast is the second way?
RATIOS = {'control_flow': ('pristine', 'translated'), 'native': ('translated', 'bypass'),
          'both': ('pristine', 'bypass'), 'auto_native': ('translated', 'auto'), 'auto_both': ('pristine', 'auto'),
          'auto_over_library': ('bypass', 'auto'), 'peer_over_auto': (PEER, 'auto')}


def binary(guest, way):
    """The QEMU for a way; all paths have the same length, since the kernel puts them on the stack."""
    return OUT / {'pristine': 'base', PEER: 'peer'}.get(way, 'ours') / f'qemu-{guest}'


def link_peer(guest_names):
    """Link the QEMU of PEER to where its way finds it; return its version, and lines for what is absent."""
    shutil.rmtree(OUT / 'peer', ignore_errors=True)
    if not os.environ.get('PEER'):
        return '', []
    p = subprocess.run([ROOT / 'dev/peer'], stdout=subprocess.PIPE, text=True, check=False)
    if p.returncode:
        return '', ['peer: see above']
    (OUT / 'peer').mkdir(parents=True)
    version, absent = '', []
    for guest in guest_names:
        program = Path(p.stdout.strip()) / f'qemu-{guest}'
        if program.exists():
            binary(guest, PEER).symlink_to(program)
            version = version or subprocess.run([program, '--version'], capture_output=True, text=True, check=True
                                                ).stdout.split('\n')[0].split('version ')[-1]
        else:
            absent.append(f'{guest}: the peer has no qemu-{guest}')
    return version, absent


def with_peer(guest, ways):
    """These ways, and the peer if there is one."""
    return (*ways, PEER) if binary(guest, PEER).exists() else ways


def qemu(guest, root, way, options=()):
    """The command that runs a guest's program in one of the ways."""
    return guests.qemu(guest, root, {'bypass': 'library', 'auto': 'auto'}.get(way, ''), options, binary(guest, way))


def cpu(usage):
    """Seconds of CPU time, from the kernel's usage of a process and its children."""
    return usage.ru_utime + usage.ru_stime


class Table:
    """A CSV file in build/bench; each row is written as soon as it is measured.

    A continued run finds the rows of the interrupted one.
    """

    def __init__(self, name, key, values, about):
        self.path = OUT / f'{name}.csv'
        self.key, self.about = key, about
        self.fields = [*key, *values, *about]
        self.cells = {}
        if self.path.exists():
            with open(self.path, newline='', encoding='utf-8') as f:
                # a line that was cut off has no last field
                self.cells = {self._key(r): r for r in csv.DictReader(f) if r.get(self.fields[-1])}
        self._write('w', self.rows)

    @property
    def rows(self):
        """All rows."""
        return list(self.cells.values())

    def _key(self, row):
        return tuple(str(row[k]) for k in self.key)

    def _write(self, mode, rows):
        with open(self.path, mode, newline='', encoding='utf-8') as f:
            writer = csv.DictWriter(f, self.fields, lineterminator='\n')
            if mode == 'w':
                writer.writeheader()
            writer.writerows(rows)

    def has(self, *key):
        """Whether there is a row with these key fields."""
        return tuple(map(str, key)) in self.cells

    def add(self, **row):
        """Add a row, or replace the old one with the same key."""
        row = {f: str({**row, **self.about}.get(f, '')) for f in self.fields}
        old = self.cells.pop(self._key(row), None)
        self.cells[self._key(row)] = row
        self._write('w', self.rows) if old else self._write('a', [row])


def tables(modules, about):
    """All tables of these modules."""
    return {name: Table(name, *fields, about) for m in modules for name, fields in m.TABLES.items()}


class Progress:
    """Print lines of progress, but not too many."""

    def __init__(self):
        self.began = self.shown = time.monotonic()

    def step(self, part, done, count, text):
        """Report that so many of a part are done."""
        now = time.monotonic()
        if done == count or now - self.shown >= (1 if sys.stdout.isatty() else 20):
            self.shown = now
            print(f'  {part:<9} {done:>5} of {count:<5} {str(text):<30} {(now - self.began) / 60:5.1f} min', flush=True)

    def each(self, part, jobs, has, measure):
        """Measure each job that the tables do not have; return the failures."""
        failed = []
        for i, job in enumerate(jobs):
            if not has(job):
                try:
                    measure(job)
                except (RuntimeError, OSError, subprocess.SubprocessError) as e:
                    failed.append(f'{part}: {job}: {e}')
                    print(f'make: bench: {failed[-1]}', file=sys.stderr, flush=True)
            self.step(part, i + 1, len(jobs), job)
        return failed


def ratios(ways):
    """The comparisons that are possible with these ways."""
    return {name: pair for name, pair in RATIOS.items() if set(pair) <= set(ways)}


def fields(ways, unit):
    """The columns of a table of samples."""
    return (*(f'{w}_{unit}' for w in ways), *(f'{w}_median_{unit}' for w in ways), 'rounds', 'stable', *ratios(ways))


def row_of(samples, unit, is_stable):
    """Fill these columns from each way's samples: best times, medians, and ratios of the best times."""
    best = {w: min(s) for w, s in samples.items()}
    return {**{f'{w}_{unit}': f'{b:.4f}' for w, b in best.items()},
            **{f'{w}_median_{unit}': f'{median(s):.4f}' for w, s in samples.items()},
            'rounds': len(samples['bypass']), 'stable': int(is_stable),
            **{name: f'{best[a] / best[b]:.3f}' for name, (a, b) in ratios(best).items()}}


def stable(a, b, limit=0.05):
    """Whether two halves of samples taken in turn agree on the ratio of the best times."""
    if len(a) < 2 or len(b) < 2:
        return False
    first, second = (min(a[i::2]) / min(b[i::2]) for i in (0, 1))
    return abs(first - second) <= limit * min(first, second)


def steady(samples, limit=0.05):
    """Whether the samples of several ways are stable, each against the next."""
    return all(stable(a, b, limit) for a, b in zip(samples, samples[1:]))


def geomean(values):
    """Geometric mean, or None if there are no values."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else None
