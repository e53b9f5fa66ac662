# SPDX-License-Identifier: GPL-2.0-or-later
"""Code that dev/assemble and dev/refresh share.

The commits of build/tree are built in a separate index and depend only on
base, patches/ and the new files: the same input gives the same hashes, and
checking the last one out rewrites only the files that differ.

The patches and the new files are written for QEMU 10.2.  For an older one, 10.0,
and for a later one, 11, patches/10.0/ and patches/11/ have the differences: maybe a
patch that comes before the series, and patches with the same names as the series'.
The changes of such a patch to a file replace those of the series' patch; if the file
has another name there, "diff --git" has the series' name and the other one.  If no
hunk follows, it has only moved, and the series' hunks are for the other name; or it
needs no change there, if the name is the same.  All other hunks have to apply with
one line of context.
"""
import email.parser
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QEMU = os.environ.get('QEMU') or '10.0'
BUILD = ROOT / 'build' if QEMU == '10.0' else ROOT / 'build' / QEMU
BASE = BUILD / 'base'
TREE = BUILD / 'tree'
PATCHES = ROOT / 'patches'

# Everything else in the repository is a new file of QEMU, at its path in QEMU.
OURS = {'dev', 'patches', 'build', 'bench', 'packaging', 'Makefile', 'README.md', 'COPYING',
        '.ci', '.git', '.gitignore'}
JUNK = ('~', '.swp', '.pyc', '.orig', '.rej')


class Fail(Exception):
    """Fail with one line for the user: what failed, why, what to do."""


def say(text):
    print(f'== {Path(sys.argv[0]).name}: {text}', flush=True)


def main(function):
    # The user's git settings (signing, hooks, line ends) must not change commits.
    os.environ.update(GIT_CONFIG_GLOBAL='/dev/null', GIT_CONFIG_NOSYSTEM='1', LC_ALL='C')
    try:
        function()
    except Fail as e:
        sys.exit(f'make: {Path(sys.argv[0]).name}: {e}')


def git(where, *args, env=None, stdin=None, ok=(0,), strip=True):
    """Return the standard output of a git command run in a directory."""
    p = subprocess.run(['git', '-C', str(where), *args], input=stdin, capture_output=True,
                       check=False, encoding='utf-8', errors='surrogateescape',
                       env={**os.environ, **(env or {})})
    if p.returncode not in ok:
        raise Fail(p.stderr.strip() or f'git {args[0]} failed')
    return p.stdout.strip() if strip else p.stdout


def new_files():
    """The repository's files that are files of QEMU, sorted."""
    found = []
    for top, dirs, files in os.walk(ROOT):
        here = Path(top).relative_to(ROOT)
        if here == Path('.'):
            dirs[:] = [d for d in dirs if d not in OURS]
            files = [f for f in files if f not in OURS]
        dirs[:] = [d for d in dirs if d != '__pycache__']
        found += [str(here / f) for f in files if not f.endswith(JUNK)]
    return sorted(found)


def backport():
    """The directory of differences for the QEMU of build/base, or None."""
    version = [int(n) for n in re.findall(r'\d+', (BASE / 'VERSION').read_text())]
    # 10.2.50 and later are developers' versions of 11.0
    path = PATCHES / ('11' if version >= [10, 2, 50] else '.'.join(map(str, version[:2])))
    return path if path.is_dir() else None


def read_series():
    """The patches in order; fail if another file is in patches/."""
    lines = [s.split('#')[0].strip() for s in (PATCHES / 'series').read_text().splitlines()] \
        if (PATCHES / 'series').exists() else []
    names = [s for s in lines if s]
    for name in names:
        if not (PATCHES / name).is_file():
            raise Fail(f'patches/series names {name}, which does not exist')
        if names.count(name) > 1:
            raise Fail(f'patches/series names {name} twice')
    for path in sorted(PATCHES.glob('*.patch')):
        if path.name not in names:
            raise Fail(f'patches/{path.name} is not in patches/series; add or remove it')
    patches = [PATCHES / name for name in names]
    old = backport()
    if old:
        for path in sorted(old.glob('*.patch')):
            if path.name.startswith('0000-'):
                patches.insert(0, path)
            elif path.name not in names:
                raise Fail(f'{path.relative_to(ROOT)}: the series has no patch of that name; '
                           'rename it or take it out')
    return patches


def sections(diff):
    """Split a diff by files, without the lines that name them."""
    parts = re.split(r'^diff --git a/(\S+) b/(\S+)\n', diff, flags=re.M)[1:]
    return {old: (new, part) for old, new, part in zip(parts[::3], parts[1::3], parts[2::3])}


def backported(patch, diff):
    """Put the differences for another QEMU into a patch's diff."""
    old = backport()
    if not old or patch.parent == old or not (old / patch.name).exists():
        return
    read = {'encoding': 'utf-8', 'errors': 'surrogateescape'}
    files = sections(diff.read_text(**read))
    for name, part in sections((old / patch.name).read_text(**read)).items():
        if name not in files:
            raise Fail(f'{(old / patch.name).relative_to(ROOT)}: {name}: '
                       'the patch of the series does not touch it; take it out')
        if '\n@@ ' not in part[1]:
            if name == part[0]:
                del files[name]
                continue
            part = part[0], files[name][1].replace(f'--- a/{name}\n', f'--- a/{part[0]}\n').replace(
                f'+++ b/{name}\n', f'+++ b/{part[0]}\n')
        files[name] = part
    diff.write_text(''.join(f'diff --git a/{name} b/{name}\n{part}' for name, part in files.values()), **read)


def new_files_header(patch):
    with open(patch, encoding='utf-8', errors='surrogateescape') as f:
        header = email.parser.HeaderParser().parse(f)
    return (header['X-New-Files'] or '').split()


def mailinfo(patch, tmp):
    """A mail's author, commit message and diff."""
    p = subprocess.run(['git', 'mailinfo', '--encoding=UTF-8', str(tmp / 'msg'), str(tmp / 'diff')],
                       stdin=patch.open('rb'), capture_output=True,
                       encoding='utf-8', errors='surrogateescape', check=False)
    info = dict(line.split(': ', 1) for line in p.stdout.splitlines() if ': ' in line)
    for key in ('Author', 'Email', 'Date', 'Subject'):
        if not info.get(key):
            raise Fail(f'patches/{patch.name}: has no {key}; write it as git format-patch does')
    body = (tmp / 'msg').read_text(encoding='utf-8', errors='surrogateescape')
    message = git(tmp, 'stripspace', stdin=f'{info["Subject"]}\n\n{body}') + '\n'
    return info, message, tmp / 'diff'


def ref(name):
    return git(TREE, 'rev-parse', '-q', '--verify', name, ok=(0, 1))


def checkout(tip):
    """Move the work tree to tip; refs/moving tells an interrupted move."""
    again = ref('refs/moving') or not ref('refs/assembled')
    git(TREE, 'update-ref', 'refs/moving', tip)
    if again:
        (TREE / '.git/index.lock').unlink(missing_ok=True)
    git(TREE, 'checkout', '-q', *(['-f'] if again else []), '--detach', tip)
    git(TREE, 'update-ref', 'refs/assembled', tip)
    git(TREE, 'update-ref', '-d', 'refs/moving')


def owners(patches, base_files):
    """Which patch each new file belongs to; every file has exactly one."""
    owner = {}
    present = new_files()
    for patch in patches:
        for path in new_files_header(patch):
            if path in owner:
                raise Fail(f'{path}: is in X-New-Files of {owner[path].name} and '
                           f'of {patch.name}; leave it in one of them')
            if path not in present:
                raise Fail(f'{path}: X-New-Files of {patch.name} names it and it '
                           f'does not exist; add the file or take the name out')
            if path in base_files:
                raise Fail(f'{path}: X-New-Files of {patch.name} names it and this '
                           f'QEMU has a file of that name; use a hunk instead')
            owner[path] = patch
    for path in present:
        if path not in owner:
            raise Fail(f'{path}: belongs to no patch; name it in the X-New-Files '
                       f'header of one in patches/')
    return owner


def commit(patch, parent, files, index):
    """One commit on top of parent; returns its hash."""
    env = {'GIT_INDEX_FILE': str(index)}
    fuzz = ['-C1'] if backport() else []
    with tempfile.TemporaryDirectory() as tmp:
        info, message, diff = mailinfo(patch, Path(tmp))
        backported(patch, diff)
        if re.search(r'^(diff |--- |@@ )', diff.read_text(encoding='latin-1'), re.M):
            try:
                git(TREE, 'apply', '--cached', '--whitespace=nowarn', *fuzz, str(diff), env=env)
            except Fail as e:
                why = str(e).replace('error: ', '').replace('\n', ', ')
                raise Fail(f'{patch.relative_to(ROOT)} does not apply: {why}; adapt it '
                           f'to this QEMU, or leave QEMU_SRC out') from None
        added = git(TREE, 'diff-index', '--cached', '--diff-filter=A', '--name-only',
                    parent, env=env).split()
        if added and patch.parent == PATCHES:
            raise Fail(f'patches/{patch.name}: makes {added[0]} by a hunk; put the '
                       f'file at that path and name it in X-New-Files')
    lines = []
    for path in files:
        full = ROOT / path
        if full.is_symlink():
            blob = git(TREE, 'hash-object', '-w', '--stdin', stdin=os.readlink(full))
            mode = '120000'
        else:
            blob = git(TREE, 'hash-object', '-w', '--no-filters', str(full))
            mode = '100755' if os.access(full, os.X_OK) else '100644'
        lines.append(f'{mode} {blob}\t{path}\n')
    git(TREE, 'update-index', '--add', '--index-info', stdin=''.join(lines), env=env)
    tree = git(TREE, 'write-tree', env=env)
    if tree == git(TREE, 'rev-parse', parent + '^{tree}'):
        raise Fail(f'patches/{patch.name}: changes nothing; add hunks or new files')
    who = {'NAME': info['Author'], 'EMAIL': info['Email'], 'DATE': info['Date']}
    env = {f'GIT_{role}_{k}': v for role in ('AUTHOR', 'COMMITTER') for k, v in who.items()}
    return git(TREE, 'commit-tree', tree, '-p', parent, stdin=message, env=env)


def commits(base):
    """Commit the whole series on top of base; returns the last commit."""
    patches = read_series()
    base_files = set(git(TREE, 'ls-tree', '-r', '-z', '--name-only', base).split('\0'))
    owner = owners(patches, base_files)
    tip = base
    with tempfile.TemporaryDirectory() as tmp:
        index = Path(tmp) / 'index'
        git(TREE, 'read-tree', base, env={'GIT_INDEX_FILE': str(index)})
        for patch in patches:
            tip = commit(patch, tip, [f for f in owner if owner[f] == patch], index)
    return tip
