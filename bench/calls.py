# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: nanoseconds per call of each function, on each guest."""
import ctypes
import os
import re
import subprocess

import common
import guests
import stats
from common import ENV, OUT, ROOT, LeftOut

SIZES = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512] + [1024 << i for i in range(0, 11, 2)]
WAYS = (*common.WAYS, 'host')
TABLES = {
    'calls': (('guest', 'function', 'size', 'align'),
              (*(f'{w}_ns' for w in WAYS), *(f'{w}_median_ns' for w in WAYS),
               'spread', 'rounds', 'stable', 'again', 'control_flow', 'gain', 'gain_pristine', 'over_host',
               'host_function')),
    'mops': (('size', 'align'), ('translated_ns', 'bypass_ns', 'mops_ns', 'host_ns'))}
# What a call is made of; not in the table.
PARTS = ('timer', 'loop', 'direct', 'pointer', 'empty')
QUICK_SIZES = [0, 8, 64, 1024, 65536]
QUICK_FUNCTIONS = ['memcpy', 'memset', 'memcmp', 'strlen', 'strcpy', 'strcmp', 'strchr', 'strstr', 'wcslen']
RUN_NS = 1e6                    # of one sample; the clock of a guest takes about a microsecond
ROUNDS = (4, 24)                # at least, at most
NOISE = 0.05                    # what stats.stable() allows
PAYS = 8                        # bytes from which a native call must not be slower than translated
NEAR = 64                       # bytes up to which it is compared with the host's own
LOOKS = 5                       # more, at cells that look bad


def functions(guest=None):
    """The names in the table that a guest has, or all of them."""
    names, skip = [], False
    for line in open(ROOT / 'include/user/native-functions.h.inc', encoding='utf-8'):
        if line.startswith('#'):
            skip = line.startswith('#if') and guest not in (None, 'arm')
        row = re.match(r'NATIVE(_CHECKED|_\w+)?\((\w+)', line)
        if row and not skip:
            names.append(f'__{row[2]}_chk' if row[1] == '_CHECKED' else row[2])
    return names


def host_function(name):
    """What the host calls a guest's function."""
    aeabi = re.fullmatch(r'__aeabi_(\w+?)[48]?', name)
    return {'memclr': 'bzero'}.get(aeabi[1], aeabi[1]) if aeabi else name


def build(compiler, name):
    """Compile calls.c for a guest or the host; returns the program."""
    out = OUT / 'calls' / name
    out.mkdir(parents=True, exist_ok=True)
    source = ROOT / 'bench'
    tests = ROOT / 'tests/tcg/multiarch/native-bypass'
    for command in (
            [compiler, '-O2', '-fPIC', '-fno-builtin', '-shared', '-o', out / 'libown.so', source / 'own.c'],
            # libc comes first, where it has what own.c has too
            [compiler, '-O2', '-Wall', '-fno-builtin', '-pthread', '-D_GNU_SOURCE', f'-I{ROOT}/include',
             f'-I{tests}', '-o', out / 'calls', source / 'calls.c', '-Wl,-rpath,$ORIGIN,-z,lazy,--no-as-needed',
             '-lc', '-ldl', out / 'libown.so']):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise LeftOut(f'calls.c does not compile for {name}: {made.stderr.strip().splitlines()[0]}')
    return out / 'calls'


class Calls:
    """A running calls.c, which measures when it is asked to."""

    def __init__(self, command):
        # all ways on one CPU and the one who asks on another, where there are two
        cpu = max(os.sched_getaffinity(0))
        # pylint: disable=subprocess-popen-preexec-fn
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENV, bufsize=0,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        self.counts = {}

    def run(self, function, size, align, count):
        """Nanoseconds of so many calls."""
        self.process.stdin.write(f'{function} {size} {align} {count}\n'.encode())
        answer = self.process.stdout.readline()
        if not answer or int(answer) < 0:
            raise RuntimeError(f'{function} of {size} bytes: ' + (
                f'ended with {self.process.wait()}' if not answer else 'not native, or not there'))
        return int(answer)

    def count(self, *cell):
        """How many calls take the time of a sample."""
        count, ns = 1, self.run(*cell, 1)
        while ns < RUN_NS / 2:
            count = min(int(count * RUN_NS / max(ns, 1000)) + 1, 100 * count)
            ns = self.run(*cell, count)
        return count

    def close(self):
        """End the program."""
        self.process.stdin.close()
        self.process.wait()


def measure(ways, cells, rounds=ROUNDS):
    """Samples in nanoseconds per call of each way, in turn, until the ratios are stable."""
    counts = [w.count(*c) for w, c in zip(ways, cells)]
    samples = [[] for _ in ways]
    steady = False
    while len(samples[0]) < rounds[0] or (not steady and len(samples[0]) < rounds[1]):
        for way, cell, count, found in zip(ways, cells, counts, samples):
            found.append(way.run(*cell, count) / count)
        steady = stats.steady(samples)
    return samples, steady


def row_of(samples, steady, host_name):
    """The values of a cell."""
    best = {w: stats.best(s) for w, s in zip(WAYS, samples)}
    row = {f'{w}_ns': f'{b:.2f}' for w, b in best.items()}
    row |= {f'{w}_median_ns': f'{stats.median(s):.2f}' for w, s in zip(WAYS, samples)}
    return row | {
        'spread': f'{max(map(stats.spread, samples)):.3f}', 'rounds': len(samples[0]), 'stable': int(steady),
        **{name: f'{best[a] / best[b]:.3f}' for name, a, b in (
            ('control_flow', 'pristine', 'translated'), ('gain', 'translated', 'bypass'),
            ('gain_pristine', 'pristine', 'bypass'), ('over_host', 'bypass', 'host'))},
        'host_function': host_name}


def sized(row, low, high):
    """Whether a cell is one of these sizes, and not of mixed ones."""
    return row['align'] != 'mix' and low <= int(row['size']) <= high


def slower_than(row):
    """What a cell must not be slower than, and is: pristine QEMU's translation; ours, but for the shortest calls."""
    gains = {'pristine': row['gain_pristine']}
    if not sized(row, 0, PAYS - 1):
        gains['translated'] = row['gain']
    return [way for way, gain in gains.items() if float(gain) < 1 - NOISE]


def pays_not(row):
    """Whether a short call is faster without the option."""
    return sized(row, 0, PAYS - 1) and float(row['gain']) < 1


def over_limit(row):
    """Whether a short call takes more than 4 times the host's own."""
    return sized(row, 0, NEAR) and float(row['over_host']) > 4


def far_from_host(row):
    """Whether a large cell takes more than 1.1 times the host's."""
    return sized(row, 65536, 1 << 62) and float(row['over_host']) > 1.1 + NOISE


def cells_of(function, quick):
    """Sizes and alignments of a function's cells."""
    if function in PARTS:
        return [(0, 'aligned')]
    width = 4 if function.lstrip('_').startswith('w') else 1
    sizes = [s for s in (QUICK_SIZES if quick else SIZES) if s % width == 0]
    aligns = ['aligned'] if quick else ['aligned', 'misaligned']
    # below 16 bytes nothing depends on it that would be worth the time
    return [(s, a) for s in sizes for a in aligns if a == 'aligned' or s >= 16] + [(0, 'mix')]


def cells(guest_names, chosen, quick):
    """All that is to be measured: guest, function, size, alignment."""
    plan = []
    for guest in guest_names:
        names = functions(guest)
        if chosen:
            names = [n for n in names if n in chosen]
        elif quick:
            names = QUICK_FUNCTIONS
        plan += [(guest, f, *c) for f in [*PARTS, *names] for c in cells_of(f, quick)]
    return plan


class Ways:
    """The ways to call a function: processes of a guest, and one of the host."""

    def __init__(self, guest):
        if not guests.compiler(guest):
            raise LeftOut(f'{guest}: no {guests.TRIPLETS[guest]}-gcc')
        self.guest = guest
        self.programs = build(guests.compiler(guest), guest), build('gcc', 'host')
        self.ways = []
        self.restart()

    def restart(self):
        """New processes, in other pages of memory."""
        self.close()
        for way in common.WAYS:
            command = [*common.qemu(self.guest, guests.sysroot(self.guest), way), self.programs[0]]
            self.ways.append(Calls([*command, 'native'] if way == 'bypass' else command))
        self.ways.append(Calls([self.programs[1]]))

    def measure(self, function, size, align, before=None):
        """The row of a cell; samples of before count, too."""
        name = host_function(function)
        samples, steady = measure(self.ways, [(function, size, align)] * 3 + [(name, size, align)])
        looks = 0
        if before:
            looks = int(before['again']) + 1
            samples = [[float(before[f'{w}_ns']), *s] for w, s in zip(WAYS, samples)]
        known = function in PARTS or hasattr(ctypes.CDLL(None), name)
        return {'guest': self.guest, 'function': function, 'size': size, 'align': align, 'again': looks,
                **row_of(samples, steady, name if known else 'plain C')}

    def close(self):
        """End the processes."""
        while self.ways:
            self.ways.pop().close()


def run(plan, table, mops, progress, quick):
    """Measure all cells that the tables do not have; returns what could not be."""
    left_out = []
    missing = [c for c in plan if not table.has(*c)]
    progress.skip('calls', 1 - len(missing) / max(len(plan), 1))
    done = len(plan) - len(missing)
    for guest in dict.fromkeys(c[0] for c in plan):
        todo = [c[1:] for c in missing if c[0] == guest]
        if not todo and not doubtful(table, guest):
            continue
        try:
            ways = Ways(guest)
            for cell in todo:
                table.add(**ways.measure(*cell))
                done += 1
                progress.step('calls', done / len(plan), f'{guest} {cell[0]} {cell[1]}')
            if guest == 'aarch64' and (guest, 'memcpy', 0, 'aligned') in plan:
                run_mops(dict(zip(WAYS, ways.ways)), mops, quick)
            for _ in range(LOOKS):
                ways.restart()
                for row in doubtful(table, guest):
                    table.replace(row, **ways.measure(row['function'], int(row['size']), row['align'], row))
            ways.close()
        except LeftOut as e:
            left_out.append(f'functions of {guest}: {e}')
        except RuntimeError as e:
            left_out.append(f'{guest}: {e}')
    return left_out


def doubtful(table, guest):
    """Cells that look bad.  Noise may have made them so: all their ways get another chance in new processes."""
    return [r for r in table.rows if r['guest'] == guest and r['function'] not in PARTS and
            int(r['again']) < LOOKS and (slower_than(r) or far_from_host(r))]


def run_mops(ways, table, quick):
    """FEAT_MOPS' instructions in the guest against its memcpy() and the bypass."""
    for size in QUICK_SIZES if quick else SIZES:
        for align in ('aligned', 'misaligned'):
            if table.has(size, align):
                continue
            these = {w: (ways[w], ('memcpy', size, align)) for w in ('translated', 'bypass', 'host')}
            these['mops'] = (ways['translated'], ('mops', size, align))
            samples, _ = measure(*zip(*these.values()))
            table.add(size=size, align=align,
                      **{f'{w}_ns': f'{stats.best(s):.2f}' for w, s in zip(these, samples)})
