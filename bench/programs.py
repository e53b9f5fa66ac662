# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: whole Debian programs, under the unpatched QEMU, under ours, with the library and with auto."""
import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

import common
import guests
import where
from common import BUILD, ENV, OUT, ROOT

WAYS = (*common.WAYS, 'auto')
TABLES = {'programs': (('guest', 'program'), (*common.fields((*WAYS, common.PEER), 'cpu_s'), 'counts', 'library_calls', 'auto_calls',
                                              'inside_libc', 'host_cpu_s'))}
HOST = guests.DEBIAN.get(platform.machine())
PACKAGES = ('coreutils grep sed mawk jq sqlite3 python3-minimal libpython3-stdlib perl gzip xz-utils tar '
            'openssl dash bash cpp-12 libc-bin gcc-12 make dpkg apt git').split()
DATA = OUT / 'data'
SIZES = (0.3, 1, 2, 5, 16, 20, 60, 160)    # of the texts, in MB
SMALL = 0.003                   # scale of the inputs for counting instructions
COUNTS = 0.5                    # seconds: the means leave out shorter programs
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

# The arguments of each program; @ is the directory of the inputs.  The sizes are such that a run
# takes one to two and a half seconds under the pristine QEMU on aarch64.
PROGRAMS = {
    'true': ['true'],
    'sort': ['sort', '@/text-20'],
    'sort-utf8': ['sort', '@/text-20'],
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
    'sha256sum': ['sha256sum', '@/text-160'],
    'openssl': ['openssl', 'dgst', '-sha3-256', '@/text-160'],
    'sh-200': ['dash', '@/many.sh'],
}
SHORT = ('true', 'sh-200')      # short processes
DEMO = 'words'                  # for guests that Debian 12 has no programs for
OWN = {DEMO: (ROOT / 'dev/demo/words.c', '@/text-5'), 'lines': (ROOT / 'bench/lines.c', '@/text-20')}
NAMES = [*PROGRAMS, *OWN]
INSIDE = ('sort-utf8', 'lines')  # these show the gain of auto, and are not in the means


class Job:
    """A guest's program, ready to run."""

    def __init__(self, guest, name, root, argv):
        self.guest, self.name, self.root, self.argv = guest, name, root, argv
        self.dir = OUT / 'work' / f'{guest}-{name}'

    def __str__(self):
        return f'{self.guest} {self.name}'

    def command(self, way, options=(), inputs='full'):
        """The whole command, and its environment."""
        qemu = common.qemu(self.guest, self.root, way, options) if way != 'host' else loader(self.root)
        return ([*qemu, *(str(a).replace('@/', f'{DATA / inputs}/') for a in self.argv)],
                # for starting other programs, as the kernel may be unable to run the guest's programs
                {**ENV, 'RUN': f'{" ".join(qemu)} {self.root}/usr/bin',
                 'LC_ALL': 'C.UTF-8' if self.name == 'sort-utf8' else 'C'})

    def clear(self):
        """Make an empty working directory."""
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)

    def execute(self, way, options=(), under=()):
        """Run it, maybe under another command; return the usage of all its processes, and its output's digest."""
        self.clear()
        command, env = self.command(way, options)
        with open(self.dir / 'stdout', 'wb') as out, open(self.dir / 'stderr', 'wb') as err:
            # pylint: disable=consider-using-with
            process = subprocess.Popen([*under, *command], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                       env=env, cwd=self.dir)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            why = (self.dir / 'stderr').read_text(errors='replace').strip().splitlines()
            raise RuntimeError(f'exit {process.returncode}: {why[-1] if why else "no message"}')
        return usage, self.digest()

    def digest(self):
        """A hash of standard output."""
        with open(self.dir / 'stdout', 'rb') as f:
            return hashlib.file_digest(f, 'sha256').hexdigest()


def loader(root):
    """The command that runs the host's own programs with the libraries below root."""
    return [str(next(root.glob('lib*/ld-linux*'))), '--library-path', f'{next(root.glob("lib/*/libc.so.6")).parent}']


def on_host(job):
    """The same program for the host's architecture, or None."""
    root, machine = OUT / f'root-{HOST}', platform.machine()
    if HOST is None or job.root not in job.argv[0].parents:
        return None
    program = root / str(job.argv[0].relative_to(job.root)).replace(guests.TRIPLETS[job.guest], guests.TRIPLETS[machine])
    return Job(machine, f'{job.name}-of-{job.guest}', root, [program, *job.argv[1:]]) if program.exists() else None


def make_data():
    """Make the inputs, which are the same for all guests and all runs."""
    made, this = DATA / 'made', Path(__file__).read_text(encoding='utf-8')
    if made.exists() and made.read_text(encoding='utf-8') == this:
        return
    shutil.rmtree(DATA, ignore_errors=True)
    for name, scale in (('full', 1), ('small', SMALL)):
        (DATA / name).mkdir(parents=True)
        make_inputs(DATA / name, scale)
    made.write_text(this, encoding='utf-8')


def make_inputs(where, scale):
    """Make all files that the programs read, scaled."""
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
    # use code for compression, since the texts repeat themselves
    code = b''.join(p.read_bytes() for p in sorted((BUILD / 'base/hw').rglob('*.c')))
    for tool, end, size in (('gzip -nc', 'gz', 60e6), ('xz -c -T1 -3', 'xz', 23e6)):
        with open(where / f'code.{end}', 'wb') as f:
            subprocess.run(tool.split(), input=(code * 3)[:some(size)], stdout=f, check=True)
    docs = BUILD / 'base/docs' / ('' if scale == 1 else 'about')
    for copy in range(some(90)):
        shutil.copytree(docs, where / f'tree/copy-{copy}')


def own(guest, name):
    """Cross-compile a program."""
    source, text = OWN[name]
    binary = OUT / f'{name}-{guest}'
    subprocess.run([guests.compiler(guest), '-O2', '-o', binary, source], check=True)
    return Job(guest, name, guests.sysroot(guest), [binary, text])


def prepare(guest_names, names):
    """The jobs, and a line for each job that has to be left out."""
    jobs, left_out = [], []
    make_data()
    fetched = {}
    for guest in guest_names:
        arch = guests.DEBIAN.get(guest)
        for name in (n for n in OWN if n in names and not (arch and n == DEMO)):
            if guests.compiler(guest):
                jobs.append(own(guest, name))
            else:
                left_out.append(f'{name} of {guest}: no {guests.TRIPLETS[guest]}-gcc')
        wanted = {n: PROGRAMS[n] for n in names if arch and n in PROGRAMS}
        if not wanted:
            continue
        for a, of in (arch, guest), *([(HOST, platform.machine())] if HOST else []):
            if a not in fetched:
                fetched[a] = subprocess.run([ROOT / 'dev/debian', a, guests.suite(of), OUT / f'root-{a}', *PACKAGES],
                                            check=False, stderr=subprocess.PIPE, text=True).stderr.strip()
        of_debian(guest, wanted, jobs, left_out, fetched[arch])
    return jobs, left_out


def of_debian(guest, wanted, jobs, left_out, why=''):
    """Add jobs for programs in the guest's root, and lines for missing ones; wanted maps names to arguments."""
    root = OUT / f'root-{guests.DEBIAN[guest]}'
    for name, (program, *rest) in wanted.items():
        program = root / 'usr/bin' / program.format(triplet=guests.TRIPLETS[guest])
        if program.exists():
            jobs.append(Job(guest, name, root, [program, *rest]))
        else:
            left_out.append(f'{name} of {guest}: {why.splitlines()[-1] if why else f"no {program.name} in the packages"}')


def row_of(name, samples, steady, library, auto, host=()):
    """The values of a program, from each way's seconds of CPU time and its calls with the library and auto."""
    return {**common.row_of(samples, 'cpu_s', steady),
            'counts': int(name not in INSIDE and min(samples['pristine']) >= COUNTS),
            'library_calls': library, 'auto_calls': auto, 'inside_libc': f'{1 - library / auto:.3f}' if auto else '',
            'host_cpu_s': f'{min(host):.4f}' if host else ''}


def measure(job, quick):
    """The values of a program."""
    ways = common.with_peer(job.guest, WAYS)
    samples, digests = {w: [] for w in ways}, set()
    least, most, limit = (2, 3, 0.05) if quick else (3, 4, 0.03)
    if job.name == 'true':
        least, most, limit = 40, 80, 0.01
    rounds, steady = 0, False
    while rounds < least or (rounds < most and not steady):
        # alternate the order, so that no way always follows the same one
        for way in ways[::-1 if rounds % 2 else 1]:
            usage, digest = job.execute(way)
            samples[way].append(common.cpu(usage))
            digests.add(digest)
        if len(digests) > 1:
            raise RuntimeError(f'the outputs differ, see {job.dir.relative_to(ROOT)}')
        rounds, steady = rounds + 1, common.steady([samples[w] for w in WAYS], limit)
    library, auto = (where.calls(job, w)[where.ALL] for w in ('bypass', 'auto'))
    if not auto and job.name != 'true':
        raise RuntimeError('no native call with auto')
    own_job = on_host(job)
    return row_of(job.name, samples, steady, library, auto,
                  [common.cpu(own_job.execute('host')[0]) for _ in range(least)] if own_job else ())


def run(jobs, quick, table, progress):
    """Measure all that the table does not have; return the failures."""
    return progress.each('programs', jobs, lambda j: table.has(j.guest, j.name),
                         lambda j: table.add(guest=j.guest, program=j.name, **measure(j, quick)))
