"""What all figures share: colours, canvas, boxes, file.

Figures are drawn on Agg canvases of their own, without pyplot: no display, no global state.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

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
        figure.suptitle(title, fontsize=10)
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
    axes.set_title(title, fontsize=size)
    axes.tick_params(which='both', labelsize=size - 1)
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)


def shared_legend(figure: Figure, panels: Iterable[Axes], columns: int) -> None:
    """One legend below all panels, each label once."""
    shown = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    legend_below(figure, min(len(shown), columns), handles=shown.values(), labels=shown.keys())


def legend_below(figure: Figure, columns: int, **entries: Any) -> None:
    """A legend of ``handles`` under the panels."""
    look = dict(loc='outside lower center', ncols=columns, frameon=False, fontsize=8)
    figure.legend(**entries, **look)


def show_image(axes: Axes, image: np.ndarray, title: str) -> None:
    """Fills an axes with an RGB image, (H, W, 3) uint8; pixel i covers [i, i + 1)."""
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0), interpolation='nearest')
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_title(title, fontsize=9)


def add_boxes(
    axes: Axes,
    boxes: np.ndarray,
    colour: str,
    linestyle: Any = '-',
    labels: Sequence[str] | None = None,
) -> None:
    """Outlines boxes, (N, 4) xyxy pixels, with a dark rim that shows on bright images."""
    for i, (x1, y1, x2, y2) in enumerate(np.asarray(boxes, dtype=float).reshape(-1, 4)):
        rim = [withStroke(linewidth=2.6, foreground=BLACK, alpha=0.55)]
        look: Entries = dict(fill=False, edgecolor=colour, linewidth=1.4, linestyle=linestyle)
        look['path_effects'] = rim if linestyle == '-' else None
        axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **look))
        if labels is not None:
            side = 'bottom' if y1 > 9 else 'top'  # below the upper edge where there is no room
            ground = dict(facecolor=colour, edgecolor='none', alpha=0.85, pad=0.6)
            text: Entries = dict(fontsize=6, color='white', va=side, clip_on=True, bbox=ground)
            axes.text(x1, y1, labels[i], **text)
