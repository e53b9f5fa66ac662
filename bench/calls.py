# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: nanoseconds per call of each function, on each guest."""
import ctypes
import os
import re
import subprocess

import common
import guests
from common import ENV, OUT, ROOT

SIZES = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512] + [1024 << i for i in range(0, 11, 2)]
WAYS = (*common.WAYS, 'host')
TABLES = {'calls': (('guest', 'function', 'size', 'align'),
                    (*common.fields(WAYS, 'ns'), 'over_host', 'host_function', 'again'))}
# The parts of a call
PARTS = ('timer', 'loop', 'direct', 'pointer', 'empty')
QUICK_SIZES = [0, 8, 64, 1024, 65536]
QUICK_FUNCTIONS = ['memcpy', 'memset', 'memcmp', 'strlen', 'strcpy', 'strcmp', 'strchr', 'strstr', 'wcslen']
RUN_NS = 1e6                    # for one sample; a guest's clock call takes about a microsecond
ROUNDS = (4, 24)                # minimum, maximum
NOISE = 0.05                    # the limit of common.stable()
PAYS = 8                        # bytes from which a native call must not be slower than translated
NEAR = 64                       # bytes up to which a native call is compared with the host's own
LOOKS = 5                       # how often to measure cells again that look bad


def host_function(name):
    """The host's name for a guest's function."""
    aeabi = re.fullmatch(r'__aeabi_(\w+?)[48]?', name)
    return {'memclr': 'bzero'}.get(aeabi[1], aeabi[1]) if aeabi else name


def build(compiler, name):
    """Compile calls.c for a guest or the host; returns the program."""
    out = OUT / 'calls' / name
    out.mkdir(parents=True, exist_ok=True)
    # -w: calls.c declares all functions that it calls with integer types
    compiler = [compiler, '-O2', '-w', '-fno-builtin', '-o']
    subprocess.run([*compiler, out / 'libown.so', '-fPIC', '-shared', ROOT / 'bench/own.c'], check=True)
    # libc comes first: it may define functions of own.c
    subprocess.run([*compiler, out / 'calls', '-D_GNU_SOURCE', f'-I{ROOT}/include',
                    f'-I{ROOT}/tests/tcg/multiarch/native-bypass', ROOT / 'bench/calls.c',
                    '-Wl,-rpath,$ORIGIN,-z,lazy,--no-as-needed', '-lc', '-ldl', out / 'libown.so'], check=True)
    return out / 'calls'


class Calls:
    """A running calls.c, which measures on request."""

    def __init__(self, command):
        # all ways run on the same CPU; this script has the other one, if there are two
        cpu = max(os.sched_getaffinity(0))
        # pylint: disable=subprocess-popen-preexec-fn
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENV, bufsize=0,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))

    def run(self, function, size, align, count):
        """Nanoseconds for that many calls."""
        self.process.stdin.write(f'{function} {size} {align} {count}\n'.encode())
        answer = self.process.stdout.readline()
        if not answer or int(answer) < 0:
            raise RuntimeError(f'{function} of {size} bytes: ' + (
                f'ended with {self.process.wait()}' if not answer else 'not native, or not there'))
        return int(answer)

    def count(self, *cell):
        """The number of calls that take the time of a sample."""
        # the first call translates the code; on a busy machine that alone may take the time of a sample
        count, ns = 1, min(self.run(*cell, 1) for _ in range(3))
        while ns < RUN_NS / 2:
            count = min(int(count * RUN_NS / max(ns, 1000)) + 1, 100 * count)
            ns = self.run(*cell, count)
        return count

    def close(self):
        """End the program."""
        self.process.stdin.close()
        self.process.wait()


class Ways:
    """The ways to call a function: processes of a guest, and one of the host."""

    def __init__(self, guest):
        self.guest = guest
        if not guests.compiler(guest):
            raise RuntimeError(f'no {guests.TRIPLETS[guest]}-gcc')
        program, of_host = build(guests.compiler(guest), guest), build('gcc', 'host')
        commands = {w: [*common.qemu(guest, guests.sysroot(guest), w), program] for w in common.WAYS}
        # with an argument, it checks that the functions are native
        self.commands = {**commands, 'bypass': [*commands['bypass'], 'native'], 'host': [of_host]}
        self.ways = {}

    def restart(self):
        """Start new processes, which use other pages of memory."""
        for way in self.ways.values():
            way.close()
        self.ways = {w: Calls(c) for w, c in self.commands.items()}

    def measure(self, function, size, align, before=None):
        """Measure a cell in turn until the ratios are stable; return its row.  The best times of before count, too."""
        name = host_function(function)
        cells = {w: (name if w == 'host' else function, size, align) for w in WAYS}
        counts = {w: self.ways[w].count(*cells[w]) for w in WAYS}
        samples, steady, rounds = {w: [] for w in WAYS}, False, 0
        while rounds < ROUNDS[0] or (not steady and rounds < ROUNDS[1]):
            for way, found in samples.items():
                found.append(self.ways[way].run(*cells[way], counts[way]) / counts[way])
            steady, rounds = common.steady(list(samples.values())), rounds + 1
        if before:
            samples = {w: [float(before[f'{w}_ns']), *s] for w, s in samples.items()}
        known = function in PARTS or hasattr(ctypes.CDLL(None), name)
        return {'guest': self.guest, 'function': function, 'size': size, 'align': align,
                'over_host': f'{min(samples["bypass"]) / min(samples["host"]):.3f}',
                'host_function': name if known else 'plain C', 'again': int(before['again']) + 1 if before else 0,
                **common.row_of(samples, 'ns', steady)}


def sized(row, low, high):
    """Whether a cell's size is in this range, and not mixed."""
    return row['align'] != 'mix' and low <= int(row['size']) <= high


def slower_than_pristine(row):
    """Whether a native call is slower than translated by pristine QEMU."""
    return float(row['both']) < 1 - NOISE


def slower_than_ours(row):
    """Whether a call is slower than without the option; the shortest calls may be."""
    return not sized(row, 0, PAYS - 1) and float(row['native']) < 1 - NOISE


def pays_not(row):
    """Whether one of the shortest calls is slower than without the option."""
    return sized(row, 0, PAYS - 1) and float(row['native']) < 1


def over_limit(row):
    """Whether a short call takes more than 4 times the host's own."""
    return sized(row, 0, NEAR) and float(row['over_host']) > 4


def far_from_host(row):
    """Whether a large call takes more than 1.1 times the host's own."""
    return sized(row, 65536, 1 << 62) and float(row['over_host']) > 1.1 + NOISE


def doubtful(table, guest):
    """Cells that look bad.  Noise may be the cause, so all their ways are measured again in new processes."""
    return [r for r in table.rows if r['guest'] == guest and r['function'] not in PARTS and int(r['again']) < LOOKS and
            (slower_than_pristine(r) or slower_than_ours(r) or far_from_host(r))]


def cells_of(function, quick):
    """Sizes and alignments of a function's cells."""
    if function in PARTS:
        return [(0, 'aligned')]
    width = 4 if function.lstrip('_').startswith('w') else 1
    sizes = [s for s in (QUICK_SIZES if quick else SIZES) if s % width == 0]
    # below 16 bytes the alignment hardly matters
    return [*((s, 'aligned') for s in sizes), *((s, 'misaligned') for s in sizes if s >= 16 and not quick), (0, 'mix')]


def cells(guest, chosen, quick):
    """All cells to measure for a guest: function, size, alignment."""
    wanted = chosen or (QUICK_FUNCTIONS if quick else guests.functions(guest))
    return [(f, *c) for f in [*PARTS, *(f for f in guests.functions(guest) if f in wanted)] for c in cells_of(f, quick)]


def run(guest_names, chosen, quick, table, progress):
    """Measure all cells that the table does not have; return those that could not be measured."""
    def measure(guest):
        plan = cells(guest, chosen, quick)
        ways = Ways(guest)
        ways.restart()
        for i, cell in enumerate(plan):
            if not table.has(guest, *cell):
                table.add(**ways.measure(*cell))
            progress.step(guest, i + 1, len(plan), ' '.join(map(str, cell)))
        while rows := doubtful(table, guest):
            ways.restart()
            for row in rows:
                table.add(**ways.measure(row['function'], int(row['size']), row['align'], row))
        for way in ways.ways.values():
            way.close()
    return progress.each('calls', guest_names, lambda g: False, measure)
