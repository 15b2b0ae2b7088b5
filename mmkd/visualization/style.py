"""What all figures share: colours, canvas, boxes, file.

Figures are drawn on Agg canvases of their own, without pyplot: no display, no global state.
"""

import itertools
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ..utils.errors import UserFileExistsError
from ..utils.types import Entries

# Okabe and Ito's palette: told apart with every form of colour blindness. Source: Color Universal
# Design, https://jfly.uni-koeln.de/color/ (2008). Yellow is left out: too pale on white paper.
BLACK, BLUE, ORANGE, GREEN = '#000000', '#0072B2', '#E69F00', '#009E73'
VERMILION, SKY, PURPLE = '#D55E00', '#56B4E9', '#CC79A7'

# The second sign beside the colour, so that lines differ in black and white too.
LINES: tuple[tuple[str, str, str], ...] = (
    (BLACK, '--', 's'),
    (ORANGE, '-.', '^'),
    (BLUE, '-', 'o'),
    (GREEN, ':', 'D'),
    (PURPLE, (0, (5, 1, 1, 1, 1, 1)), 'v'),  # type: ignore[assignment]
    (VERMILION, (0, (1, 1)), 'P'),  # type: ignore[assignment]
)

_DPI = 150
_LABEL = 6
"""Points of the name of a box."""

_LETTERS_PER_INCH = 110
"""Over the size in points: how much of a title fits."""

_SIGN, _LETTER = 0.6, 0.065
"""Inches of a sign with its gaps, and of a letter, in a legend."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def new_panels(
    count: int, columns: int, width: float, height: float, title: str = ''
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels of so many inches each, with room below for a legend."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = new_figure(width * columns, height * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.set_axis_off()
    if title:
        figure.suptitle(_wrapped(title, width * columns, 10), fontsize=10)
    return figure, list(panels[:count])


def check_free(paths: Sequence[Path], *, force: bool = False) -> None:
    """Refuses to overwrite.

    Raises:
        FileExistsError: Some of the files exist and ``force`` is not set.
    """
    taken = [path for path in paths if path.exists()]
    if taken and not force:
        more = f' and {len(taken) - 1} more exist' if len(taken) > 1 else ' exists'
        raise UserFileExistsError(
            f'{taken[0]}{more}: name another folder, or replace the files with --force.'
        )


def save_figure(figure: Figure, path: str | Path, *, force: bool = False) -> Path:
    """Writes a PNG, and its folder where that is missing.

    Raises:
        FileExistsError: The file exists and ``force`` is not set.
    """
    path = Path(path)
    check_free([path], force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format='png', facecolor='white')
    return path


def figure_pixels(figure: Figure) -> np.ndarray:
    """The drawn figure, (H, W, 3) uint8 RGB."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # of new_figure
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def finish_axes(axes: Axes, xlabel: str, ylabel: str, title: str, size: float = 9) -> None:
    """Labels, grid and two spines of a plot; ``size`` in points."""
    axes.set_xlabel(xlabel, fontsize=size)
    axes.set_ylabel(ylabel, fontsize=size)
    set_title(axes, title, size)
    axes.tick_params(which='both', labelsize=size - 1)
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)


def few_ticks(count: int, *, integer: bool = False) -> MaxNLocator:
    """About ``count`` ticks at round numbers."""
    return MaxNLocator(count, integer=integer, steps=[1, 2, 5, 10])


def shared_legend(figure: Figure, panels: Iterable[Axes], columns: int) -> None:
    """One legend below all panels, each label once."""
    shown = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    legend_below(figure, min(len(shown), columns), handles=shown.values(), labels=shown.keys())


def legend_below(figure: Figure, columns: int, **entries: Any) -> None:
    """A legend of ``handles`` under the panels, in as many columns as fit the width."""
    labels = entries.get('labels') or [handle.get_label() for handle in entries['handles']]
    widest = _SIGN + _LETTER * max(map(len, labels))
    columns = max(1, min(columns, int(figure.get_figwidth() / widest)))
    look = dict(loc='outside lower center', ncols=columns, frameon=False, fontsize=8)
    figure.legend(**entries, **look)


def show_image(axes: Axes, image: np.ndarray, title: str) -> None:
    """Fills an axes with an RGB image, (H, W, 3) uint8; pixel i covers [i, i + 1)."""
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0), interpolation='nearest')
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    set_title(axes, title, 9)


def set_title(axes: Axes, title: str, size: float) -> None:
    """A title of ``size`` points that is no wider than its panel."""
    axes.set_title(_wrapped(title, _width(axes), size), fontsize=size)


def _width(axes: Axes) -> float:
    """Inches of a panel, about."""
    figure, place = axes.get_figure(), axes.get_subplotspec()
    assert isinstance(figure, Figure) and place is not None  # of `subplots`
    return figure.get_figwidth() / place.get_gridspec().ncols


def _wrapped(text: str, inches: float, size: float) -> str:
    letters = max(8, int(inches * _LETTERS_PER_INCH / size))
    return '\n'.join(textwrap.fill(line, letters) for line in text.split('\n'))


def add_boxes(axes: Axes, boxes: np.ndarray, colour: str, linestyle: Any = '-') -> None:
    """Outlines boxes, (N, 4) xyxy pixels, with a dark rim that shows on bright images."""
    for x1, y1, x2, y2 in np.asarray(boxes, dtype=float).reshape(-1, 4):
        rim = [withStroke(linewidth=2.6, foreground=BLACK, alpha=0.55)]
        look: Entries = dict(fill=False, edgecolor=colour, linewidth=1.4, linestyle=linestyle)
        look['path_effects'] = rim if linestyle == '-' else None
        axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **look))


def add_labels(
    axes: Axes, boxes: np.ndarray, labels: Sequence[str], colours: Sequence[Any]
) -> None:
    """Names boxes, (N, 4) xyxy pixels, each at an edge of its own, within the image.

    A label that would cover an earlier one wherever it stood is left out.
    """
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    point = right / (72 * _width(axes))  # pixels
    high = 1.5 * _LABEL * point
    taken: list[tuple[float, float, float, float]] = []
    for (x1, y1, x2, y2), label, colour in zip(boxes, labels, colours, strict=True):
        wide = (0.62 * len(label) + 0.5) * _LABEL * point
        for x, y in itertools.product(
            (x1, x2 - wide, (x1 + x2 - wide) / 2), (y1 - high, y1, y2, y2 - high)
        ):
            x, y = np.clip(x, 0, max(0, right - wide)), np.clip(y, 0, max(0, bottom - high))
            place = x, y, x + wide, y + high
            if not any(_overlap(place, other) for other in taken):
                taken.append(place)
                look: Entries = dict(facecolor=colour, edgecolor='none', alpha=0.85, pad=0.6)
                text: Entries = dict(fontsize=_LABEL, color='white', va='center', ha='center')
                axes.text(x + wide / 2, y + high / 2, label, bbox=look, clip_on=True, **text)
                break


def _overlap(first: Sequence[float], second: Sequence[float]) -> bool:
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )
