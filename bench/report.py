# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench: the summary for the terminal, and report.html."""
import base64
import collections
import html
import io
import math

import calls
import common
import programs
import stats
import where

SHORT, LARGE = 128, 4096        # bytes: short up to the one, large from beyond the other
# What is compared, and the columns that have it for cells and for programs
GAINS = (('control flow', 'control_flow', 'control_flow'), ('native calls', 'gain', 'native'),
         ('both', 'gain_pristine', 'both'))
LEAST = 0.98                    # no program may be slower than that
COLORS = {'pristine': '#8c8c8c', 'translated': '#c44e52', 'bypass': '#4c72b0', 'host': '#55a868', 'mops': '#8172b2'}
STYLE = '''
body { font: 15px/1.45 sans-serif; max-width: 1250px; margin: 1em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: .6em 0 } td, th { padding: .15em .6em; border-bottom: 1px solid #ddd }
td { text-align: right } td:first-child, th:first-child, td.l { text-align: left } img { max-width: 100% }
th { background: #f3f3f3 } summary { cursor: pointer; font-weight: bold } .small td, .small th { font-size: 11px; padding: 1px 4px }
'''


def number(value, digits=2):
    """A number for people, '-' for none."""
    return '-' if value in (None, '') else f'{float(value):,.{digits}f}'


def size_name(size):
    """512, 4 Ki, 1 Mi."""
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
        self.programs, self.mops, self.off = rows['programs'], rows['mops'], rows['off']
        self.where, self.sizes = rows['where'], rows['sizes']
        self.guests = [g for g in common.TRIPLETS if any(
            r['guest'] == g for name in ('calls', 'programs') for r in rows[name])]

    def memcpy(self, guest, size):
        """The cell of memcpy() of this size, or None.  With 0, all is measured but the work of helper and host."""
        return next((r for r in self.of(self.cells, guest) if (r['function'], r['size'], r['align']) ==
                     ('memcpy', size, 'aligned')), None)

    def of(self, rows, guest):
        """The rows of a guest."""
        return [r for r in rows if r['guest'] == guest]

    def gains(self, guest, field, low=0, high=1 << 62):
        """Ratios of the cells of these sizes."""
        return [float(r[field]) for r in self.of(self.cells, guest) if calls.sized(r, low, high)]

    def mixed(self, guest, field):
        """Ratios of the cells of mixed sizes."""
        return [float(r[field]) for r in self.of(self.cells, guest) if r['align'] == 'mix']

    def counted(self, guest, field):
        """Ratios of the programs that run long enough."""
        return [float(r[field]) for r in self.of(self.programs, guest) if r['counts'] == '1']

    def slow_programs(self):
        """Programs that lose, and what by: without the option and with it."""
        return [f'{r["program"]} of {r["guest"]} {r["control_flow"]}/{r["both"]}' for r in self.programs
                if min(float(r['control_flow']), float(r['both'])) < LEAST]


def cell_name(row):
    """Function, size and alignment of a cell."""
    if row['align'] == 'mix':
        return f'{row["function"]}, mix of sizes'
    return f'{row["function"]} {size_name(row["size"])}' + (' misaligned' if row['align'] == 'misaligned' else '')


def cause(row, data):
    """Why a cell gains little: what its time is made of."""
    nothing = data.memcpy(row['guest'], '0')
    empty = float(nothing['bypass_ns']) if nothing else 0.0
    bypass, host, translated = (float(row[f'{w}_ns']) for w in ('bypass', 'host', 'translated'))
    inside = max(bypass - empty - host, 0)
    parts = {'guest code of the call (loop, PLT, block look-ups)': empty, "the host's function": host,
             'helper' + (', and guest code that it is composed of' if row['function'] not in native_names() else ''):
             inside}
    largest = max(parts, key=parts.get)
    return (f'{largest}: {parts[largest]:.0f} of {bypass:.0f} ns; '
            f'translated code is done in {translated:.0f} ns')


def native_names():
    """The functions that are a stub and nothing more."""
    with open(common.ROOT / 'include/user/native-functions.h.inc', encoding='utf-8') as f:
        return {line.split('(')[1].split(',')[0] for line in f if line.startswith(('NATIVE(', 'NATIVE_ALIAS('))}


def near(data, guest):
    """Short calls against the host's: geometric mean, median, worst cell, how many over the limit."""
    rows = [r for r in data.of(data.cells, guest) if calls.sized(r, 0, calls.NEAR)]
    ratios = [float(r['over_host']) for r in rows]
    worst = max(rows, key=lambda r: float(r['over_host']), default=None)
    return [number(stats.geomean(ratios)), number(stats.median(ratios) if ratios else None),
            f'{float(worst["over_host"]):.1f} {cell_name(worst)}' if worst else '-',
            str(sum(map(calls.over_limit, rows)))]


def slower(data, guest):
    """How many cells are slower than what they must not be slower than."""
    rows = data.of(data.cells, guest)
    return [str(sum(way in calls.slower_than(r) for r in rows)) for way in ('pristine', 'translated')]


def short_processes(data, guest):
    """Of each of them without the option and with it, as times as fast as under pristine QEMU."""
    rows = {r['program']: r for r in data.of(data.programs, guest)}
    return [f'{number(rows[n]["control_flow"])}/{number(rows[n]["both"])}' if n in rows else '-'
            for n in programs.SHORT]


def summary(data, left_out):
    """The screen at the end of a run."""
    form = '{:<8} {:>5} {:>6}  {:<35} {:>4} {:>8} {:>5} {:>8} {:>5} {:>10} {:>10}'
    lines = [form.format('', f'<={calls.NEAR} B', 'over', "the host's own", '', 'slower', 'than', 'programs', '',
                         'short', ''),
             form.format('guest', 'mean', 'median', 'worst', '>4', 'pristine', 'ours', 'control', 'both',
                         *programs.SHORT)]
    for guest in data.guests:
        lines.append(form.format(
            guest, *near(data, guest), *slower(data, guest),
            *(number(stats.geomean(data.counted(guest, f))) for f in ('control_flow', 'both')),
            *short_processes(data, guest)))
    far = sum(map(calls.far_from_host, data.cells))
    unsteady = sum(r['stable'] == '0' for r in data.cells)
    slow = data.slow_programs()
    lines += [f'{len(data.cells)} cells: native calls of up to {calls.NEAR} bytes over the host\'s own, and how many '
              'take more than 4 times;',
              f'how many are slower than translated by pristine QEMU, and from {calls.PAYS} bytes by ours; '
              f'{sum(map(calls.pays_not, data.cells))} shorter ones do not pay;',
              f'{far} of 64 Ki and more take over 1.1 times the host\'s; {unsteady} are not stable to 5 %.',
              f'Programs of {programs.COUNTS} s and more, times as fast as under pristine QEMU in CPU time: without '
              'the option, with it.']
    if slow:
        lines.append(f'{len(slow)} slower than {LEAST}: {", ".join(slow[:3])}' + (', ...' if len(slow) > 3 else ''))
    if left_out:
        lines.append(f'NOT COMPLETE: {len(left_out)} left out or failed:')
        lines += [f'  {line}' for line in left_out[:8]]
        if len(left_out) > 8:
            lines.append(f'  and {len(left_out) - 8} more')
    lines.append('build/bench/report.html has the pictures, build/bench/*.csv the figures.')
    return '\n'.join(lines)


# --- pictures

def picture(figure, dpi=80, tight=True):
    """An <img> of a figure, which is then closed.  Tight takes the time of another one."""
    from matplotlib import pyplot
    out = io.BytesIO()
    figure.savefig(out, dpi=dpi, format='png', bbox_inches='tight' if tight else None)
    pyplot.close(figure)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}">'


def axes(count, columns, width, height, **kind):
    """A figure with so many axes, and those."""
    from matplotlib import pyplot
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure, grid = pyplot.subplots(rows, columns, squeeze=False, figsize=(width * columns, height * rows), **kind)
    for ax in grid.flat[count:]:
        ax.set_visible(False)
    return figure, list(grid.flat[:count])


def draw_curves(rows, ways, ax):
    """ns per call over size, both logarithmic; misaligned dotted."""
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
    """Times as fast, function x size, for each guest."""
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
    """Times as fast as under pristine QEMU, two bars for each program."""
    found = {r['program']: r for r in rows}
    for way, field, label, offset in (('translated', 'control_flow', 'without the option', -0.2),
                                      ('bypass', 'both', 'with native calls', 0.2)):
        at = [i for i, n in enumerate(names) if n in found]
        values = [float(found[names[i]][field]) for i in at]
        ax.barh([i + offset for i in at], values, 0.4, color=COLORS[way], label=label)
        for i, v in zip(at, values):
            ax.text(v, i + offset, f' {v:.2f}', va='center', fontsize=5)
    ax.axvline(1, color='#444', linewidth=0.8)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    # from above, with room for the legend
    ax.set_ylim(len(names) + 1, -0.7)
    ax.set_xlim(0, max((float(r[f]) for r in rows for f in ('control_flow', 'both')), default=1) * 1.15)


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


def where_bars(data, guest):
    """Stacked shares of a guest's programs, translated above bypass."""
    rows = [r for r in data.of(data.where, guest) if r['place'] not in (where.ALL, where.TABLE)]
    if not rows:
        return ''
    total = collections.Counter()
    for r in rows:
        total[group(r['place'])] += float(r['share'])
    kinds = [p for p, _ in total.most_common(11)]
    bars = list(dict.fromkeys((r['program'], r['way']) for r in rows))
    figure, (ax,) = axes(1, 1, 11, 0.8 + 0.16 * len(bars))
    left = dict.fromkeys(bars, 0.0)
    for k, kind in enumerate([*kinds, 'others']):
        share = collections.Counter()
        for r in rows:
            name = group(r['place'])
            if (name if name in kinds else 'others') == kind:
                share[r['program'], r['way']] += float(r['share'])
        ax.barh(range(len(bars)), [share[b] for b in bars], left=[left[b] for b in bars], label=kind,
                color=f'C{k}' if k < 10 else ('#333', '#bbb')[k - 10], height=0.85)
        for b in bars:
            left[b] += share[b]
    ax.set_yticks(range(len(bars)), [f'{p} {w}' for p, w in bars], fontsize=6)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.legend(fontsize=7, loc='upper left', bbox_to_anchor=(1, 1))
    return picture(figure)


def group(place):
    """Programs have names of their own; all of them are programs."""
    return 'the program itself' if place.startswith('program ') else place


def readme_picture(out, data, guest='aarch64'):
    """summary.png: what README.md shows of a whole run."""
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

def table(head, rows, kind=''):
    """An HTML table; cells are text or numbers."""
    out = [f'<table class="{kind}"><tr>', *(f'<th>{html.escape(str(h))}</th>' for h in head), '</tr>']
    for row in rows:
        cells = []
        for i, cell in enumerate(row):
            left = i and isinstance(cell, str) and not cell.replace(',', '').replace('.', '').strip('-% ').isdigit()
            cells.append(f'<td{" class=l" if left else ""}>{html.escape(str(cell))}</td>')
        out.append(f'<tr>{"".join(cells)}</tr>')
    return '\n'.join([*out, '</table>'])


def guest_table(data):
    """What control flow gives, what native calls give, and both."""
    rows = []
    for guest in data.guests:
        for what, field, ratio in GAINS:
            rows.append([guest, what, *(number(stats.geomean(g)) for g in (
                data.gains(guest, field, 0, SHORT), data.gains(guest, field, SHORT + 1, LARGE),
                data.gains(guest, field, LARGE + 1), data.mixed(guest, field), data.counted(guest, ratio)))])
    return table(['guest', '', f'calls up to {SHORT} B', f'to {size_name(LARGE)}', 'larger', 'mix of sizes', 'programs'],
                 rows)


def promise_table(data):
    """Short calls against the host's, cells that lose, and short processes."""
    return table(['guest', f'up to {calls.NEAR} B over host, mean', 'median', 'worst', 'over 4', 'slower than pristine',
                  'than ours', 'larger than 4 Ki over host', *(f'{n}, without / with' for n in programs.SHORT)],
                 [[guest, *near(data, guest), *slower(data, guest),
                   number(stats.geomean(data.gains(guest, 'over_host', LARGE + 1))),
                   *short_processes(data, guest)] for guest in data.guests])


def not_paying(data):
    """Where a native call is slower than translated by ours: functions by the sizes that it is for."""
    rows = []
    for guest in data.guests:
        sizes = collections.defaultdict(list)
        for r in data.of(data.cells, guest):
            if calls.pays_not(r):
                sizes[r['function']].append(r['size'])
        names = collections.defaultdict(list)
        for name, found in sizes.items():
            names[' '.join(found)].append(name)
        rows += [[guest, f'{found} bytes', ', '.join(n)] for found, n in sorted(names.items())]
    return table(['guest', 'of', 'functions'], rows) if rows else ''


def breakdown(data):
    """What the shortest call is made of, by differences of what was measured."""
    rows = []
    for guest in data.guests:
        part = {p: data.parts.get((guest, p)) for p in calls.PARTS}
        none, eight = (data.memcpy(guest, s) for s in ('0', '8'))
        if not all(part.values()) or not none or not eight:
            continue
        for way in calls.WAYS:
            loop, direct, pointer, empty, timer, fixed, whole = (float(r[f'{way}_ns']) for r in (
                *(part[p] for p in ('loop', 'direct', 'pointer', 'empty', 'timer')), none, eight))
            native = (fixed - direct, whole - fixed) if way == 'bypass' else (None, None)
            rows.append([guest, way, *(number(v, 1) for v in (
                loop, direct - loop, pointer - loop, empty - loop, *native, whole, timer))])
    return table(['guest', '', 'loop', 'call and return', 'through a pointer', 'through the PLT, translated',
                  'PLT and stub', "helper with the host's function", 'memcpy of 8 bytes', 'reading the clock'], rows)


def off_table(data):
    """Pristine QEMU against ours without the option."""
    took = {(r['guest'], r['program']): r for r in data.programs}
    rows = [[r['guest'], r['program'], f'{int(r["pristine_instructions"]):,}', f'{int(r["translated_instructions"]):,}',
             number(r['ratio'], 4), number(took.get((r['guest'], r['program']), {}).get('control_flow'))]
            for r in data.off]
    return table(['guest', 'program', 'instructions, pristine', 'ours', "ours of pristine's", 'times as fast'], rows)


def histogram(ranges):
    """Shares of ranges of sizes, in percent."""
    total = sum(ranges)
    return [f'{100 * n / total:.0f}' if total and n * 200 >= total else '' for n in ranges]


def called(data, guest, program):
    """The ten functions that a program calls most."""
    rows = [r for r in data.of(data.sizes, guest) if r['program'] == program]
    rows = sorted(rows, key=lambda r: (r['function'] != where.ALL, -int(r['calls'])))[:11]
    return table(['function', 'calls', 'translated s', 'bypass s', *(f'≤{size_name(e)}' for e in where.ENDS)],
                 [[r['function'], f'{int(r["calls"]):,}', number(r['translated_s'], 3), number(r['bypass_s'], 3),
                   *histogram([int(r[f'to_{e}']) for e in where.ENDS])] for r in rows], 'small')


def next_library(data):
    """Mean shares of the places with the bypass, over a guest's programs: what would pay next."""
    share, count = collections.defaultdict(collections.Counter), collections.Counter()
    for r in data.where:
        if r['way'] == 'bypass' and r['place'] == where.ALL:
            count[r['guest']] += 1
        elif r['way'] == 'bypass' and r['place'] != where.TABLE:
            share[group(r['place'])][r['guest']] += float(r['share'])
    having = [g for g in data.guests if count[g]]
    if not having:
        return ''
    mean = {p: {g: s[g] / count[g] for g in having} for p, s in share.items()}
    top = sorted(mean, key=lambda p: -sum(mean[p].values()))[:20]
    return table(['share of run time, mean over programs', *having],
                 [[p, *(f'{100 * mean[p][g]:.1f} %' for g in having)] for p in top])


def program_table(data):
    """Times and memory of all programs."""
    before = {(r['guest'], r['program'], r['way']): r['share'] for r in data.where if r['place'] == where.TABLE}
    native = {(r['guest'], r['program']): r['calls'] for r in data.sizes if r['function'] == where.ALL}
    rows = []
    for r in data.programs:
        key = (r['guest'], r['program'])
        shares = [f'{100 * float(before[(*key, w)]):.1f} %' if (*key, w) in before else '-' for w in where.WAYS]
        rows.append([*key, *(number(r[f'{w}_cpu_s'], 3) for w in common.WAYS), *(number(r[f]) for _, _, f in GAINS),
                     'yes' if r['counts'] == '1' else 'no', 'yes' if r['stable'] == '1' else 'no',
                     *(number(r[f'{w}_wall_s'], 3) for w in common.WAYS),
                     *(number(r[f'{w}_mb'], 1) for w in common.WAYS),
                     f'{int(native[key]):,}' if key in native else '-', *shares])
    return table(['guest', 'program', 'CPU s, pristine', 'translated', 'bypass', *(g for g, _, _ in GAINS),
                  f'counts: {programs.COUNTS} s', 'stable', 'wall s, pristine', 'translated', 'bypass',
                  'peak MB, pristine', 'translated', 'bypass', 'calls', "in the table's functions, translated",
                  'with the bypass'], rows, 'small')


def details(title, text):
    """A part that is folded away."""
    return f'<details><summary>{html.escape(title)}</summary>{text}</details>' if text else ''


def worst_table(data):
    """The ten worst cells and their cause."""
    return table(['guest', 'cell', 'times as fast', 'spread', 'cause'],
                 [[r['guest'], cell_name(r), number(r['gain']), number(r['spread']), cause(r, data)]
                  for r in stats.worst(data.cells, 'gain', 10)])


def cell_table(rows):
    """Cells with their figures."""
    return table(['guest', 'cell', *calls.WAYS, *(g for g, _, _ in GAINS), 'over host', 'stable'],
                 [[r['guest'], cell_name(r), *(number(r[f'{w}_ns'], 1) for w in calls.WAYS),
                   *(number(r[f]) for _, f, _ in GAINS), number(r['over_host']), 'yes' if r['stable'] == '1' else 'no'] for r in rows]) if rows else '<p>none</p>'


def mops(data):
    """FEAT_MOPS against the bypass."""
    if not data.mops:
        return ''
    figure, (ax,) = axes(1, 1, 6, 4)
    draw_curves(data.mops, ('translated', 'bypass', 'mops', 'host'), ax)
    ax.legend(fontsize=8)
    ax.set_xlabel('bytes')
    ax.set_ylabel('ns per call')
    return picture(figure) + table(
        ['size', 'aligned', 'translated ns', 'bypass ns', 'MOPS ns', 'host ns'],
        [[size_name(r['size']), r['align'], *(number(r[f'{w}_ns'], 1) for w in ('translated', 'bypass', 'mops', 'host'))]
         for r in data.mops])


def write(out, data, about, left_out, when):
    """report.html, which needs no other file."""
    import matplotlib
    matplotlib.use('Agg')
    slow = {w: [r for r in data.cells if w in calls.slower_than(r)] for w in ('pristine', 'translated')}
    dear = sorted(filter(calls.over_limit, data.cells), key=lambda r: -float(r['over_host']))
    far = [r for r in data.cells if calls.far_from_host(r)]
    missing = ''.join(f'<li>{html.escape(line)}</li>' for line in left_out)
    parts = [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Native library calls, measured</title>'
        f'<style>{STYLE}</style></head><body><h1>Native library calls, measured</h1>',
        f'<p>{html.escape(about["machine"])}; QEMU {html.escape(about["qemu"])}; commit {about["commit"]}; {when}.</p>',
        f'<p><b>Not complete</b>, left out or failed:</p><ul>{missing}</ul>' if left_out else '',
        '<h2>Times as fast</h2><p>Geometric means over all functions and sizes. Control flow: our QEMU without the '
        'option against the unpatched one; native calls: with the option against without.</p>', guest_table(data),
        '<h2>What is promised</h2>', promise_table(data),
        '<h2>Programs</h2><p>Times as fast as under pristine QEMU, CPU time.</p>', program_bars(data),
        details('Times and peak memory', program_table(data)),
        '<h2>Functions</h2><p>Native calls, times as fast as translated: blue is faster, red slower.</p>',
        heat_map(data, 'gain'),
        details('Times as fast as translated by pristine QEMU', heat_map(data, 'gain_pristine')),
        '<p>Nanoseconds of a call over its size in bytes, dotted if misaligned:</p>',
        *(details(g, curves(data, g)) for g in data.guests),
        '<h2>The worst ten cells</h2>', worst_table(data),
        details(f'{len(slow["pristine"])} cells slower than translated by pristine QEMU', cell_table(slow['pristine'])),
        details(f'{len(slow["translated"])} cells of {calls.PAYS} bytes and more slower than translated by ours',
                cell_table(slow['translated'])),
        details('Where a native call no longer pays', not_paying(data)),
        details(f'{len(dear)} cells of up to {calls.NEAR} bytes that take more than 4 times the host\'s, the worst 100',
                cell_table(dear[:100])),
        details(f'{len(far)} cells of 64 KiB and more that take more than 1.1 times the host\'s', cell_table(far)),
        '<h2>What the shortest call is made of</h2><p>Nanoseconds, by differences of measured calls.</p>',
        breakdown(data),
        '<h2>Where the time goes</h2><p>With the bypass, by library: what would pay next.</p>', next_library(data)]
    for guest in data.guests:
        inside = ''.join(details(f'{r["program"]}: functions and sizes', called(data, guest, r['program']))
                         for r in data.of(data.programs, guest))
        parts.append(details(guest, where_bars(data, guest) + inside) if inside else '')
    parts += [
        '<h2>Without the option</h2><p>Instructions of the whole of QEMU, on small inputs; times on the large ones.</p>',
        off_table(data),
        '<h2>Against FEAT_MOPS</h2><p>aarch64, -cpu max: memcpy() as three instructions of the guest.</p>', mops(data),
        '</body></html>']
    readme_picture(out, data)
    (out / 'report.html').write_text('\n'.join(parts), encoding='utf-8')
