"""The table of a study, in Markdown."""

from collections.abc import Sequence

from mmkd.utils.types import Setting

HEADER = (
    'model|seeds|mAP|deviation|95% interval|difference|95% interval of it|p|p (Holm)|gap closed|'
    'step'
).split('|')


def rows(outcome: Setting) -> list[list[str]]:
    """A row an arm, cells as text; what is not known is a dash."""
    return [_row(arm) for arm in outcome['arms'].values()]


def markdown(outcome: Setting) -> str:
    """``table.md``: the table, what it means, and what it does not say."""
    lines = [f'# {outcome["study"]}: {outcome["metric"]}', '', *_table(HEADER, rows(outcome)), '']
    lines += [NOTE, '']
    lines += [f'* {note}' for note in outcome['warnings']]
    if outcome['missing']:
        lines.append(f'* Not finished: {", ".join(outcome["missing"])}.')
    classes = class_rows(outcome)
    if classes:
        lines += ['', '## AP by class, mean over seeds', '']
        lines += _table(('model', *class_names(outcome)), classes)
    return '\n'.join(lines) + '\n'


NOTE = (
    'Intervals are 95% t intervals of the mean over seeds. Differences are to the student alone, '
    'paired by seed (same initial weights, same order of data); p is the two-sided paired t test, '
    'then corrected by Holm for the number of methods. Gap closed is difference / (teacher - '
    'student alone), its interval with that gap taken as measured.'
)


def class_names(outcome: Setting) -> list[str]:
    """Classes with an AP, in the order of the data set."""
    return list(dict.fromkeys(n for arm in outcome['arms'].values() for n in arm['per_class']))


def class_rows(outcome: Setting) -> list[list[str]]:
    """AP of each class, a row an arm, with the deviation where there are seeds for one."""
    names = class_names(outcome)
    if not names:
        return []
    return [
        [arm['title'], *(_with_deviation(arm['per_class'].get(name)) for name in names)]
        for arm in outcome['arms'].values()
    ]


def _row(arm: Setting) -> list[str]:
    summary, pair = arm['summary'], arm['paired'] or {}
    difference, step = pair.get('summary') or {}, arm['step_seconds']
    return [
        arm['title'],
        str(summary['count']),
        f'{summary["mean"]:.3f}',
        number(summary['deviation']),
        _interval(summary),
        number(difference.get('mean'), '+.3f'),
        _interval(difference, '+.3f'),
        number(pair.get('p_value')),
        number(pair.get('p_holm')),
        _share(pair),
        '-' if step is None else f'{step * 1000:.0f} ms',
    ]


def number(value: float | None, form: str = '.3f', scale: float = 1.0) -> str:
    """A cell; what is not known is a dash, and what rounds to zero has no sign."""
    if value is None:
        return '-'
    text = f'{value * scale:{form}}'
    return text.lstrip('+-') if not float(text.rstrip('%')) else text


def share(value: float) -> str:
    """A share of the gap, in words where it rounds to zero."""
    text = number(value, '.0%')
    return 'no difference' if text == '0%' else text


def _interval(summary: Setting, form: str = '.3f') -> str:
    if summary.get('low') is None:
        return '-'
    return f'[{number(summary["low"], form)}, {number(summary["high"], form)}]'


def _share(pair: Setting) -> str:
    if pair.get('gap_closed') is None:
        return '-'
    text = share(pair['gap_closed'])
    if pair.get('gap_low') is not None:
        text += f' [{number(pair["gap_low"], ".0%")}, {number(pair["gap_high"], ".0%")}]'
    return text


def _with_deviation(summary: Setting | None) -> str:
    if summary is None:
        return '-'
    deviation = summary['deviation']
    return f'{summary["mean"]:.3f}' + ('' if deviation is None else f' ± {deviation:.3f}')


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ['---', *['---:'] * (len(header) - 1)], *body]
    return [f'| {" | ".join(line)} |' for line in lines]
