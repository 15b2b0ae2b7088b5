"""Learning and loss curves from MMEngine's ``vis_data/scalars.json``."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from ..utils.errors import UserError, UserFileNotFoundError
from .style import LINES, few_ticks, finish_axes, new_figure, new_panels, shared_legend

_SCALARS = 'vis_data/scalars.json'
_ALL = 'loss'
# Points of the log over which a loss is averaged: batches of four say little one by one.
_SMOOTH = 5
# Ends of a logarithmic axis whose ratio is below it have fewer than four of 1, 2, 5 between them.
_NARROW = 12


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
    figure = new_figure(5.6, 4.0)
    axes = figure.subplots()
    for (name, run), (colour, line, marker) in zip(runs.items(), styles(len(runs)), strict=True):
        if metric not in run.val:
            raise UserError(f'{name} logged no {metric!r}, only {sorted(run.val)}.')
        steps, values = run.val[metric]
        look = dict(color=colour, linestyle=line, marker=marker, markersize=4)
        axes.plot(steps, values, label=f'{name} ({values[-1]:.3f})', **look)
    axes.xaxis.set_major_locator(few_ticks(8, integer=True))
    finish_axes(axes, 'epoch', ylabel or metric, title)
    shared_legend(figure, [axes], 3)
    return figure


def draw_loss_curves(
    runs: Mapping[str, RunScalars], names: Mapping[str, str] | None = None, title: str = ''
) -> Figure:
    """Losses per iteration, one panel per loss, each on a logarithmic scale.

    Runs are by their name for the legend; ``names`` has the losses to draw and their titles, in
    order; by default every one that any run logged. In place of ``loss``, of which a method's part
    is in some runs alone, the :func:`task_loss` is drawn.

    Raises:
        ValueError: No run has logged any of the losses.
    """
    logged = sorted({name for run in runs.values() for name in run.train if 'loss' in name})
    titles = names or {name: name for name in logged} | {_ALL: 'task losses together'}
    task = task_losses(runs.values())
    wanted = {name: label for name, label in titles.items() if name in logged}
    if not wanted:
        raise UserError(f'no run has logged any of {sorted(names or {})}; there are {logged}.')
    figure, panels = new_panels(len(wanted), 3, 3.4, 2.6, title)
    for axes, (key, label) in zip(panels, wanted.items(), strict=True):
        for (name, run), (colour, line, _) in zip(runs.items(), styles(len(runs)), strict=True):
            if key in run.train:
                curve = task_loss(run, task) if key == _ALL else run.train[key]
                plot_loss(axes, curve, label=name, color=colour, linestyle=line)
        finish_losses(axes, label)
    shared_legend(figure, panels, 6)
    return figure


def task_losses(runs: Iterable[RunScalars]) -> list[str]:
    """The losses that all runs have: the student's own, where one of them is of it alone."""
    logged = [{name for name in run.train if 'loss' in name} for run in runs if run.train]
    return sorted(set.intersection(*logged) - {_ALL}) if logged else []


def task_loss(run: RunScalars, names: Iterable[str]) -> tuple[list[int], list[float]]:
    """The sum of these losses of a run by iteration; without names that of all."""
    curves = [run.train[name] for name in names] or [run.train[_ALL]]
    return curves[0][0], np.sum([values for _, values in curves], axis=0).tolist()


def plot_loss(axes: Axes, curve: tuple[list[int], list[float]], **look: Any) -> None:
    """A smoothed line, or a point where one value was logged."""
    steps, values = curve
    axes.plot(steps, smooth(values, _SMOOTH), marker='.' if len(steps) == 1 else '', **look)


def finish_losses(axes: Axes, title: str) -> None:
    """A logarithmic axis with plain numbers, a few of them also where its range is narrow."""
    axes.set_yscale('log')
    low, high = axes.get_ylim()
    locator = few_ticks(5) if high < _NARROW * low else LogLocator(subs=(1, 2, 5))
    axes.yaxis.set_major_locator(locator)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f'{value:.3g}')
    axes.xaxis.set_major_locator(few_ticks(4, integer=True))
    finish_axes(axes, 'iteration', '', title)


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
