# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: the cost of short processes, and its shares for QEMU's start, translation, guest code and kernel."""
import re
import shutil
import subprocess

import common
import programs

WAYS = ('pristine', 'translated', 'auto')
TABLES = {'short': (('guest', 'program'),
                    (*(f'{w}_ms' for w in WAYS), *(f'{w}_page_faults' for w in WAYS), 'rounds', 'control_flow', 'auto_both',
                     'peer_ms', 'peer_over_auto',
                     'kernel', 'start', 'translation', 'guest_code'))}
# The programs that a build starts most: each run is as short as possible.
PROGRAMS = {
    'true': ['true'],
    'dash': ['dash', '-c', ':'],
    'bash': ['bash', '-c', ':'],
    'sed': ['sed', '--version'],
    'make': ['make', '--version'],
    'gcc': ['gcc-12', '--version'],
    'dpkg': ['dpkg', '--version'],
    'jq': ['jq', '-n', '1'],
    'git': ['git', '--version'],
    'apt-config': ['apt-config', 'dump'],
    'perl': ['perl', '-e', '1'],
    'python3': ['python3.11', '-S', '-c', 'pass'],
}


def prepare(guest_names):
    """Jobs for the guests that Debian has programs for, whose roots exist; and the programs that are left out."""
    jobs, left_out = [], []
    for guest in guest_names:
        if guest in common.guests.DEBIAN:
            programs.of_debian(guest, {f'short-{n}': c for n, c in PROGRAMS.items()}, jobs, left_out)
    return jobs, left_out


def parts(annotated):
    """Shares of the instructions outside of the kernel, from the output of callgrind_annotate --inclusive."""
    def cost(what):
        found = re.search(rf'^ *([\d,]+) .*{what}', annotated, re.M)
        if not found:
            raise RuntimeError(f'callgrind: no {what}')
        return int(found[1].replace(',', ''))
    total, loop, translation = cost('PROGRAM TOTALS'), cost(':cpu_loop '), cost(':tb_gen_code ')
    return {'start': (total - loop) / total, 'translation': translation / total,
            'guest_code': (loop - translation) / total}


def instructions(job):
    """The same shares for a run without the option."""
    job.clear()
    out = job.dir / 'callgrind.out'
    command, env = job.command('translated', ['-U', 'LD_PRELOAD'])
    subprocess.run(['valgrind', '--tool=callgrind', f'--callgrind-out-file={out}', *command], env=env, cwd=job.dir,
                   stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return parts(subprocess.run(['callgrind_annotate', '--inclusive=yes', '--auto=no', out], capture_output=True, text=True,
                                check=True).stdout)


def row_of(used, split):
    """The values of a program, from the kernel's usage of each run."""
    ms = {w: 1000 * min(map(common.cpu, us)) for w, us in used.items()}
    ours = used['translated']
    kernel = sum(u.ru_stime for u in ours) / sum(map(common.cpu, ours))
    return {**{f'{w}_ms': f'{v:.2f}' for w, v in ms.items()},
            **{f'{w}_page_faults': min(u.ru_minflt for u in us) for w, us in used.items()}, 'rounds': len(ours),
            **({'peer_over_auto': f'{ms["peer"] / ms["auto"]:.3f}'} if 'peer' in ms else {}),
            'control_flow': f'{ms["pristine"] / ms["translated"]:.3f}', 'auto_both': f'{ms["pristine"] / ms["auto"]:.3f}',
            'kernel': f'{kernel:.3f}', **{part: f'{share * (1 - kernel):.3f}' for part, share in split.items()}}


def measure(job, quick):
    """The values of a program."""
    ways = common.with_peer(job.guest, WAYS)
    used = {w: [] for w in ways}
    for n in range(15 if quick else 60):
        for way in ways[::-1 if n % 2 else 1]:
            used[way].append(job.execute(way)[0])
    return row_of(used, instructions(job))


def run(jobs, quick, table, progress):
    """Measure all that the table does not have; return the failures."""
    if not shutil.which('valgrind'):
        return ['short: no valgrind on this machine']
    return progress.each('short', jobs, lambda j: table.has(j.guest, j.name.removeprefix('short-')),
                         lambda j: table.add(guest=j.guest, program=j.name.removeprefix('short-'), **measure(j, quick)))
