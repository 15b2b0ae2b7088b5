"""``report.html``: the whole study in one file that needs no network."""

import base64
import difflib
import html
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from mmkd.utils.types import Setting

from .table import HEADER, NOTE, class_names, class_rows, number, rows

DPI = 110
_NUMBER = re.compile(r'[-+]?\d*\.?\d+')
Figures = Mapping[str, tuple[Figure, str]]
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto;
  max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
p.note, figcaption { color: #444; font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .35rem; border-bottom: 1px solid #ddd; text-align: right; }
th { vertical-align: bottom; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 8rem; }
th button { font: inherit; font-weight: 600; border: 0; background: none; padding: 0;
  cursor: pointer; color: inherit; }
th button::after { content: '\\00a0\\2195'; color: #888; }
th[aria-sort=ascending] button::after { content: '\\00a0\\2191'; color: #000; }
th[aria-sort=descending] button::after { content: '\\00a0\\2193'; color: #000; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; }
details { margin: .3rem 0; }
summary { cursor: pointer; }
pre { font-size: .75rem; line-height: 1.35; background: #f5f5f5; padding: .6rem; overflow: auto;
  max-height: 30rem; }
ul.warnings { background: #fff6df; border-left: 4px solid #E69F00; padding: .6rem 1rem .6rem 2rem; }
@media (max-width: 40rem) {
  thead { display: none; }
  table, tbody, tr { display: block; }
  tr { border-bottom: 2px solid #ccc; padding: .5rem 0; }
  td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0;
    white-space: normal; }
  td:not([data-v]) { display: none; }
  td::before { content: attr(data-of); color: #444; }
  td:first-child { font-weight: 600; }
  td:first-child::before { content: none; }
}
@media print {
  body { margin: 0; max-width: none; font-size: 11px; }
  table { font-size: 9px; } th button::after { content: ''; } th, td { padding: .15rem .3rem; }
  figure, table { break-inside: avoid; } pre { max-height: none; }
}
"""
# A cell's data-v is what it is sorted by; cells without one come last either way.
_SCRIPT = """
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    const down = head.getAttribute('aria-sort') === 'ascending';
    heads.forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const key = row => row.cells[column].dataset.v;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
"""


def render(outcome: Setting, plots: Figures, pictures: Figures) -> str:
    """The page of what ``study.json`` holds; ``plots`` in it are SVG, and ``pictures`` JPEG."""
    title = html.escape(f'{outcome["study"]}: {outcome["metric"]}')
    missing = ', '.join(outcome['missing'])
    scope = f'{len(outcome["runs"])} runs. '
    scope += f'Not finished: {missing}.' if missing else 'All are finished.'
    parts = [
        f'<h1>{title}</h1>',
        f'<p class="note">mmkd {outcome["mmkd"]}. {html.escape(scope)}</p>',
        '<h2>Result</h2>',
        table(HEADER, rows(outcome)),
        f'<p class="note">{html.escape(NOTE)}</p>',
        _warnings(outcome),
        *_figures(plots, 'svg+xml', metadata={'Date': None}),
        '<h2>AP by class</h2>',
        table(('model', *class_names(outcome)), class_rows(outcome)),
        '<p class="note">Mean over seeds ± standard deviation.</p>',
        '<h2>Cost</h2>',
        table(('model', *_COSTS), _cost_rows(outcome)),
        f'<p class="note">{_COST_NOTE}</p>',
        *_figures(pictures, 'jpeg', dpi=DPI, pil_kwargs=dict(quality=60)),
        '<h2>Runs</h2>',
        *_runs(outcome['runs']),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head>\n<body>\n'
        + '\n'.join(part for part in parts if part)
        + f'\n<script>{_SCRIPT}</script></body></html>\n'
    )


def table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A sortable table; cells that begin with a number are sorted by it, dashes come last."""
    heads = ''.join(
        f'<th scope="col"><button type="button">{html.escape(name)}</button></th>'
        for name in header
    )
    lines = ''.join(f'<tr>{"".join(map(_cell, header, row))}</tr>' for row in body)
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{heads}</tr></thead>'
        f'<tbody>{lines}</tbody></table></div>'
    )


def _cell(name: str, text: str) -> str:
    of = f'data-of="{html.escape(name)}"'  # beside it on a narrow screen, where there is no header
    if text == '-':
        return f'<td {of}>-</td>'
    number = _NUMBER.match(text.lstrip('[').replace('no difference', '0'))
    value = number.group() if number else text
    return f'<td {of} data-v="{html.escape(value)}">{html.escape(text)}</td>'


def _warnings(outcome: Setting) -> str:
    if not outcome['warnings']:
        return ''
    items = ''.join(f'<li>{html.escape(note)}</li>' for note in outcome['warnings'])
    return f'<ul class="warnings">{items}</ul>'


_COSTS = {
    'parameters, M': ('parameters', 1e-6, '.3f'),
    'multiply-adds, G': ('flops', 1e-9, '.3f'),
    'step, ms': ('step_seconds', 1e3, '.0f'),
    'GPU memory, MiB': ('gpu_memory', 2**-20, '.0f'),
    'process memory, MiB': ('process_memory', 2**-20, '.0f'),
    'run, min': ('wall_seconds', 1 / 60, '.1f'),
}
"""Key in an arm, factor and format of each column."""
_COST_NOTE = (
    'Parameters and multiply-adds are those of one image at inference, as MMEngine counts them; '
    'teacher and adapters are gone by then. Steps are medians over a run, memory is the largest of '
    'a run; both were measured while other runs shared the machine.'
)


def _cost_rows(outcome: Setting) -> list[list[str]]:
    return [
        [arm['title'], *(number(arm.get(key), form, k) for key, k, form in _COSTS.values())]
        for arm in outcome['arms'].values()
    ]


def _figures(figures: Figures, mime: str, **options: Any) -> Iterator[str]:
    """Headings, figures and captions; the pictures stand in the page itself."""
    for name, (figure, caption) in figures.items():
        name, caption = html.escape(name), html.escape(caption)
        content = base64.b64encode(encode(figure, mime.partition('+')[0], **options)).decode()
        yield (
            f'<h2>{name}</h2><figure><img alt="{name}: {caption}" '
            f'src="data:image/{mime};base64,{content}">'
            f'<figcaption>{caption}</figcaption></figure>'
        )


def encode(figure: Figure, kind: str, **options: Any) -> bytes:
    """A figure as the content of a file of this kind."""
    file = io.BytesIO()
    figure.savefig(file, format=kind, facecolor='white', **options)
    return file.getvalue()


def _runs(runs: Sequence[Setting]) -> list[str]:
    """Exact config and versions of every run; configs after the first of their kind as changes."""
    parts: list[str] = []
    full: dict[str, tuple[str, str]] = {}
    seen: dict[str, str] = {}
    for run in runs:
        name = run['title'] if run['seed'] is None else f'{run["title"]}, seed {run["seed"]}'
        kind = 'teacher' if run['arm'] == 'teacher' else 'student'
        if kind not in full:
            full[kind] = name, run['config']
            text, what = run['config'], 'whole config'
        else:
            text = _changes(full[kind][1], run['config'])
            what = f'config as changes to that of {full[kind][0]}'
        versions = '\n'.join(f'{key}: {value}' for key, value in run['versions'].items())
        first = seen.setdefault(versions, name)
        same = versions if first == name else f'as for {first}'
        facts = f'value: {run["value"]}\nstarts: {run["starts"]}\n' + '\n'.join(
            f'sha256 of {key}: {value}' for key, value in run['fingerprint'].items()
        )
        parts.append(
            f'<details><summary>{html.escape(name)}</summary>'
            f'<pre>{html.escape(facts)}</pre><p>Versions</p><pre>{html.escape(same)}</pre>'
            f'<p>{html.escape(what)}</p><pre>{html.escape(text)}</pre></details>'
        )
    return parts


def _changes(first: str, second: str) -> str:
    lines = difflib.unified_diff(first.splitlines(), second.splitlines(), lineterm='', n=1)
    return '\n'.join(list(lines)[2:]) or 'the same'
