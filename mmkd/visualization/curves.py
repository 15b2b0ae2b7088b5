"""Learning and loss curves from MMEngine's ``vis_data/scalars.json``."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..utils.errors import UserError, UserFileNotFoundError
from .style import LINES, finish_axes, new_figure, new_panels, shared_legend

_SCALARS = 'vis_data/scalars.json'
# Points of the log over which a loss is averaged: batches of four say little one by one.
_SMOOTH = 5


@dataclass(frozen=True)
class RunScalars:
    """What one run logged by name: (iterations from 1, values) of training, and of validation.

    Validation's are by epochs; for iteration-based runs, iterations.
    """

    train: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    val: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)


def read_run(work_dir: str | Path) -> RunScalars:
    """Reads a run's newest log, of its work directory or a ``scalars.json``.

    Raises:
        FileNotFoundError: There is no log.
        ValueError: A line that is not the last is not valid JSON; names file and line.
    """
    path = Path(work_dir)
    logs = [path] if path.is_file() else sorted(path.glob(f'*/{_SCALARS}'))
    if not logs:
        raise UserFileNotFoundError(f'no */{_SCALARS} below {path}: has the run started?')
    log = logs[-1]  # MMEngine makes one folder per start
    lines = log.read_text(errors='replace').splitlines()
    run = RunScalars()
    for number, line in enumerate(lines, 1):
        try:
            _sort_in(run, json.loads(line))
        except ValueError as error:
            if number == len(lines):  # being written at this moment
                break
            raise UserError(f'{log}, line {number} is not valid JSON: {error}.') from error
        except (AttributeError, KeyError, OverflowError, RecursionError, TypeError) as error:
            raise UserError(f'{log}, line {number} is not as MMEngine writes it.') from error
    return run


def _sort_in(run: RunScalars, entry: dict) -> None:
    """Training entries carry their iteration, validation entries only the step."""
    part = run.train if 'iter' in entry and 'lr' in entry else run.val
    step = int(entry.get('iter', entry.get('step', 0)) if part is run.train else entry['step'])
    for name, value in entry.items():
        if isinstance(value, (int, float)) and name not in ('step', 'iter'):
            steps, values = part.setdefault(name, ([], []))
            steps.append(step)
            values.append(float(value))


def draw_metric_curves(
    runs: Mapping[str, RunScalars], metric: str, ylabel: str = '', title: str = ''
) -> Figure:
    """A metric per epoch, one line per run, its last value beside the line's end.

    Runs are by their name for the legend; ``metric`` is the name in the log, e.g.
    ``'pascal_voc/mAP'``, and the label of the axis unless ``ylabel`` is.

    Raises:
        ValueError: A run has not logged ``metric``; lists what it has.
    """
    figure = new_figure(5.6, 3.6)
    axes = figure.subplots()
    for (name, run), (colour, line, marker) in zip(runs.items(), styles(len(runs)), strict=True):
        if metric not in run.val:
            raise UserError(f'{name} logged no {metric!r}, only {sorted(run.val)}.')
        steps, values = run.val[metric]
        look = dict(color=colour, linestyle=line, marker=marker, markersize=4)
        axes.plot(steps, values, label=f'{name} ({values[-1]:.3f})', **look)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish_axes(axes, 'epoch', ylabel or metric, title)
    axes.legend(fontsize=8, frameon=False)
    return figure


def draw_loss_curves(
    runs: Mapping[str, RunScalars], names: Mapping[str, str] | None = None, title: str = ''
) -> Figure:
    """Losses per iteration, one panel per loss, each on a logarithmic scale.

    Runs are by their name for the legend; ``names`` has the losses to draw and their titles, in
    order; by default every one that any run logged.

    Raises:
        ValueError: No run has logged any of the losses.
    """
    logged = sorted({name for run in runs.values() for name in run.train if 'loss' in name})
    titles = names or {name: name for name in logged}
    wanted = {name: label for name, label in titles.items() if name in logged}
    if not wanted:
        raise UserError(f'no run has logged any of {sorted(names or {})}; there are {logged}.')
    figure, panels = new_panels(len(wanted), 3, 3.4, 2.6, title)
    for axes, (key, label) in zip(panels, wanted.items(), strict=True):
        for (name, run), (colour, line, _) in zip(runs.items(), styles(len(runs)), strict=True):
            if key in run.train:
                steps, values = run.train[key]
                look = dict(color=colour, linestyle=line, marker='.' if len(steps) == 1 else '')
                axes.plot(steps, smooth(values, _SMOOTH), label=name, **look)
        axes.set_yscale('log')
        axes.yaxis.set_major_formatter(_plain_number)
        axes.yaxis.set_minor_formatter(_plain_number)
        finish_axes(axes, 'iteration', '', label)
    shared_legend(figure, panels, 2 * min(len(wanted), 3))
    return figure


def smooth(values: list[float], width: int) -> np.ndarray:
    """Mean over a window of ``width`` around each point, narrower at both ends."""
    array = np.asarray(values, dtype=float)
    ones = np.ones(width)
    counts = np.convolve(np.ones_like(array), ones, mode='full')
    sums = np.convolve(array, ones, mode='full')
    start = (width - 1) // 2
    return (sums / counts)[start : start + len(array)]


def styles(count: int) -> list[tuple]:
    """Colour, line and marker of each line; past the palette's end their pairs differ."""
    kinds = len(LINES)
    return [(LINES[i % kinds][0], *LINES[(i + i // kinds) % kinds][1:]) for i in range(count)]


def _plain_number(value: float, _: object) -> str:
    """Label of a tick of a logarithmic axis: 1, 2 and 5 of each decade, without exponent."""
    digit = round(value / 10 ** math.floor(math.log10(value)))
    return f'{value:g}' if digit in (1, 2, 5) else ''
