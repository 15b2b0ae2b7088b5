"""``report.html``: the whole study in one file that needs no network."""

import base64
import difflib
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from mmkd.utils.types import Setting

from .page import SCRIPT, STYLE
from .table import HEADER, NOTE, class_names, class_rows, number, rows

DPI = 110
_NUMBER = re.compile(r'[-+]?\d*\.?\d+')
Figures = Mapping[str, tuple[Figure, str]]


def render(outcome: Setting, plots: Figures, pictures: Figures) -> str:
    """The page.

    Args:
        outcome: What ``study.json`` holds.
        plots: Figure and caption by heading; drawn as SVG.
        pictures: The same for figures that show photographs; drawn as JPEG.
    """
    title = html.escape(f'{outcome["study"]}: {outcome["metric"]}')
    parts = [
        f'<h1>{title}</h1>',
        f'<p class="note">mmkd {outcome["mmkd"]}. {html.escape(_scope(outcome))}</p>',
        '<h2>Result</h2>',
        table(HEADER, rows(outcome)),
        f'<p class="note">{html.escape(NOTE)}</p>',
        _warnings(outcome),
        *(_figure(name, _svg(figure), caption) for name, (figure, caption) in plots.items()),
        '<h2>AP by class</h2>',
        table(('model', *class_names(outcome)), class_rows(outcome)),
        '<p class="note">Mean over seeds ± standard deviation.</p>',
        '<h2>Cost</h2>',
        table(_COST_HEADER, _cost_rows(outcome)),
        f'<p class="note">{_COST_NOTE}</p>',
        *(_figure(name, _jpeg(figure), caption) for name, (figure, caption) in pictures.items()),
        '<h2>Runs</h2>',
        *_runs(outcome['runs']),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style></head>\n<body>\n'
        + '\n'.join(part for part in parts if part)
        + f'\n<script>{SCRIPT}</script></body></html>\n'
    )


def table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A sortable table; cells that begin with a number are sorted by it, dashes come last."""
    heads = ''.join(
        f'<th scope="col"><button type="button">{html.escape(name)}</button></th>'
        for name in header
    )
    lines = ''.join(f'<tr>{"".join(map(_cell, row))}</tr>' for row in body)
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{heads}</tr></thead>'
        f'<tbody>{lines}</tbody></table></div>'
    )


def _cell(text: str) -> str:
    if text == '-':
        return '<td>-</td>'
    number = _NUMBER.match(text.lstrip('['))
    value = number.group() if number else text
    return f'<td data-v="{html.escape(value)}">{html.escape(text)}</td>'


def _scope(outcome: Setting) -> str:
    done, missing = len(outcome['runs']), outcome['missing']
    text = f'{done} runs. '
    return text + (f'Not finished: {", ".join(missing)}.' if missing else 'All are finished.')


def _warnings(outcome: Setting) -> str:
    if not outcome['warnings']:
        return ''
    items = ''.join(f'<li>{html.escape(note)}</li>' for note in outcome['warnings'])
    return f'<ul class="warnings">{items}</ul>'


_COST_HEADER = (
    'model',
    'parameters, M',
    'multiply-adds, G',
    'step, ms',
    'GPU memory, MiB',
    'process memory, MiB',
    'run, min',
)
_COST_NOTE = (
    'Parameters and multiply-adds are those of one image at inference, as MMEngine counts them; '
    'teacher and adapters are gone by then. Steps are medians over a run, memory is the largest of '
    'a run; both were measured while other runs shared the machine.'
)


def _cost_rows(outcome: Setting) -> list[list[str]]:
    columns = (
        ('parameters', 1e-6, '.3f'),
        ('flops', 1e-9, '.3f'),
        ('step_seconds', 1e3, '.0f'),
        ('gpu_memory', 2**-20, '.0f'),
        ('process_memory', 2**-20, '.0f'),
        ('wall_seconds', 1 / 60, '.1f'),
    )
    return [
        [arm['title'], *(number(arm.get(key), form, scale) for key, scale, form in columns)]
        for arm in outcome['arms'].values()
    ]


def _figure(name: str, source: str, caption: str) -> str:
    name, caption = html.escape(name), html.escape(caption)
    return (
        f'<h2>{name}</h2><figure><img alt="{name}: {caption}" src="{source}">'
        f'<figcaption>{caption}</figcaption></figure>'
    )


def _svg(figure: Figure) -> str:
    return _embedded('svg+xml', encode(figure, 'svg', metadata={'Date': None}))


def _jpeg(figure: Figure) -> str:
    return _embedded('jpeg', encode(figure, 'jpeg', dpi=DPI, pil_kwargs=dict(quality=60)))


def _embedded(kind: str, content: bytes) -> str:
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'


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
