# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: whole programs of Debian's, translated and with the bypass."""
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import guests
import stats
from common import BUILD, ENV, OUT, ROOT

TABLES = {'programs': (('guest', 'program'), (
    'translated_s', 'bypass_s', 'translated_median_s', 'bypass_median_s', 'spread', 'rounds', 'stable', 'gain',
    'translated_mb', 'bypass_mb'))}
ARCHITECTURES = {'aarch64': 'arm64', 'arm': 'armhf', 'i386': 'i386', 'mipsel': 'mipsel',
                 'mips64el': 'mips64el', 'x86_64': 'amd64'}
SUITE = 'bookworm'              # Debian 12, the last one with mipsel and mips64el
PACKAGES = ('coreutils grep sed mawk jq sqlite3 python3-minimal libpython3-stdlib perl gzip xz-utils tar '
            'dpkg openssl git dash').split()
DATA = OUT / 'data'
SIZES = (1, 2, 5, 16, 20, 60)         # of texts, in MB
COUNT = '{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print n[w], w }'
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
SHELL = 'i=0; while [ $i -lt 200 ]; do $RUN/true x; i=$((i + 1)); done; $RUN/echo $i'


# A process's peak memory is at least what its parent had: a small one starts the programs.
LAUNCH = '''
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], 'w') as f:
    print(os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss, file=f)
'''


def text(megabytes):
    """The beginning of the documentation, as a file."""
    return DATA / f'text-{megabytes}'


# Of each: its arguments, and what of the working directory is compared besides its output.
# The sizes are such that a run takes about a second translated.
PROGRAMS = {
    'true': (['true'], []),
    'sort': (['sort', text(20)], []),
    'grep': (['grep', '-n', '-e', 'migrat[a-z]*', '-e', 'the .* of', text(60)], []),
    'sed': (['sed', '-e', 's/QEMU/qemu/g', '-e', '/^$/d', '-e', 's/\\([a-z]*\\) the/the \\1/', text(5)], []),
    'mawk': (['mawk', COUNT, text(5)], []),
    'jq': (['jq', '-c', '[.line, (.words | length), (.text | ascii_upcase)]', DATA / 'rows.json'], []),
    'sqlite3': (['sqlite3', ':memory:', f'.read {DATA}/load.sql'], []),
    'python3': (['python3.11', '-S', '-c', PYTHON, text(1), DATA / 'rows.json'], []),
    'perl': (['perl', '-e', PERL, text(1)], []),
    'gzip': (['gzip', '-c', '-n', text(16)], []),
    'gunzip': (['gzip', '-dc', DATA / 'text.gz'], []),
    'xz': (['xz', '-c', '-T1', '-3', text(2)], []),
    'unxz': (['xz', '-dc', '-T1', DATA / 'text.xz'], []),
    'tar': (['tar', '-cf', 'out.tar', '--sort=name', '-C', DATA / 'tree', '.'], ['out.tar']),
    'dpkg-deb': (['dpkg-deb', '-x', DATA / 'package.deb', 'out'], ['out']),
    'sha256sum': (['sha256sum', DATA / 'blob'], []),
    'openssl': (['openssl', 'dgst', '-sha3-256', DATA / 'blob'], []),
    'git-log': (['git', '--no-pager', '-C', DATA / 'repository', 'log', '-p', '--stat'], []),
    'git-grep': (['git', '--no-pager', '-C', DATA / 'repository', 'grep', '-n', '-e', 'migrat[a-z]* of',
                  '-e', 'the .* device', *(f'HEAD~{i}' for i in range(0, 39, 5))], []),
    'sh-200': (['dash', '-c', SHELL], []),
}
DEMO = 'words'
NAMES = [*PROGRAMS, DEMO]


class Job:
    """A program of a guest's, ready to be run."""

    def __init__(self, guest, name, root, argv, outputs):
        self.guest, self.name, self.root, self.argv, self.outputs = guest, name, root, argv, outputs
        self.dir = OUT / 'work' / f'{guest}-{name}'
        self.env = {**ENV, 'GIT_CONFIG_NOSYSTEM': '1', 'GIT_CONFIG_GLOBAL': '/dev/null',
                    'PATH': f'{self.dir}/bin:/usr/bin:/bin'}

    def command(self, bypass, options=()):
        """The whole command."""
        return guests.qemu(self.guest, self.root, bypass, options) + [str(a) for a in self.argv]

    def execute(self, bypass, options=(), under=(), variables=()):
        """Run it, maybe under another command: seconds, peak memory in MB, digest of what it made."""
        shutil.rmtree(self.dir, ignore_errors=True)
        (self.dir / 'bin').mkdir(parents=True)
        prefix = guests.qemu(self.guest, self.root, bypass, options)
        # dpkg-deb starts tar, and nothing here tells the kernel how to run a guest's
        tar = self.dir / 'bin/tar'
        tar.write_text(f'#!/bin/sh\nexec {" ".join(prefix)} {self.root}/usr/bin/tar "$@"\n')
        tar.chmod(0o755)
        env = {**self.env, **dict(variables), 'RUN': f'{" ".join(prefix)} {self.root}/usr/bin'}
        usage = self.dir / 'usage'
        if self.outputs:
            # or the run before is written to disk during this one
            os.sync()
        with open(self.dir / 'stdout', 'wb') as out, open(self.dir / 'stderr', 'wb') as err:
            subprocess.run(['/usr/bin/python3', '-SEc', LAUNCH, usage, *under,
                            *self.command(bypass, options)],
                           stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env, cwd=self.dir, check=True)
        code, seconds, memory = usage.read_text().split()
        if code != '0':
            why = (self.dir / 'stderr').read_text(errors='replace').strip().splitlines()
            raise RuntimeError(f'exit {code}: {why[-1] if why else "no message"}')
        return float(seconds), int(memory) / 1024, self.digest()

    def digest(self):
        """A hash of standard output and the outputs."""
        total = hashlib.sha256()
        for name in ['stdout', *self.outputs]:
            top = self.dir / name
            for path in sorted(top.rglob('*')) if top.is_dir() else [top]:
                total.update(str(path.relative_to(self.dir)).encode())
                if path.is_file() and not path.is_symlink():
                    total.update(path.read_bytes())
        return total.hexdigest()


def make_data():
    """The inputs, the same on all guests and in all runs."""
    if (DATA / 'made').exists():
        return
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    whole = guests.documentation(DATA).read_bytes()
    whole *= 1 + int(max(SIZES) * 1e6) // len(whole)
    for size in SIZES:
        text(size).write_bytes(whole[:int(size * 1e6)])
    lines = [s for s in whole[:1500000].decode(errors='replace').splitlines() if s]
    quoted = [s.replace('\\', '').replace('"', '').replace('\t', ' ') for s in lines]
    (DATA / 'rows.json').write_text(''.join(
        f'{{"line": {i}, "words": [{", ".join(chr(34) + w + chr(34) for w in s.split())}], "text": "{s}"}}\n'
        for i, s in enumerate(quoted[:1000])))
    (DATA / 'load.sql').write_text(
        'CREATE TABLE t (n INTEGER, s TEXT);\nBEGIN;\n' +
        ''.join('INSERT INTO t VALUES (%d, \'%s\');\n' % (i, s.replace("'", "''")) for i, s in enumerate(lines[:12000])) +
        'COMMIT;\nCREATE INDEX i ON t (s);\n' +
        ''.join(f"SELECT count(*), max(s) FROM t WHERE s LIKE '%{w}%';\n" for w in ('the', 'device', 'migration')) +
        'SELECT s, count(*) FROM t GROUP BY s ORDER BY 2 DESC, 1 LIMIT 100;\n')
    for tool, end, size in (('gzip -nc', 'gz', 60), ('xz -c -T1 -3', 'xz', 60)):
        with open(DATA / f'text.{end}', 'wb') as f:
            subprocess.run([*tool.split(), text(size)], stdout=f, check=True)
    (DATA / 'blob').write_bytes(whole[:10000000] * 8)
    tree = DATA / 'tree'
    shutil.copytree(BUILD / 'base/docs', tree / 'a')
    for copy in range(30):
        shutil.copytree(tree / 'a', tree / f'copy-{copy}')
    (DATA / 'deb/DEBIAN').mkdir(parents=True)
    (DATA / 'deb/DEBIAN/control').write_text(
        'Package: bench\nVersion: 1\nArchitecture: all\nMaintainer: none <none@localhost>\nDescription: none\n')
    for copy in 'abcdefgh':
        shutil.copytree(tree / 'a', DATA / 'deb/usr' / copy)
    subprocess.run(['dpkg-deb', '--root-owner-group', '-b', DATA / 'deb', DATA / 'package.deb'],
                   stdout=subprocess.DEVNULL, check=True)
    make_repository(DATA / 'repository', tree / 'a')
    (DATA / 'made').touch()


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
        for step in (['add', '-A'], ['commit', '-q', '-m', f'commit {i}'], ['gc', '-q']) if i == 39 else \
                (['add', '-A'], ['commit', '-q', '-m', f'commit {i}']):
            subprocess.run(['git', '-C', where, *step], env=env, check=True)


def demo(guest):
    """The cross-compiled program of make demo, for guests that Debian 12 has no programs for."""
    binary = OUT / f'words-{guest}'
    subprocess.run([guests.compiler(guest), '-O2', '-o', binary, ROOT / 'dev/demo/words.c'], check=True)
    return Job(guest, DEMO, guests.sysroot(guest), [binary, text(5)], [])


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
            argv, outputs = PROGRAMS[name]
            program = root / 'usr/bin' / argv[0]
            if program.exists():
                here[name] = Job(guest, name, root, [program, *argv[1:]], outputs)
            else:
                why = fetched.stderr.strip().splitlines()
                left_out.append(f'{name} of {guest}: {why[-1] if why else f"no {argv[0]} in the packages"}')
    return jobs, left_out


def measure(job, quick):
    """The values of a program."""
    seconds, memory, digests = ([], []), ([], []), set()
    limit = (2, 3) if quick else (3, 6)
    if job.name == 'true':
        limit = (10, 30)
    while len(seconds[1]) < limit[0] or (len(seconds[1]) < limit[1] and not stats.stable(*seconds)):
        for bypass in (0, 1):
            took, peak, digest = job.execute(bypass)
            seconds[bypass].append(took)
            memory[bypass].append(peak)
            digests.add(digest)
        if len(digests) > 1:
            raise RuntimeError(f'the outputs differ, see {job.dir.relative_to(ROOT)}')
    best, medians = [min(s) for s in seconds], [stats.median(s) for s in seconds]
    return {'translated_s': f'{best[0]:.4f}', 'bypass_s': f'{best[1]:.4f}',
            'translated_median_s': f'{medians[0]:.4f}', 'bypass_median_s': f'{medians[1]:.4f}',
            'spread': f'{max(map(stats.spread, seconds)):.3f}', 'rounds': len(seconds[0]),
            'stable': int(stats.stable(*seconds)), 'gain': f'{best[0] / best[1]:.3f}',
            'translated_mb': f'{max(memory[0]):.1f}', 'bypass_mb': f'{max(memory[1]):.1f}'}


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
