"""The figures of a study. Each arm keeps one colour, line and marker in all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmkd.utils.types import Entries, Setting
from mmkd.visualization.curves import RunScalars, draw_loss_curves, styles
from mmkd.visualization.style import finish_axes, new_figure, shared_legend

from .plan import TEACHER

_FONT = 8.5
# Points of a loss curve: more than a figure of this width can show.
_POINTS = 100
Runs = Mapping[str, Sequence[RunScalars]]


def draw_results(arms: Setting, metric: str) -> Figure:
    """Every seed's result, means with intervals; beside it the paired differences."""
    figure = new_figure(8.2, 0.9 + 0.42 * len(arms))
    left, right = figure.subplots(1, 2, sharey=True)
    for row, (arm, look) in enumerate(zip(arms.values(), _looks(len(arms)), strict=True)):
        _sample(left, row, list(arm['values'].values()), arm['summary'], look)
        if pair := arm['paired']:
            _sample(right, row, pair['differences'], pair['summary'], look)
    if TEACHER in arms:
        left.axvline(arms[TEACHER]['summary']['mean'], color='0.6', linestyle=':', linewidth=1)
    right.axvline(0, color='0.3', linewidth=1)
    left.set_yticks(range(len(arms)), [arm['title'] for arm in arms.values()], fontsize=_FONT)
    left.invert_yaxis()
    finish_axes(left, metric, '', 'result of each seed; bar: mean and 95% interval', _FONT)
    finish_axes(right, f'difference in {metric}', '', 'minus the student alone, same seed', _FONT)
    return figure


def draw_learning(runs: Runs, metric: str) -> Figure:
    """The metric by epoch: mean over seeds, and the range of the seeds shaded."""
    figure = new_figure(6.4, 3.8)
    axes = figure.subplots()
    for (title, logs), (colour, line, marker) in zip(runs.items(), styles(len(runs)), strict=True):
        curves = [log.val[metric] for log in logs if metric in log.val]
        if not curves:
            continue  # a teacher that was only tested has no curve
        steps, table = _common(curves)
        look = dict(color=colour, linestyle=line, marker=marker, markersize=4)
        axes.plot(steps, table.mean(0), label=title, **look)
        if len(table) > 1:
            axes.fill_between(steps, table.min(0), table.max(0), color=colour, alpha=0.15, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish_axes(axes, 'epoch', metric, 'mean over seeds; shaded: least to largest', _FONT)
    axes.legend(fontsize=_FONT, frameon=False)
    return figure


def draw_losses(runs: Runs) -> Figure:
    """Each training loss by iteration, mean over seeds."""
    means = {}
    for title, logs in runs.items():
        merged = RunScalars()
        for name in {name for log in logs for name in log.train if 'loss' in name}:
            steps, table = _common([log.train[name] for log in logs if name in log.train])
            thin = slice(None, None, max(1, len(steps) // _POINTS))
            merged.train[name] = steps[thin], list(table.mean(0)[thin])
        means[title] = merged
    return draw_loss_curves(means)


def draw_costs(arms: Setting, costs: Mapping[str, Mapping[str, int]], metric: str) -> Any:
    """Accuracy against what a training step takes, and against FLOPs (``costs``) at inference."""
    figure = new_figure(8.2, 3.5)
    left, right = figure.subplots(1, 2, sharey=True)
    for (name, arm), look in zip(arms.items(), _looks(len(arms)), strict=True):
        if arm['step_seconds']:
            _point(left, arm['step_seconds'] * 1000, arm, look)
        if name in costs:
            _point(right, costs[name]['flops'] / 1e9, arm, look)
    finish_axes(left, 'training step, ms (median)', metric, 'accuracy and cost of training', _FONT)
    finish_axes(right, 'multiply-adds of an image, G', '', 'accuracy and cost of inference', _FONT)
    for axes in (left, right):
        axes.margins(x=0.15)
        axes.set_xlim(left=0)
    shared_legend(figure, (right, left), 4)
    return figure


def _looks(count: int) -> list[Entries]:
    """Colour and marker of each arm; its marks are not joined by a line."""
    return [
        dict(color=colour, marker=marker, linestyle='none') for colour, _, marker in styles(count)
    ]


def _point(axes: Axes, x: float, arm: Setting, look: Setting) -> None:
    mean, low, high = (arm['summary'][key] for key in ('mean', 'low', 'high'))
    bars = None if low is None else [[mean - low], [high - mean]]
    shape = dict(markersize=6, capsize=3, linewidth=1.2, **look)
    axes.errorbar(x, mean, yerr=bars, label=arm['title'], **shape)


def _sample(axes: Axes, row: int, values: Sequence[float], summary: Setting, look: Setting) -> None:
    """Seeds as open signs, the mean as a filled one, its interval as a bar."""
    if summary['low'] is not None:
        ends = [summary['low'], summary['high']]
        axes.plot(ends, [row, row], color=look['color'], linewidth=1.6)
    axes.plot(values, [row + 0.24] * len(values), markersize=4, markerfacecolor='none', **look)
    axes.plot(summary['mean'], row, markersize=6.5, **look)


def _common(curves: Sequence[tuple[Sequence[int], Sequence[float]]]) -> tuple[list[int], Any]:
    """The steps that all curves have, and (curves, steps) values."""
    steps = sorted(set.intersection(*(set(steps) for steps, _ in curves)))
    return steps, np.array(
        [[dict(zip(*curve, strict=True))[step] for step in steps] for curve in curves]
    )
