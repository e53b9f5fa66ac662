# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: where a program spends its time, from perf, and which functions it calls."""
import collections
import re
import shutil
import subprocess
from bisect import bisect_left
from pathlib import Path

from common import OUT

TABLES = {'where': (('guest', 'program', 'way', 'place'), ('share',)),
          'called': (('guest', 'program', 'function'), ('calls',))}
ALL = 'calls'                   # the name of the total in QEMU's log, and of a program's last row
WAYS = ('translated', 'bypass')
PERFMAPS = Path('/tmp')        # directory of QEMU's -perfmap files
RATE = 1999                     # samples a second
# QEMU's own functions
QEMU_PARTS = ((r'helper_native|native_|page_check_range', 'QEMU: native calls'),
              (r'helper_lookup_tb_ptr|cpu_get_tb_cpu_state|curr_cflags|assert_hflags|tb_htable|qht_', 'QEMU: block look-ups'),
              (r'helper_|float|round|addsub', 'QEMU: other helpers'))
OTHER = 'QEMU: translation and the rest'
SAMPLE = re.compile(r'\s*([0-9a-f]+) (.*) \((.*)\)$')
PERFMAP = re.compile(r'/perf-\d+\.map$')


def perf_runs():
    """Whether perf can sample here."""
    return bool(shutil.which('perf')) and subprocess.run(
        ['perf', 'record', '-q', '-e', 'cpu-clock', '-d', '-o', '/dev/null', 'true'],
        capture_output=True, check=False).returncode == 0


def calls(job, way='bypass'):
    """Count the native calls of a program and all its processes, for each function and in total."""
    logs = OUT / 'logs'
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    job.execute(way, ['-d', 'native_bypass', '-D', f'{logs}/%d'])
    found = collections.Counter()
    for path in logs.iterdir():
        for n, name in re.findall(r'^native_bypass: (\d+) (\w+)$', path.read_text(errors='replace'), re.M):
            found[name] += int(n)
    return found


def place(symbol, dso):
    """The place of a sample outside of guest code."""
    if dso.startswith(('[kernel', '[guest.kernel')):
        return 'kernel'
    if '/qemu-' in dso:
        return next((name for pattern, name in QEMU_PARTS if re.match(pattern, symbol)), OTHER)
    if re.search(r'/libc(-[0-9.]+)?\.so', dso):
        return "host's libc"
    if PERFMAP.search(dso) or dso in ('[unknown]', '//anon', '[anon]'):
        return 'QEMU: code around the blocks'
    return OTHER


def symbols(perfmap, addresses):
    """The symbols of these addresses.  QEMU overwrites older code; perf uses any symbol, but the last is right."""
    addresses, found = sorted(addresses), {}
    if perfmap.exists():
        for line in perfmap.read_text(errors='replace').splitlines():
            start, size, symbol = line.split(maxsplit=2)
            start = int(start, 16)
            for a in addresses[bisect_left(addresses, start):bisect_left(addresses, start + int(size, 16))]:
                found[a] = symbol
    return found


def places(script, base, program):
    """Count samples by place, from the output of perf script; base is the offset of guest code."""
    found, maps = collections.Counter(), []
    sampled = collections.defaultdict(set)
    for line in script:
        m = SAMPLE.match(line)
        if m and PERFMAP.search(m[3]):
            sampled[m[3]].add(int(m[1], 16))
    known = {path: symbols(Path(path), addresses) for path, addresses in sampled.items()}
    for line in script:
        m = re.search(r'PERF_RECORD_MMAP2? .*?\[0x([0-9a-f]+)\((0x[0-9a-f]+)\) @.*\]: \S+ (/\S*)', line)
        if m:
            maps.append((int(m[1], 16), int(m[1], 16) + int(m[2], 16), m[3]))
            continue
        m = SAMPLE.match(line)
        symbol = m and known.get(m[3], {}).get(int(m[1], 16), m[2])
        if m and symbol.startswith('guest-0x'):
            addr = int(re.match('guest-0x([0-9a-f]+)', symbol)[1], 16) + base
            # the last mapping at this address
            path = next((p for start, end, p in reversed(maps) if start <= addr < end), '/no file')
            name = path.rsplit('/', 1)[1]
            found['the program itself' if name == program else name] += 1
        elif m:
            found[place(symbol, m[3])] += 1
    return found


def sample(job, way):
    """Count samples by place, in a run under perf."""
    data = OUT / 'perf.data'
    # this base separates the addresses of a 32-bit guest from QEMU's own
    base = 0 if '64' in job.guest else 1 << 40
    maps = set(PERFMAPS.glob('perf-*.map'))
    try:
        job.execute(way, ['-B', hex(base), '-perfmap'],
                    ['perf', 'record', '-q', '-F', str(RATE), '-e', 'cpu-clock', '-d', '-o', str(data), '--'])
        script = subprocess.run(['perf', 'script', '-i', data, '-F', 'ip,sym,dso', '--show-mmap-events'],
                                capture_output=True, text=True, errors='replace', check=True)
        return places(script.stdout.splitlines(), base, job.argv[0].name)
    finally:
        for path in {data, data.with_suffix('.data.old'), *PERFMAPS.glob('perf-*.map')} - maps:
            path.unlink(missing_ok=True)


def shares(found):
    """Shares of the total, largest first; those below 0.5 % are combined."""
    total = sum(found.values())
    big = {p: n / total for p, n in found.most_common() if n >= total / 200}
    return {**big, 'others': 1 - sum(big.values())} if sum(big.values()) < 0.9999 else big


def run(jobs, tables, progress):
    """Measure all programs that the tables do not have; return the failures."""
    ways = WAYS if perf_runs() else ()
    if not ways:
        print('== bench: perf cannot sample here: only calls are counted, not where the time goes', flush=True)

    def measure(job):
        key = {'guest': job.guest, 'program': job.name}
        counted = calls(job)
        if not counted[ALL] and job.name != 'true':
            raise RuntimeError('no native call')
        for way in ways:
            for at, share in shares(sample(job, way)).items():
                tables['where'].add(way=way, place=at, share=f'{share:.4f}', **key)
        for name in sorted({ALL, *counted}, key=lambda n: (n == ALL, -counted[n])):
            tables['called'].add(function=name, calls=counted[name], **key)
    return progress.each('where', jobs, lambda j: tables['called'].has(j.guest, j.name, ALL), measure)
