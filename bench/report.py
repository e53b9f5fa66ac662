# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: the summary for the terminal, and report.html."""
import base64
import collections
import html
import io
import math
from statistics import median

import calls
import common
import programs
from common import geomean, guests

# The sizes of short, medium and large calls
CLASSES = ((0, 128), (129, 4096), (4097, 1 << 62))
GAINS = dict(zip(common.RATIOS, ('control flow', 'native calls', 'both', 'native calls, auto', 'both, auto',
                                 'auto over library')))
# Ratios of a program to pristine QEMU: without the option, with the library, with auto
WHOLE = ('control_flow', 'both', 'auto_both')
LEAST = 0.98                    # no program may be slower than this
COLORS = {'pristine': '#8c8c8c', 'translated': '#c44e52', 'bypass': '#4c72b0', 'auto': '#dd8452', 'host': '#55a868'}
# Cells that exceed a limit
LIMITS = {calls.slower_than_pristine: 'slower than translated by pristine QEMU',
          calls.slower_than_ours: f'of {calls.PAYS} bytes and more slower than translated by ours',
          calls.pays_not: f'of less than {calls.PAYS} bytes that do not pay',
          calls.over_limit: f"of up to {calls.NEAR} bytes that take more than 4 times the host's",
          calls.far_from_host: "of 64 KiB and more that take more than 1.1 times the host's"}
STYLE = '''
body { font: 15px/1.45 sans-serif; max-width: 1250px; margin: 1em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: .6em 0 } td, th { padding: .15em .6em; border-bottom: 1px solid #ddd }
td { text-align: right } td:first-child, th:first-child, td.l { text-align: left } img { max-width: 100% }
th { background: #f3f3f3 } summary { cursor: pointer; font-weight: bold }
'''


def number(value, digits=2):
    """Format a number for people, '-' for none."""
    return '-' if value in (None, '') else f'{float(value):,.{digits}f}'


def size_name(size):
    """Format a size: 512, 4 Ki, 1 Mi."""
    size = int(size)
    for unit, name in ((1 << 20, ' Mi'), (1 << 10, ' Ki')):
        if size and size % unit == 0:
            return f'{size // unit}{name}'
    return str(size)


class Data:
    """All tables of a run."""

    def __init__(self, tables):
        rows = {name: t.rows for name, t in tables.items()}
        self.cells = [r for r in rows['calls'] if r['function'] not in calls.PARTS]
        self.parts = {(r['guest'], r['function']): r for r in rows['calls'] if r['function'] in calls.PARTS}
        self.programs, self.short, self.kept, self.off, self.where, self.classes = (
            rows[n] for n in ('programs', 'short', 'kept', 'off', 'where', 'classes'))
        self.guests = [g for g in guests.TRIPLETS if any(
            r['guest'] == g for name in ('calls', 'programs') for r in rows[name])]

    def of(self, rows, guest):
        """The rows of a guest."""
        return [r for r in rows if r['guest'] == guest]

    def counted(self, guest, field):
        """The mean of a ratio over the programs that run long enough."""
        return geomean(float(r[field]) for r in self.of(self.programs, guest) if r['counts'] == '1')

    def slow_programs(self):
        """Programs that get slower, and by how much; the last figure is auto over the library."""
        fields = (*WHOLE, 'auto_over_library')
        return [f'{r["program"]} of {r["guest"]} {"/".join(r[f] for f in fields)}' for r in self.programs
                if min(float(r[f]) for f in fields) < LEAST]


def cell_name(row):
    """Function, size and alignment of a cell."""
    if row['align'] == 'mix':
        return f'{row["function"]}, mix of sizes'
    return f'{row["function"]} {size_name(row["size"])}' + (' misaligned' if row['align'] == 'misaligned' else '')


def promised(data, guest):
    """A guest's part of the summary: short calls over the host's, slower cells, programs, short processes."""
    rows = data.of(data.cells, guest)
    near = [r for r in rows if calls.sized(r, 0, calls.NEAR)]
    ratios = [float(r['over_host']) for r in near]
    worst = max(near, key=lambda r: float(r['over_host']), default=None)
    ran = {r['program']: r for r in data.of(data.programs, guest)}
    return [number(geomean(ratios)), number(median(ratios) if ratios else None),
            f'{float(worst["over_host"]):.1f} {cell_name(worst)}' if worst else '-',
            *(sum(map(limit, rows)) for limit in (calls.over_limit, calls.slower_than_pristine, calls.slower_than_ours)),
            *(number(data.counted(guest, f)) for f in WHOLE),
            *('/'.join(number(ran[n][f]) for f in WHOLE) if n in ran else '-' for n in programs.SHORT)]


def summary(data, left_out):
    """The text at the end of a run."""
    form = '{:<8} {:>5} {:>6}  {:<35} {:>4} {:>8} {:>5} {:>8} {:>5} {:>5} {:>14} {:>14}'
    lines = [form.format('', f'<={calls.NEAR} B', 'over', "the host's own", '', 'slower', 'than', 'programs', '',
                         '', 'short', ''),
             form.format('guest', 'mean', 'median', 'worst', '>4', 'pristine', 'ours', 'control', 'both', 'auto',
                         *programs.SHORT)]
    lines += [form.format(g, *promised(data, g)) for g in data.guests]
    bad = {limit: sum(map(limit, data.cells)) for limit in LIMITS}
    unsteady = sum(r['stable'] == '0' for r in data.cells)
    slow = data.slow_programs()
    lines += [f'{len(data.cells)} cells: native calls of up to {calls.NEAR} bytes over the host\'s own, and how many '
              'take more than 4 times;',
              f'how many are slower than translated by pristine QEMU, and from {calls.PAYS} bytes by ours; '
              f'{bad[calls.pays_not]} shorter ones do not pay;',
              f'{bad[calls.far_from_host]} of 64 Ki and more take over 1.1 times the host\'s; {unsteady} are not stable '
              'to 5 %.',
              f'Programs of {programs.COUNTS} s and more, times as fast as under pristine QEMU in CPU time: without '
              'the option, with the library, with auto.']
    for guest in dict.fromkeys(r['guest'] for r in data.kept):
        rows = data.of(data.kept, guest)
        lines.append(f'{guest}, {len(rows)} short processes with translations kept, times as fast as without: ' + ', '.join(
            f'{what} {number(geomean(float(r[f]) for r in rows))}' for what, f in (
                ('warm', 'warm_gain'), ('a program not seen before', 'unseen_gain'))) +
            f'; cold {number(geomean(float(r["cold_cost"]) for r in rows))} of the time without.')
    for guest in data.guests:
        rows = [r for r in data.of(data.programs, guest) if r['counts'] == '1' and r.get('peer_over_auto')]
        if rows:
            lines.append(f'{guest}, {len(rows)} programs, auto is times as fast as QEMU {rows[0]["peer"]}: '
                         f'{number(geomean(float(r["peer_over_auto"]) for r in rows))}')
    if slow:
        lines.append(f'{len(slow)} slower than {LEAST}, or so with auto than with the library (the last figure): '
                     f'{", ".join(slow[:3])}' + (', ...' if len(slow) > 3 else ''))
    if left_out:
        lines.append(f'NOT COMPLETE: {len(left_out)} left out or failed:')
        lines += [f'  {line}' for line in left_out[:8]]
        if len(left_out) > 8:
            lines.append(f'  and {len(left_out) - 8} more')
    lines.append('build/bench/report.html has the pictures, build/bench/*.csv the figures.')
    return '\n'.join(lines)


# --- pictures

def picture(figure, dpi=80, tight=True):
    """Make an <img> of a figure, and close the figure.  Tight takes twice the time."""
    from matplotlib import pyplot
    out = io.BytesIO()
    figure.savefig(out, dpi=dpi, format='png', bbox_inches='tight' if tight else None)
    pyplot.close(figure)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}">'


def axes(count, columns, width, height, **kind):
    """Make a figure with that many axes; return both."""
    from matplotlib import pyplot
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure, grid = pyplot.subplots(rows, columns, squeeze=False, figsize=(width * columns, height * rows), **kind)
    for ax in grid.flat[count:]:
        ax.set_visible(False)
    return figure, list(grid.flat[:count])


def draw_curves(rows, ways, ax):
    """Plot ns per call over size, both logarithmic; misaligned calls are dotted."""
    for way in ways:
        for align, line in (('aligned', '-'), ('misaligned', ':')):
            points = sorted((int(r['size']), float(r[f'{way}_ns'])) for r in rows if r['align'] == align)
            if points:
                ax.plot([max(x, 0.5) for x, _ in points], [y for _, y in points], line, color=COLORS[way],
                        linewidth=1, label=way if line == '-' else None)
    ax.set_xscale('log', base=2)
    ax.set_yscale('log')
    ax.set_xticks([0.5, 8, 128, 2048, 32768, 524288], ['0', '8', '128', '2Ki', '32Ki', '512Ki'], fontsize=6)
    ax.tick_params(axis='y', labelsize=6)
    ax.grid(alpha=0.25)


def curves(data, guest):
    """A panel for each function."""
    by_name = collections.defaultdict(list)
    for r in data.of(data.cells, guest):
        by_name[r['function']].append(r)
    if not by_name:
        return ''
    figure, panels = axes(len(by_name), 8, 2.1, 1.7)
    for ax, (name, rows) in zip(panels, by_name.items()):
        draw_curves(rows, calls.WAYS, ax)
        ax.set_title(name, fontsize=8)
    panels[0].legend(fontsize=6)
    height = figure.get_figheight()
    figure.subplots_adjust(0.02, 0.2 / height, 0.995, 1 - 0.25 / height, 0.2, 0.35)
    return picture(figure, tight=False)


def heat_map(data, field):
    """Show the speed-up by function and size, for each guest."""
    from matplotlib import colors
    sizes = sorted({int(r['size']) for r in data.cells if r['align'] == 'aligned'})
    names = list(dict.fromkeys(r['function'] for r in data.cells))
    with_cells = [g for g in data.guests if data.of(data.cells, g)]
    if not with_cells:
        return ''
    figure, panels = axes(len(with_cells), 4, 3.6, 0.6 + 0.125 * len(names), sharey=True)
    for ax, guest in zip(panels, with_cells):
        grid = [[float('nan')] * (len(sizes) + 1) for _ in names]
        for r in data.of(data.cells, guest):
            if r['align'] != 'misaligned':
                column = len(sizes) if r['align'] == 'mix' else sizes.index(int(r['size']))
                grid[names.index(r['function'])][column] = math.log2(float(r[field]))
        shown = ax.imshow(grid, aspect='auto', cmap='RdBu', norm=colors.TwoSlopeNorm(0, -2, 7))
        ax.set_title(guest, fontsize=9)
        ax.set_xticks(range(len(sizes) + 1), [size_name(s) for s in sizes] + ['mix'], rotation=90, fontsize=6)
        ax.set_yticks(range(len(names)), names, fontsize=6)
    ticks = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7]
    bar = figure.colorbar(shown, ax=panels, ticks=ticks, fraction=0.03, pad=0.01, aspect=60)
    bar.ax.set_yticklabels([f'{2.0 ** t:g}' for t in ticks], fontsize=7)
    return picture(figure, 90)


def bars(ax, names, rows):
    """Show the speed-up over pristine QEMU, with three bars for each program."""
    found = {r['program']: r for r in rows}
    for way, field, label, offset in (('translated', 'control_flow', 'without the option', -0.27),
                                      ('bypass', 'both', 'with the library', 0),
                                      ('auto', 'auto_both', 'with auto', 0.27)):
        at = [i for i, n in enumerate(names) if n in found]
        values = [float(found[names[i]][field]) for i in at]
        ax.barh([i + offset for i in at], values, 0.27, color=COLORS[way], label=label)
        for i, v in zip(at, values):
            ax.text(v, i + offset, f' {v:.2f}', va='center', fontsize=5)
    ax.axvline(1, color='#444', linewidth=0.8)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    # from top to bottom, with room for the legend
    ax.set_ylim(len(names) + 1, -0.7)
    ax.set_xlim(0, max((float(r[f]) for r in rows for f in WHOLE), default=1) * 1.15)


def program_bars(data):
    """A panel for each guest."""
    names = [n for n in programs.NAMES if any(r['program'] == n for r in data.programs)]
    with_programs = [g for g in data.guests if data.of(data.programs, g)]
    if not names:
        return ''
    figure, panels = axes(len(with_programs), 4, 3.2, 0.8 + 0.25 * len(names), sharey=True)
    for ax, guest in zip(panels, with_programs):
        bars(ax, names, data.of(data.programs, guest))
        ax.set_title(guest, fontsize=9)
    panels[0].legend(fontsize=7, loc='lower right')
    figure.tight_layout()
    return picture(figure)


def readme_picture(out, data, guest='aarch64'):
    """Make summary.png, the picture of a whole run for README.md."""
    from matplotlib import pyplot
    chosen = [r for r in data.of(data.programs, guest) if r['counts'] == '1']
    if not chosen or not data.of(data.cells, guest):
        return
    figure, panels = axes(3, 3, 3.6, 4.4)
    for ax, name in zip(panels, ('strlen', 'memcpy')):
        draw_curves([r for r in data.of(data.cells, guest) if r['function'] == name], calls.WAYS, ax)
        ax.set_title(f'{name}() on {guest}', fontsize=9)
        ax.set_xlabel('bytes', fontsize=8)
    panels[0].set_ylabel('ns per call', fontsize=8)
    panels[0].legend(fontsize=8)
    chosen.sort(key=lambda r: -float(r['both']))
    bars(panels[2], [r['program'] for r in chosen], chosen)
    panels[2].legend(fontsize=7, loc='lower right')
    panels[2].tick_params(axis='x', labelsize=7)
    panels[2].set_title(f'Debian\'s programs on {guest}', fontsize=9)
    panels[2].set_xlabel('times as fast as under pristine QEMU', fontsize=8)
    figure.tight_layout()
    figure.savefig(out / 'summary.png', dpi=90)
    pyplot.close(figure)


# --- tables

def table(head, rows):
    """An HTML table; cells are text or numbers."""
    out = [f'<table><tr>{"".join(f"<th>{html.escape(h)}</th>" for h in head)}</tr>']
    for row in rows:
        out.append(f'<tr>{"".join(f"<td>{html.escape(str(cell))}</td>" for cell in row)}</tr>')
    return '\n'.join([*out, '</table>'])


def whole(rows, without):
    """Show a table as in its file, without some fields."""
    fields = [f for f in rows[0] if f not in without] if rows else []
    return table([f.replace('_', ' ') for f in fields], [[r[f] for f in fields] for r in rows])


def guest_table(data):
    """The gain of control flow, of native calls, and of both."""
    rows = []
    for guest in data.guests:
        cells = data.of(data.cells, guest)
        for field, name in GAINS.items():
            classes = [[r for r in cells if calls.sized(r, *sizes)] for sizes in CLASSES]
            classes.append([r for r in cells if r['align'] == 'mix'])
            rows.append([guest, name, *(number(geomean(float(r[field]) for r in c if field in r)) for c in classes),
                         number(data.counted(guest, field))])
    return table(['guest', '', 'calls up to 128 B', 'to 4 Ki', 'larger', 'mix of sizes', 'programs'], rows)


def host_table(data):
    """The time of each way relative to the host's own programs."""
    def mean(guest, way):
        return geomean(float(r[f'{way}_cpu_s']) / float(r['host_cpu_s']) for r in data.of(data.programs, guest)
                       if r['counts'] == '1' and float(r['host_cpu_s'] or 0))
    return table(["times the host's own, mean", *programs.WAYS],
                 [[g, *(number(mean(g, w)) for w in programs.WAYS)] for g in data.guests])


def auto_table(data):
    """The gain of auto over the library, and the share of its calls that come from inside the C library."""
    found = {(r['program'], r['guest']): f'{number(r["auto_over_library"])} ({100 * float(r["inside_libc"]):.0f} %)'
             for r in data.programs if r['inside_libc']}
    return table(['auto over library (calls from inside the C library)', *data.guests],
                 [[n, *(found.get((n, g), '-') for g in data.guests)] for n in programs.NAMES
                  if any((n, g) in found for g in data.guests)])


def breakdown(data):
    """The parts of the shortest call, as differences of measured times."""
    rows = []
    for guest in data.guests:
        copies = {r['size']: r for r in data.of(data.cells, guest) if (r['function'], r['align']) == ('memcpy', 'aligned')}
        measured = [*(data.parts.get((guest, p)) for p in calls.PARTS), copies.get('0'), copies.get('8')]
        if not all(measured):
            continue
        for way in calls.WAYS:
            # a copy of 0 bytes has nearly all the work of helper and host
            timer, loop, direct, pointer, empty, fixed, eight = (float(r[f'{way}_ns']) for r in measured)
            native = (fixed - direct, eight - fixed) if way == 'bypass' else (None, None)
            rows.append([guest, way, *(number(v, 1) for v in (
                loop, direct - loop, pointer - loop, empty - loop, *native, eight, timer))])
    return table(['guest', '', 'loop', 'call and return', 'through a pointer', 'through the PLT, translated',
                  'PLT and stub', "helper with the host's function", 'memcpy of 8 bytes', 'reading the clock'], rows)


def where_table(data):
    """Mean shares of the places over a guest's programs, with the bypass: shows what to improve next."""
    share, ran = collections.defaultdict(collections.Counter), collections.defaultdict(set)
    for r in data.where:
        if r['way'] == 'bypass':
            ran[r['guest']].add(r['program'])
            share[r['place']][r['guest']] += float(r['share'])
    top = sorted(share, key=lambda p: -sum(share[p].values()))[:20]
    return table(['share of run time, mean over programs', *ran],
                 [[p, *(f'{100 * share[p][g] / len(ran[g]):.1f} %' for g in ran)] for p in top])


def details(title, text):
    """A collapsed part of the page."""
    return f'<details><summary>{html.escape(title)}</summary>{text}</details>' if text else ''


def write(out, data, about, left_out, when):
    """Make report.html, which needs no other file."""
    import matplotlib
    matplotlib.use('Agg')
    rest = [*about, 'again']
    bad = {title: [r for r in data.cells if limit(r)] for limit, title in LIMITS.items()}
    parts = [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Native library calls, measured</title>'
        f'<style>{STYLE}</style></head><body><h1>Native library calls, measured</h1>',
        f'<p>{html.escape(about["machine"])}; QEMU {html.escape(about["qemu"])}; commit {about["commit"]}; {when}.</p>',
        f'<pre>{html.escape(summary(data, left_out))}</pre>',
        '<h2>Times as fast</h2><p>Geometric means over all functions and sizes. Control flow: our QEMU without the '
        'option against the unpatched one; native calls: with the library against without; auto: programs only.</p>',
        guest_table(data),
        '<h2>Programs</h2><p>Times as fast as under pristine QEMU, CPU time.</p>', program_bars(data),
        host_table(data), auto_table(data), details('Times', whole(data.programs, rest)),
        '<h2>Short processes</h2><p>CPU time; and, without the option, shares of the kernel, of QEMU before the first '
        'block and after the last, of translation, and of guest code with what it calls.</p>', whole(data.short, rest),
        '<h2>Translations kept</h2><p>CPU time of short processes, without native calls: with an empty store, one that has '
        'all blocks, one with this program\'s only, and one with other programs\' only.</p>', whole(data.kept, rest),
        '<h2>Functions</h2><p>Native calls, times as fast as translated: blue is faster, red slower.</p>',
        heat_map(data, 'native'),
        details('Times as fast as translated by pristine QEMU', heat_map(data, 'both')),
        '<p>Nanoseconds of a call over its size in bytes, dotted if misaligned:</p>',
        *(details(g, curves(data, g)) for g in data.guests),
        *(details(f'{len(rows)} cells {title}', whole(rows, rest)) for title, rows in bad.items()),
        '<h2>What the shortest call is made of</h2><p>Nanoseconds, by differences of measured calls.</p>',
        breakdown(data),
        '<h2>Where the time goes</h2><p>With the bypass, by library: what would pay next.</p>', where_table(data),
        '<h2>What generated code consists of</h2><p>Host instructions for one of the guest\'s, by execution, without the '
        'option.</p>', whole(data.classes, rest),
        '<h2>Without the option</h2><p>Instructions of the whole of QEMU, on small inputs.</p>', whole(data.off, rest),
        '</body></html>']
    readme_picture(out, data)
    (out / 'report.html').write_text('\n'.join(parts), encoding='utf-8')
