# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: where a program's time goes, what it calls and with what sizes."""
import collections
import math
import re
import shutil
import struct
import subprocess
from pathlib import Path

import calls
import guests
from common import BUILD, NATIVE, OUT, ROOT, LeftOut

RANGES = 24                     # of sizes: 0, 1, 2, up to 4, up to 8...; as in sizes.c
ENDS = [0] + [1 << i for i in range(RANGES - 1)]
TABLES = {
    'where': (('guest', 'program', 'way', 'place'), ('share', 'how')),
    'sizes': (('guest', 'program', 'function'),
              ('calls', 'translated_s', 'bypass_s', *(f'to_{n}' for n in ENDS)))}
ALL = 'all'                     # the row that ends those of a program
TABLE = 'functions of the table'    # a share by the measured cost of calls, not a place
WAYS = ('translated', 'bypass')
PERFMAPS = Path('/tmp')        # where QEMU's -perfmap writes
RATE = 1999                     # samples a second
PERFMAP = re.compile(r'/perf-\d+\.map$')
# QEMU's own functions
QEMU_PARTS = ((re.compile(r'helper_native|native_|page_check_range'), 'QEMU: native calls'),
              (re.compile(r'helper_lookup_tb_ptr|cpu_get_tb_cpu_state|curr_cflags|assert_hflags|tb_htable|qht_'), 'QEMU: block look-ups'),
              (re.compile(r'helper_|float|round|addsub'), 'QEMU: other helpers'))


def library(guest):
    """sizes.c, built for a guest."""
    out = OUT / f'libsizes-{guest}.so'
    gcc = guests.compiler(guest)
    if not gcc:
        raise LeftOut(f'no {guests.TRIPLETS[guest]}-gcc')
    subprocess.run([gcc, '-O2', '-fPIC', '-fno-builtin', '-D_GNU_SOURCE', '-shared', f'-I{ROOT}/include',
                    f'-I{ROOT}/tests/tcg/multiarch/native-bypass',
                    f'-DLIBNATIVE="{NATIVE}/{guest}-linux-user/libnative.so"',
                    '-o', out, ROOT / 'bench/sizes.c', '-ldl'], check=True)
    return out


def plugin():
    """mappings.c, built."""
    out = OUT / 'libmappings.so'
    glib = subprocess.run(['pkg-config', '--cflags', 'glib-2.0'], capture_output=True, text=True, check=True)
    subprocess.run(['gcc', '-O2', '-fPIC', '-shared', f'-I{BUILD}/tree/include/qemu', *glib.stdout.split(),
                    '-o', out, ROOT / 'bench/mappings.c'], check=True)
    return out


def perf_runs():
    """Whether perf can sample here."""
    return bool(shutil.which('perf')) and subprocess.run(
        ['perf', 'record', '-q', '-e', 'cpu-clock', '-d', '-o', '/dev/null', 'true'],
        capture_output=True, check=False).returncode == 0


def logs(where):
    """An empty directory, and the option that has each process write its log there."""
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    return ['-D', f'{where}/%d']


def read_logs(where, pattern):
    """What a pattern finds in all of these logs."""
    return [m for path in where.iterdir() for m in re.findall(pattern, path.read_text(errors='replace'), re.M)]


def count(job):
    """Calls and sizes of a program: a list for each function that it calls, and the calls that were native."""
    lib = library(job.guest)
    names = calls.functions(job.guest)
    file = OUT / 'sizes'
    file.write_bytes(bytes(4 * RANGES * len(names)))
    to = OUT / 'logs'
    job.execute('bypass', ['-d', 'native_bypass', *logs(to)], variables={'SIZES': str(file)}, library=lib)
    order = '>' if job.guest in ('mips', 'mips64') else '<'
    found = {name: values for name, values in zip(
        names, struct.iter_unpack(f'{order}{RANGES}I', file.read_bytes())) if any(values)}
    return found, sum(map(int, read_logs(to, r'^native_bypass: (\d+) calls$')))


def cost(curve, size):
    """Nanoseconds of a call by the measured ones, (size, ns) in order; straight lines between."""
    before = [p for p in curve if p[0] <= size] or curve[:1]
    after = [p for p in curve if p[0] > size] or curve[-1:]
    (x, a), (y, b) = before[-1], after[0]
    if x < y:
        return a + (b - a) * (size - x) / (y - x)
    return a * max(size / x, 1) if x else a


def middle(k):
    """A size that stands for a range."""
    return ENDS[k] if k < 3 else math.sqrt(ENDS[k] * (ENDS[k - 1] + 1))


def price(ranges, curve):
    """Seconds of calls with these sizes, None without measured costs."""
    return sum(n * cost(curve, middle(k)) for k, n in enumerate(ranges)) / 1e9 if curve else None


def curves(rows, guest):
    """Of each function and way the aligned cells as (size, ns), in order."""
    found = collections.defaultdict(list)
    for r in rows:
        if r['guest'] == guest and r['align'] == 'aligned':
            for way in WAYS:
                found[r['function'], way].append((int(r['size']), float(r[f'{way}_ns'])))
    return {k: sorted(v) for k, v in found.items()}


def qemu_part(symbol):
    """What a function of QEMU's is for."""
    return next((name for pattern, name in QEMU_PARTS if pattern.match(symbol)), 'QEMU: translation and the rest')


def places(script, base, program):
    """Samples by place, from what perf script prints; guest code is where base has it."""
    found = collections.Counter()
    maps = []
    mapping = re.compile(r'PERF_RECORD_MMAP2? .*?\[0x([0-9a-f]+)\((0x[0-9a-f]+)\) @.*\]: \S+ (/\S*)')
    for line in script:
        m = mapping.search(line)
        if m:
            start = int(m[1], 16)
            maps.append((start, start + int(m[2], 16), m[3]))
            continue
        m = re.match(r'\s*([0-9a-f]+) (.*) \((.*)\)$', line)
        if not m:
            continue
        _, symbol, dso = m.groups()
        guest = re.match(r'guest-0x([0-9a-f]+)', symbol)
        if guest:
            addr = int(guest[1], 16) + base
            # the last of those that were there
            path = next((p for start, end, p in reversed(maps) if start <= addr < end), None)
            name = path.rsplit('/', 1)[1] if path else 'no file'
            found[f'program {program}' if name == program else name] += 1
        elif dso.startswith('[kernel') or dso.startswith('[guest.kernel'):
            found['kernel'] += 1
        elif '/qemu-' in dso:
            found[qemu_part(symbol)] += 1
        elif re.search(r'/libc(-[0-9.]+)?\.so', dso):
            found["host's libc"] += 1
        elif PERFMAP.search(dso) or dso in ('[unknown]', '//anon', '[anon]'):
            found['QEMU: code around the blocks'] += 1
        else:
            found['QEMU: translation and the rest'] += 1
    return found


def by_perf(job, way):
    """Samples by place, of a run under perf."""
    data = OUT / 'perf.data'
    # the guest's addresses have to be told from what perf sees of the host's
    base = 0 if '64' in job.guest else 1 << 40
    maps = set(PERFMAPS.glob('perf-*.map'))
    try:
        job.execute(way, ['-B', hex(base), '-perfmap'],
                    ['perf', 'record', '-q', '-F', str(RATE), '-e', 'cpu-clock', '-d', '-o', str(data), '--'])
        script = subprocess.run(['perf', 'script', '-i', data, '-F', 'ip,sym,dso', '--show-mmap-events'],
                                capture_output=True, text=True, errors='replace', check=True)
        return places(script.stdout.splitlines(), base, job.argv[0].name)
    finally:
        for path in (data, data.with_suffix('.data.old')):
            path.unlink(missing_ok=True)
        for path in set(PERFMAPS.glob('perf-*.map')) - maps:
            path.unlink()


def by_plugin(job, way, lib):
    """Instructions by place, of a run with the plugin."""
    to = OUT / 'logs'
    job.execute(way, ['-plugin', str(lib), '-d', 'plugin', *logs(to)])
    found = collections.Counter()
    for n, path in read_logs(to, r'^mappings: (\d+) (.*)$'):
        name = path.rsplit('/', 1)[-1]
        found[f'program {name}' if name == job.argv[0].name else name] += int(n)
    return found


def shares(found):
    """Of the whole, largest first; less than 0.5 % together as one."""
    total = sum(found.values())
    big = {p: n / total for p, n in found.most_common() if n >= total / 200}
    return {**big, 'others': 1 - sum(big.values())} if sum(big.values()) < 0.9999 else big


def measure(job, tables, seconds, lib):
    """Fill both tables for a program; lib is the plugin, or None where perf runs."""
    if not tables['sizes'].has(job.guest, job.name, ALL):
        found, native = count(job)
        if not native and job.name != 'true':
            raise RuntimeError('no native call')
        curve = curves(tables['calls'].rows, job.guest)
        known = [0.0, 0.0]
        for name, ranges in sorted(found.items(), key=lambda f: -sum(f[1])):
            spent = [price(ranges, curve.get((name, w))) for w in WAYS]
            known = [k + (s or 0) for k, s in zip(known, spent)]
            tables['sizes'].add(
                guest=job.guest, program=job.name, function=name, calls=sum(ranges),
                **{f'{w}_s': '' if s is None else f'{s:.6f}' for w, s in zip(WAYS, spent)},
                **{f'to_{e}': n for e, n in zip(ENDS, ranges)})
        tables['sizes'].add(guest=job.guest, program=job.name, function=ALL,
                            calls=sum(map(sum, found.values())), translated_s=f'{known[0]:.6f}',
                            bypass_s=f'{known[1]:.6f}',
                            **{f'to_{e}': sum(f[k] for f in found.values()) for k, e in enumerate(ENDS)})
    priced = next(r for r in tables['sizes'].rows
                  if (r['guest'], r['program'], r['function']) == (job.guest, job.name, ALL))
    for way in WAYS:
        row = {'guest': job.guest, 'program': job.name, 'way': way, 'how': 'plugin' if lib else 'perf'}
        if tables['where'].has(job.guest, job.name, way, ALL):
            continue
        for place, share in shares(by_plugin(job, way, lib) if lib else by_perf(job, way)).items():
            tables['where'].add(place=place, share=f'{share:.4f}', **row)
        spent = float(priced[f'{way}_s']) / float(seconds[f'{way}_cpu_s'])
        tables['where'].add(place=TABLE, share=f'{spent:.4f}', **{**row, 'how': 'calls x their cost'})
        tables['where'].add(place=ALL, share='1.0000', **row)


def run(jobs, tables, progress):
    """Measure all programs that the tables do not have; returns what failed."""
    left_out = []
    todo = [j for here in jobs.values() for j in here.values()]
    took = {(r['guest'], r['program']): r for r in tables['programs'].rows}
    missing = [j for j in todo if not tables['where'].has(j.guest, j.name, WAYS[1], ALL)]
    progress.skip('where', 1 - len(missing) / max(len(todo), 1))
    lib = None if not missing or perf_runs() else plugin()
    for i, job in enumerate(missing):
        if (job.guest, job.name) in took:
            try:
                measure(job, tables, took[job.guest, job.name], lib)
            except (RuntimeError, OSError, LeftOut, subprocess.SubprocessError) as e:
                left_out.append(f'where the time of {job.name} of {job.guest} goes: {e}')
        progress.step('where', 1 - (len(missing) - i - 1) / len(todo), f'{job.guest} {job.name}')
    return left_out
