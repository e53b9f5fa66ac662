# SPDX-License-Identifier: GPL-2.0-or-later
"""What the parts of make bench share: the run, its tables and its clock."""
import csv
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'dev'))
import guests  # noqa: E402
from guests import BUILD, NATIVE, ROOT, TRIPLETS  # noqa: E402,F401

OUT = BUILD / 'bench'
# The environment of whatever is measured.
ENV = {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C', 'HOME': '/nonexistent'}


# Guest code is translated by the unpatched QEMU, by ours without the option, or runs with it.
WAYS = ('pristine', 'translated', 'bypass')


class LeftOut(Exception):
    """A part that cannot be measured here, and why."""


def binary(guest, way):
    """The QEMU of one of the ways.

    Their paths are of the same length, since the kernel puts them on the stack.
    """
    return OUT / ('base' if way == 'pristine' else 'ours') / f'qemu-{guest}'


def qemu(guest, root, way, options=(), library=None):
    """The command that runs a guest's program one of the ways; the library may be another than libnative.so."""
    return guests.qemu(guest, root, way == 'bypass' and (library or True), options, binary(guest, way))


class Table:
    """A CSV file in build/bench, a row for each cell, written as they come.

    An interrupted run goes on behind the rows that are there: has() tells.
    """

    def __init__(self, name, key, values, about):
        self.path = OUT / f'{name}.csv'
        self.key, self.about = key, about
        self.fields = [*key, *values, *about]
        self.rows = []
        if self.path.exists():
            with open(self.path, newline='', encoding='utf-8') as f:
                # a line that was cut off by an interrupt has no last field
                self.rows = [r for r in csv.DictReader(f) if r.get(self.fields[-1])]
        self.keys = {self._key(r) for r in self.rows}
        self._rewrite()

    def _key(self, row):
        return tuple(str(row[k]) for k in self.key)

    def _rewrite(self):
        with open(self.path, 'w', newline='', encoding='utf-8') as f:
            writer = csv.DictWriter(f, self.fields, lineterminator='\n')
            writer.writeheader()
            writer.writerows(self.rows)

    def has(self, *key):
        """Whether the cell with these key fields has been measured."""
        return tuple(str(k) for k in key) in self.keys

    def replace(self, old, **row):
        """Another row of the same cell."""
        self.rows.remove(old)
        self.add(**row)
        self._rewrite()

    def add(self, **row):
        """One more cell."""
        row = {f: str({**row, **self.about}.get(f, '')) for f in self.fields}
        self.rows.append(row)
        self.keys.add(self._key(row))
        with open(self.path, 'a', newline='', encoding='utf-8') as f:
            csv.DictWriter(f, self.fields, lineterminator='\n').writerow(row)


def tables(modules, about):
    """All tables of these modules."""
    return {name: Table(name, *fields, about) for m in modules for name, fields in m.TABLES.items()}


class Progress:
    """Lines of progress, with an estimate of the time that is left.

    The parts are told beforehand with the seconds they take on a usual machine;
    what they take here corrects the estimate.
    """

    def __init__(self, parts):
        self.parts = dict(parts)
        self.done = dict.fromkeys(self.parts, 0.0)      # of each, 0 to 1
        self.resumed = 0.0                              # seconds not spent now
        self.began = self.shown = time.monotonic()

    def skip(self, part, share):
        """A share of a part that an earlier run has done."""
        self.resumed += share * self.parts[part]
        self.done[part] = max(self.done[part], share)

    def step(self, part, share, text=''):
        """The part is done up to share; shows that, but not too often."""
        self.done[part] = max(self.done[part], min(share, 1.0))
        now = time.monotonic()
        if share < 1 and now - self.shown < (1 if sys.stdout.isatty() else 20):
            return
        self.shown = now
        total = sum(self.parts.values())
        usual = sum(self.done[p] * s for p, s in self.parts.items()) - self.resumed
        took = now - self.began
        pace = took / usual if usual > 30 else 1
        left = pace * (total - self.resumed - usual)
        print(f'  {part:<9} {100 * self.done[part]:3.0f} %  {text:<34} '
              f'{took / 60:5.1f} min gone, about {left / 60:.0f} min left', flush=True)


def names(variable, known):
    """The names that the user's variable selects of the known ones; all if none."""
    chosen = os.environ.get(variable, '').split()
    for name in chosen:
        if name not in known:
            print(f'make: bench: {variable}: {name}: not known; known are: {" ".join(known)}',
                  file=sys.stderr)
            sys.exit(2)
    return [n for n in known if not chosen or n in chosen]
