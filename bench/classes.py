# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: the composition of generated code: host instructions of each class per guest instruction."""
import collections
import platform
import re
import subprocess

from common import BUILD, OUT, ROOT

# The purpose of an x86-64 host instruction, by the first pattern that its disassembly matches.  %rbp is the guest's
# CPU: CPUState, with the fields for TBs' checks and jump look-ups, is below it, the guest's registers are above.
CLASSES = {
    'exit_check': r'cmpl? +\$0x0,-0x\w+\(%rbp\)|mov +-0x\w+\(%rbp\),%e',
    'look_up': r'.*-0x\w+\(%rbp\)',
    'register_load': r'\w+ +(0x\w+)?\(%rbp\),%',
    'register_store': r'\w+ +[%$]\S+,(0x\w+)?\(%rbp\)',
    'register_other': r'.*\(%rbp\)',
    'stack': r'.*\(%rsp\)',
    'load_store': r'(?!lea|nop|call|j).*\(',
    'call': r'call',
    'jump': r'j',
    'compare': r'cmp|test|set|cmov|bt ',
    'extend': r'movz|movs|shl|shr|sar|sh[lr]x|cltq',
    'move': r'mov|vmov|xor +(%\w+),\1$',
    'arithmetic': r'',
}
PROGRAMS = ('gzip', 'perl', 'bash', 'sort', 'words')
WAYS = ('pristine', 'translated')
TABLES = {'classes': (('guest', 'program', 'way'), ('host_per_guest', *CLASSES, 'insns_per_tb', 'covered'))}
MATCH = {name: re.compile(pattern) for name, pattern in CLASSES.items()}
MOST = 3000                     # TBs: those that are executed most often
LIMIT = 300                     # seconds
PLUGIN = OUT / 'blocks.so'


def class_of(text):
    """The class of an instruction."""
    return next(name for name, pattern in MATCH.items() if pattern.match(text))


def executed(job, way):
    """Map each TB's address to its number of executions, and of guest instructions."""
    counts = job.dir / f'{way}.counts'
    execute(job, way, ['-plugin', f'{PLUGIN},out={counts}'])
    found = [line.split() for line in counts.read_text().splitlines()]
    return {int(pc, 16): (int(n), int(insns)) for pc, n, insns in sorted(found, key=lambda r: -int(r[1]))[:MOST]}


def execute(job, way, options):
    """Run it with the same guest addresses each time; therefore the plugin is always loaded."""
    if '64' in job.guest and job.guest != 'x86_64':
        # a guest with a vsyscall page cannot have this
        options = ['-R', '0x1000000000', *options]
    command, env = job.command(way, options)
    subprocess.run(['setarch', '-R', *command], env=env, cwd=job.dir, check=True, timeout=LIMIT,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def generated(job, way, wanted):
    """The host instructions of each of these TBs, by address, up to the jump to the next TB."""
    log, code = job.dir / f'{way}.asm', job.dir / f'{way}.bin'
    execute(job, way, ['-plugin', str(PLUGIN), '-d', 'out_asm', '-D', str(log)])
    starts, data, pc, skip = {}, bytearray(), None, True
    with open(log, encoding='ascii', errors='replace') as f:
        for line in f:
            if line.startswith('OUT:'):
                pc, skip = None, False
            elif line.startswith('  -- guest addr') and pc is None:
                pc = int(line.split()[3], 16)
                skip = pc not in wanted
                if not skip:
                    # the last translation is the one that was executed in the end
                    starts[pc] = len(data)
            elif line.startswith('  -- tb slow paths'):
                skip = True
            elif line.startswith('OBJD-H: ') and not skip:
                data += bytes.fromhex(line[8:].strip())
            elif not line.strip() and pc in wanted:
                # add a return at the end of each TB
                data += b'\xc3'
    if not data:
        raise RuntimeError(f'{way}: its code is at another address in each run')
    code.write_bytes(data)
    text = subprocess.run(['objdump', '-D', '-b', 'binary', '-m', 'i386:x86-64', '--no-show-raw-insn', code],
                          check=True, capture_output=True, text=True).stdout
    at = {start: pc for pc, start in starts.items()}
    found, now = {}, None
    for line in text.splitlines():
        m = re.match(r' *([0-9a-f]+):\t(.*?) *$', line)
        if not m:
            continue
        if int(m[1], 16) in at:
            now = at[int(m[1], 16)]
            found[now] = []
        if now is None or re.match(r'(ret|nop|data16)', m[2]):
            continue
        found[now].append(m[2])
        if m[2].startswith('jmp'):
            now = None
    return found


def prepare():
    """Build the plugin that counts."""
    flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'glib-2.0'], check=True, capture_output=True, text=True).stdout
    subprocess.run(['cc', '-O2', '-shared', '-fPIC', '-o', PLUGIN, ROOT / 'bench/blocks.c', f'-I{BUILD}/base/include/qemu',
                    *flags.split()], check=True)


def measure(job, table):
    """The rows of a program."""
    job.clear()
    for way in WAYS:
        counts = executed(job, way)
        everything = sum(n * insns for n, insns in counts.values())
        code = generated(job, way, counts)
        total, guest, tbs = collections.Counter(), 0, 0
        for pc, insns in code.items():
            n, length = counts[pc]
            guest += n * length
            tbs += n
            for text in insns:
                total[class_of(text)] += n
        table.add(guest=job.guest, program=job.name, way=way, host_per_guest=f'{sum(total.values()) / guest:.2f}',
                  **{c: f'{total[c] / guest:.3f}' for c in CLASSES}, insns_per_tb=f'{guest / tbs:.2f}',
                  covered=f'{guest / everything:.3f}')


def run(jobs, table, progress):
    """Count for all programs that the table does not have; return those that could not be counted."""
    if platform.machine() != 'x86_64':
        return ['classes: they are those of an x86-64 host']
    prepare()
    return progress.each('classes', jobs, lambda j: table.has(j.guest, j.name, WAYS[-1]), lambda j: measure(j, table))
