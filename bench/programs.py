# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: whole programs of Debian's, under the unpatched QEMU, under ours and with the bypass."""
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import common
import guests
import stats
from common import BUILD, ENV, OUT, ROOT, WAYS

TABLES = {'programs': (('guest', 'program'), (
    *(f'{w}_{what}' for what in ('cpu_s', 'cpu_median_s', 'wall_s', 'mb') for w in WAYS),
    'spread', 'rounds', 'stable', 'counts', 'control_flow', 'native', 'both'))}
ARCHITECTURES = {'aarch64': 'arm64', 'arm': 'armhf', 'i386': 'i386', 'mipsel': 'mipsel',
                 'mips64el': 'mips64el', 'x86_64': 'amd64'}
SUITE = 'bookworm'              # Debian 12, the last one with mipsel and mips64el
PACKAGES = ('coreutils grep sed mawk jq sqlite3 python3-minimal libpython3-stdlib perl gzip xz-utils tar '
            'dpkg openssl git dash bash cpp-12').split()
DATA = OUT / 'data'
SIZES = (0.3, 1, 2, 5, 16, 20, 60, 160)    # of texts, in MB
SMALL = 0.003                   # of the inputs for counting instructions
COUNTS = 0.5                    # seconds of a program that says something of speed
COUNT = '{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print n[w], w }'
COLUMN = '{ n[$3]++; sum[$3] += $5; if ($4 > top[$3]) top[$3] = $4 } END { for (k in n) print k, n[k], sum[k], top[k] }'
PERL = ('while (<>) { for (split /\\W+/) { $n{lc $_}++ } s/(\\w+) (\\w+)/$2 $1/g; $l += length } '
        'print "$l\\n"; print "$_ $n{$_}\\n" for sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n')
PYTHON = '''
import json, re, sys
text = open(sys.argv[1]).read()
rows = [json.loads(line) for line in open(sys.argv[2])]
words = {}
for word in re.findall(r'[A-Za-z_]+', text):
    words[word] = words.get(word, 0) + 1
print(len(rows), sum(len(r['words']) for r in rows), text.count('the'), text.replace('QEMU', 'qemu').find('zzz'))
print('\\n'.join(sorted(f'{n} {w}' for w, n in words.items())))
print(json.dumps(rows[:2000], indent=1)[:1000000])
'''
PACK = '''
import hashlib, sys, zlib
text = open(sys.argv[1], 'rb').read()
packed = zlib.compress(text)
print(len(packed), zlib.decompress(packed) == text, hashlib.sha256(text).hexdigest())
crc = 0
for i in range(0, len(text), 4096):
    crc = zlib.crc32(text[i:i + 4096], crc)
    print(crc, hashlib.sha256(text[i:i + 4096]).hexdigest())
'''
BASH = '''
declare -A n
while read -r first second rest; do
    word=${first//[^a-zA-Z]/}
    n[x$word]=$((${n[x$word]:-0} + 1))
    case $rest in *the*) echo "${rest//the/THE} ${second#*-}" ;; esac
done < $1
for word in "${!n[@]}"; do echo "$word ${n[$word]}"; done
'''
C = '''
/* Node {0} and its values */
static const struct node{0} {{
    const char *name;
    unsigned key, value[{1}];
}} nodes{0}[] = {{
    {{ "first",  {0},       {{ 1 }} }},
    {{ "second", {0} + 10,  {{ 2, {1} }} }},
    {{ "third",  {0} + 200, {{ 4, {0} }} }},
}};
enum {{ EMPTY{0}, FULL{0} = {2}, LIMIT{0} = FULL{0} * {1} }};

const char *find{0}(unsigned key, unsigned *value)
{{
    for (unsigned i = 0; i < 3; i++)
        if (nodes{0}[i].key == key) {{
            *value += nodes{0}[i].value[{1} - 1] > LIMIT{0};
            return nodes{0}[i].name;
        }}
    return 0;
}}
'''

# A process's peak memory is at least what its parent had: a small one starts the programs.
# The times are those of all processes that are waited for.
LAUNCH = '''
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - start
with open(sys.argv[1], 'w') as f:
    print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss, file=f)
'''

# Of each its arguments; @ is the directory of the inputs.  The sizes are such that a run
# takes one to two and a half seconds under the pristine QEMU on aarch64.
PROGRAMS = {
    'true': ['true'],
    'sort': ['sort', '@/text-20'],
    'uniq': ['uniq', '-c', '@/words'],
    'wc': ['wc', '@/text-20'],
    'cut': ['cut', '-d ', '-f2,4-', '@/text-60'],
    'grep': ['grep', '-n', '-e', 'migrat[a-z]*', '-e', 'the .* of', '@/text-60'],
    'sed': ['sed', '-e', 's/QEMU/qemu/g', '-e', '/^$/d', '-e', 's/\\([a-z]*\\) the/the \\1/', '@/text-5'],
    'mawk': ['mawk', COUNT, '@/text-5'],
    'mawk-csv': ['mawk', '-F,', COLUMN, '@/table.csv'],
    'bash': ['bash', '-c', BASH, 'bash', '@/text-0.3'],
    'jq': ['jq', '-c', '[.line, (.words | length), (.text | ascii_upcase)]', '@/rows.json'],
    'sqlite3': ['sqlite3', ':memory:', '.read @/load.sql'],
    'python3': ['python3.11', '-S', '-c', PYTHON, '@/text-1', '@/rows.json'],
    'python3-zlib': ['python3.11', '-S', '-c', PACK, '@/text-5'],
    'perl': ['perl', '-e', PERL, '@/text-1'],
    'cc1': ['../lib/gcc/{triplet}/12/cc1', '-quiet', '-O2', '@/made.c', '-o', '-'],
    'gzip': ['gzip', '-c', '-n', '@/text-16'],
    'gunzip': ['gzip', '-dc', '@/code.gz'],
    'xz': ['xz', '-c', '-T1', '-3', '@/text-2'],
    'unxz': ['xz', '-dc', '-T1', '@/code.xz'],
    'tar': ['tar', '-cf', '-', '--sort=name', '-C', '@/tree', '.'],
    # without -x, which measures the file system, and starts tar
    'dpkg-deb': ['dpkg-deb', '--fsys-tarfile', '@/package.deb'],
    'sha256sum': ['sha256sum', '@/text-160'],
    'openssl': ['openssl', 'dgst', '-sha3-256', '@/text-160'],
    'git-log': ['git', '--no-pager', '-C', '@/repository', 'log', '-p', '--stat'],
    'git-grep': ['git', '--no-pager', '-c', 'grep.threads=1', '-C', '@/repository', 'grep', '-n',
                 '-e', 'migrat[a-z]* of', '-e', 'the .* device', *(f'HEAD~{i}' for i in range(0, 40, 4))],
    'sh-200': ['dash', '@/many.sh'],
}
SHORT = ('true', 'sh-200')      # processes
DEMO = 'words'
NAMES = [*PROGRAMS, DEMO]


class Job:
    """A program of a guest's, ready to be run."""

    def __init__(self, guest, name, root, argv):
        self.guest, self.name, self.root, self.argv = guest, name, root, argv
        self.dir = OUT / 'work' / f'{guest}-{name}'
        self.env = {**ENV, 'GIT_CONFIG_NOSYSTEM': '1', 'GIT_CONFIG_GLOBAL': '/dev/null'}

    def command(self, way, options=(), library=None, inputs='full'):
        """The whole command, and its environment."""
        qemu = common.qemu(self.guest, self.root, way, options, library)
        return ([*qemu, *(str(a).replace('@/', f'{DATA / inputs}/') for a in self.argv)],
                # for what it starts: nothing here tells the kernel how to run a guest's program
                {**self.env, 'RUN': f'{" ".join(qemu)} {self.root}/usr/bin'})

    def clear(self):
        """An empty working directory."""
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)

    def execute(self, way, options=(), under=(), variables=(), library=None):
        """Run it, maybe under another command: seconds of CPU and wall, peak memory in MB, digest of its output."""
        self.clear()
        command, env = self.command(way, options, library)
        usage = self.dir / 'usage'
        with open(self.dir / 'stdout', 'wb') as out, open(self.dir / 'stderr', 'wb') as err:
            subprocess.run(['/usr/bin/python3', '-SEc', LAUNCH, usage, *under, *command], stdout=out, stderr=err,
                           stdin=subprocess.DEVNULL, env={**env, **dict(variables)}, cwd=self.dir, check=True)
        code, cpu, wall, memory = usage.read_text().split()
        if code != '0':
            why = (self.dir / 'stderr').read_text(errors='replace').strip().splitlines()
            raise RuntimeError(f'exit {code}: {why[-1] if why else "no message"}')
        return float(cpu), float(wall), int(memory) / 1024, self.digest()

    def digest(self):
        """A hash of standard output."""
        with open(self.dir / 'stdout', 'rb') as f:
            return hashlib.file_digest(f, 'sha256').hexdigest()


def make_data():
    """The inputs, the same on all guests and in all runs."""
    made, this = DATA / 'made', Path(__file__).read_text(encoding='utf-8')
    if made.exists() and made.read_text(encoding='utf-8') == this:
        return
    shutil.rmtree(DATA, ignore_errors=True)
    for name, scale in (('full', 1), ('small', SMALL)):
        (DATA / name).mkdir(parents=True)
        make_inputs(DATA / name, scale)
    made.write_text(this, encoding='utf-8')


def make_inputs(where, scale):
    """All files that the programs read, or so much smaller ones."""
    def some(count):
        return max(int(count * scale), 1)
    whole = guests.documentation(where).read_bytes()
    whole *= 1 + int(max(SIZES) * 1e6) // len(whole)
    for size in SIZES:
        (where / f'text-{size}').write_bytes(whole[:some(size * 1e6)])
    lines = [s for s in whole[:1500000].decode(errors='replace').splitlines() if s]
    quoted = [s.replace('\\', '').replace('"', '').replace('\t', ' ') for s in lines]
    (where / 'rows.json').write_text(''.join(
        f'{{"line": {i}, "words": [{", ".join(chr(34) + w + chr(34) for w in s.split())}], "text": "{s}"}}\n'
        for i, s in enumerate(quoted[:some(1000)])))
    (where / 'load.sql').write_text(
        'CREATE TABLE t (n INTEGER, s TEXT);\nBEGIN;\n' +
        ''.join('INSERT INTO t VALUES (%d, \'%s\');\n' % (i, s.replace("'", "''"))
                for i, s in enumerate(lines[:some(12000)])) +
        'COMMIT;\nCREATE INDEX i ON t (s);\n' +
        ''.join(f"SELECT count(*), max(s) FROM t WHERE s LIKE '%{w}%';\n" for w in ('the', 'device', 'migration')) +
        'SELECT s, count(*) FROM t GROUP BY s ORDER BY 2 DESC, 1 LIMIT 100;\n')
    (where / 'words').write_bytes(b'\n'.join(sorted(whole[:some(50e6)].split())) + b'\n')
    (where / 'table.csv').write_text(''.join(
        f'{i},{lines[i % 997][:20].replace(",", " ")},group {i * i % 211},{i * 7919 % 10007},{i % 1000}.{i % 89:02}\n'
        for i in range(some(300000))))
    (where / 'made.c').write_text(''.join(C.format(i, i % 5 + 2, i + 1) for i in range(some(95))))
    (where / 'many.sh').write_text(
        f'i=0; while [ $i -lt {some(200)} ]; do $RUN/true x; i=$((i + 1)); done; $RUN/echo $i\n')
    # not the texts, which repeat themselves
    code = b''.join(p.read_bytes() for p in sorted((BUILD / 'base/hw').rglob('*.c')))
    for tool, end, size in (('gzip -nc', 'gz', 60e6), ('xz -c -T1 -3', 'xz', 23e6)):
        with open(where / f'code.{end}', 'wb') as f:
            subprocess.run(tool.split(), input=(code * 3)[:some(size)], stdout=f, check=True)
    docs = BUILD / 'base/docs' / ('' if scale == 1 else 'about')
    for copy in range(some(90)):
        shutil.copytree(docs, where / f'tree/copy-{copy}')
    (where / 'deb/DEBIAN').mkdir(parents=True)
    (where / 'deb/DEBIAN/control').write_text(
        'Package: bench\nVersion: 1\nArchitecture: all\nMaintainer: none <none@localhost>\nDescription: none\n')
    for copy in range(some(24)):
        shutil.copytree(docs, where / f'deb/usr/{copy}')
    subprocess.run(['dpkg-deb', '-Zgzip', '--root-owner-group', '-b', where / 'deb', where / 'package.deb'],
                   stdout=subprocess.DEVNULL, check=True)
    make_repository(where / 'repository', docs)


def make_repository(where, files):
    """Forty commits, of the same names and dates each time."""
    env = {**ENV, 'GIT_CONFIG_NOSYSTEM': '1', 'GIT_CONFIG_GLOBAL': '/dev/null'}
    for who in ('AUTHOR', 'COMMITTER'):
        env |= {f'GIT_{who}_NAME': 'bench', f'GIT_{who}_EMAIL': 'bench@localhost',
                f'GIT_{who}_DATE': '1000000000 +0000'}
    shutil.copytree(files, where)
    subprocess.run(['git', 'init', '-q', '-b', 'bench', where], env=env, check=True)
    some = sorted(p for p in where.rglob('*.rst'))[:120]
    for i in range(40):
        for path in some[i::40] if i else []:
            lines = path.read_text(errors='replace').splitlines()
            path.write_text('\n'.join(lines[::-1] if i % 2 else sorted(lines)) + '\n')
        for step in (['add', '-A'], ['commit', '-q', '--allow-empty', '-m', f'commit {i}']):
            subprocess.run(['git', '-C', where, *step], env=env, check=True)
    subprocess.run(['git', '-C', where, 'gc', '-q'], env=env, check=True)


def demo(guest):
    """The cross-compiled program of make demo, for guests that Debian 12 has no programs for."""
    binary = OUT / f'words-{guest}'
    subprocess.run([guests.compiler(guest), '-O2', '-o', binary, ROOT / 'dev/demo/words.c'], check=True)
    return Job(guest, DEMO, guests.sysroot(guest), [binary, '@/text-5'])


def prepare(guest_names, names):
    """The jobs, of each guest by name; and a line for each that had to be left out."""
    jobs, left_out = {}, []
    make_data()
    for guest in guest_names:
        here = jobs.setdefault(guest, {})
        arch = ARCHITECTURES.get(guest)
        if not arch:
            if DEMO in names and guests.compiler(guest):
                here[DEMO] = demo(guest)
            elif DEMO in names:
                left_out.append(f'{DEMO} of {guest}: no {guests.TRIPLETS[guest]}-gcc')
            continue
        wanted = [n for n in names if n in PROGRAMS]
        root = OUT / f'root-{arch}'
        if not wanted:
            continue
        fetched = subprocess.run([ROOT / 'dev/debian', arch, SUITE, root, *PACKAGES], check=False,
                                 stderr=subprocess.PIPE, text=True)
        for name in wanted:
            argv = PROGRAMS[name]
            program = root / 'usr/bin' / argv[0].format(triplet=guests.TRIPLETS[guest])
            if program.exists():
                here[name] = Job(guest, name, root, [program, *argv[1:]])
            else:
                why = fetched.stderr.strip().splitlines()
                left_out.append(f'{name} of {guest}: {why[-1] if why else f"no {argv[0]} in the packages"}')
    return jobs, left_out


def ratios(cpu):
    """What is compared, of the seconds of CPU time each way takes."""
    return {'counts': int(cpu['pristine'] >= COUNTS), **{name: f'{cpu[a] / cpu[b]:.3f}' for name, a, b in (
        ('control_flow', 'pristine', 'translated'), ('native', 'translated', 'bypass'),
        ('both', 'pristine', 'bypass'))}}


def measure(job, quick):
    """The values of a program."""
    samples, digests = {w: [] for w in WAYS}, set()
    least, most, limit = (2, 3, 0.05) if quick else (3, 6, 0.03)
    if job.name == 'true':
        least, most, limit = 40, 80, 0.01
    cpu, rounds, steady = {}, 0, False
    while rounds < least or (rounds < most and not steady):
        # there and back, so that none always follows the same one
        for way in WAYS[::-1 if rounds % 2 else 1]:
            *values, digest = job.execute(way)
            samples[way].append(values)
            digests.add(digest)
        if len(digests) > 1:
            raise RuntimeError(f'the outputs differ, see {job.dir.relative_to(ROOT)}')
        cpu = {w: [v[0] for v in samples[w]] for w in WAYS}
        rounds, steady = rounds + 1, stats.steady(list(cpu.values()), limit)
    row = {'spread': f'{max(map(stats.spread, cpu.values())):.3f}', 'rounds': rounds, 'stable': int(steady),
           **ratios({w: min(c) for w, c in cpu.items()})}
    for way in WAYS:
        row |= {f'{way}_cpu_s': f'{min(cpu[way]):.4f}', f'{way}_cpu_median_s': f'{stats.median(cpu[way]):.4f}',
                f'{way}_wall_s': f'{min(v[1] for v in samples[way]):.4f}',
                f'{way}_mb': f'{max(v[2] for v in samples[way]):.1f}'}
    return row


def run(jobs, table, progress, quick):
    """Measure all that the table does not have; returns what failed."""
    todo = [j for here in jobs.values() for j in here.values()]
    missing = [j for j in todo if not table.has(j.guest, j.name)]
    failed = []
    progress.skip('programs', 1 - len(missing) / max(len(todo), 1))
    for i, job in enumerate(missing):
        try:
            table.add(guest=job.guest, program=job.name, **measure(job, quick))
        except (RuntimeError, OSError) as e:
            failed.append(f'{job.name} of {job.guest}: {e}')
            print(f'make: bench: {failed[-1]}', file=sys.stderr, flush=True)
        progress.step('programs', 1 - (len(missing) - i - 1) / len(todo), f'{job.guest} {job.name}')
    return failed
