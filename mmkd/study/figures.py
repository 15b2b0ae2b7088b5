"""The figures of a study. Each arm keeps one colour, line and marker in all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmkd.utils.types import Entries, Setting
from mmkd.visualization.curves import (
    RunScalars,
    draw_loss_curves,
    finish_losses,
    plot_loss,
    styles,
    task_loss,
    task_losses,
)
from mmkd.visualization.style import (
    BLACK,
    BLUE,
    LINES,
    few_ticks,
    finish_axes,
    legend_below,
    new_figure,
    new_panels,
)

from .plan import TEACHER

_FONT = 8.5
# Points of a loss curve: more than a figure of this width can show.
_POINTS = 100
# At most so many beside each other, inches of each.
_PANELS = 4, 2.4, 2.0
_ONE_PANEL = 1, 4.8, 3.2
_ALONE: Entries = dict(color=BLACK, linestyle='--')
_ARM: Entries = dict(color=BLUE)
_OWN = [':', '-.', (0, (5, 1, 1, 1, 1, 1))]
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
    _name_rows(left, arms)
    finish_axes(left, metric, '', 'result of each seed; bar: mean and 95% interval', _FONT)
    finish_axes(right, f'difference in {metric}', '', 'minus the student alone, same seed', _FONT)
    return figure


def draw_learning(runs: Runs, metric: str, alone: str | None = None) -> Figure:
    """The metric by epoch, a panel an arm: mean over seeds, and the range of the seeds shaded.

    ``alone`` is the title of the student alone, which is in every panel.
    """
    curves = {
        title: _common([log.val[metric] for log in logs if metric in log.val])
        for title, logs in runs.items()
        if any(metric in log.val for log in logs)  # a teacher that was only tested has none
    }
    shown = _shown(curves, alone)
    size = _PANELS if len(shown) > 1 else _ONE_PANEL
    title = f'{metric}: mean over seeds; shaded: least to largest'
    figure, panels = new_panels(len(shown), *size, title)
    ends = [table for _, table in curves.values()]
    for title, axes in zip(shown, panels, strict=True):
        for name, kind in {title: _ARM, alone: _ALONE}.items():
            if name in curves:
                steps, table = curves[name]
                axes.plot(steps, table.mean(0), label=name, **kind)
                shade = dict(color=kind['color'], alpha=0.15, lw=0)
                axes.fill_between(steps, table.min(0), table.max(0), **shade)
        low, high = min(table.min() for table in ends), max(table.max() for table in ends)
        margin = 0.05 * (high - low) or 0.01
        axes.set_ylim(low - margin, high + margin)
        axes.xaxis.set_major_locator(few_ticks(5, integer=True))
        axes.yaxis.set_major_locator(few_ticks(5))
        finish_axes(axes, 'epoch', '', f'{title}: {curves[title][1].mean(0)[-1]:.3f}', _FONT)
    _legend_of_alone(figure, alone if alone in curves else None)
    return figure


def draw_losses(runs: Runs, alone: str | None = None) -> Figure:
    """Training losses by iteration, mean over seeds.

    Of a few arms each loss has a panel. Of more than there are colours each arm has one, with the
    sum of its task losses beside that of the student alone (its title: ``alone``), and with its
    methods' losses.
    """
    means = {}
    for title, logs in runs.items():
        merged = RunScalars()
        for name in {name for log in logs for name in log.train if 'loss' in name}:
            steps, table = _common([log.train[name] for log in logs if name in log.train])
            thin = slice(None, None, max(1, len(steps) // _POINTS))
            merged.train[name] = steps[thin], list(table.mean(0)[thin])
        if merged.train:
            means[title] = merged
    if len(means) <= len(LINES):
        return draw_loss_curves(means)
    task = task_losses(means.values())
    shown = _shown(means, alone)
    figure, panels = new_panels(len(shown), *_PANELS)
    for title, axes in zip(shown, panels, strict=True):
        for arm, kind in {title: _ARM, alone: _ALONE}.items():
            if arm in means:
                plot_loss(axes, task_loss(means[arm], task), **kind)
        own = [name for name in sorted(means[title].train) if name not in (*task, 'loss')]
        for name, line in zip(own, _OWN * len(own), strict=False):
            plot_loss(axes, means[title].train[name], label=name, color=BLUE, ls=line)
        finish_losses(axes, title)
        if own:
            axes.legend(fontsize=6.5, frameon=False)
    figure.suptitle("full lines: task losses together; others: the methods' losses", fontsize=_FONT)
    _legend_of_alone(figure, alone if alone in means else None)
    return figure


def draw_costs(arms: Setting, costs: Mapping[str, Mapping[str, int]], metric: str) -> Any:
    """A row an arm: accuracy, time of a training step, and FLOPs (``costs``) at inference."""
    figure = new_figure(8.2, 0.9 + 0.3 * len(arms))
    panels = figure.subplots(1, 3, sharey=True)
    for row, ((name, arm), look) in enumerate(zip(arms.items(), _looks(len(arms)), strict=True)):
        mean, low, high = (arm['summary'][key] for key in ('mean', 'low', 'high'))
        if low is not None:
            panels[0].plot([low, high], [row, row], color=look['color'], linewidth=1.6)
        flops = costs[name]['flops'] / 1e9 if name in costs else None
        step = arm['step_seconds'] and arm['step_seconds'] * 1000
        for axes, value in zip(panels, (mean, step, flops), strict=True):
            if value is not None:
                axes.plot(value, row, markersize=6.5, **look)
    titles = {metric: 'accuracy', 'ms (median)': 'training step', 'G': 'multiply-adds of an image'}
    for axes, (unit, title) in zip(panels, titles.items(), strict=True):
        axes.xaxis.set_major_locator(few_ticks(5))
        finish_axes(axes, unit, '', title, _FONT)
    for axes in panels[1:]:
        axes.set_xlim(0, axes.get_xlim()[1])
    _name_rows(panels[0], arms)
    return figure


def _shown(arms: Mapping[str, Any], alone: str | None) -> list[str]:
    """Titles of the panels."""
    return [title for title in arms if title != alone] or [*arms]


def _legend_of_alone(figure: Figure, alone: str | None) -> None:
    if alone is not None:
        legend_below(figure, 1, handles=[Line2D([], [], label=alone, **_ALONE)])


def _name_rows(axes: Axes, arms: Setting) -> None:
    axes.set_yticks(range(len(arms)), [arm['title'] for arm in arms.values()], fontsize=_FONT)
    axes.set_ylim(len(arms) - 0.5, -0.5)  # seeds are marked below their mean


def _looks(count: int) -> list[Entries]:
    """Colour and marker of each arm; its marks are not joined by a line."""
    return [
        dict(color=colour, marker=marker, linestyle='none') for colour, _, marker in styles(count)
    ]


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
