"""The cells of each level in which the student imitates, and where its maps differ.

A cell is drawn around the centre of its anchors, which for MMDetection's anchors is the upper left
corner of the pixels [x * stride, (x + 1) * stride) that its features are of.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..utils.errors import UserError
from .style import BLUE, ORANGE, SKY, add_boxes, legend_below, new_panels, show_image

_COLUMNS = 3
# Kept cells are tinted and the others dimmed, so that both show on any image.
_TINT, _DIM = 0.55, 0.4
_NO_OBJECT = '\nthe image has no object'
_OF_OTHER_SIZES = "\nno object of this level's size"


def draw_imitation(
    image: np.ndarray,
    masks: Sequence[np.ndarray],
    strides: Sequence[int],
    gt_bboxes: np.ndarray,
    gt_ignored: np.ndarray,
    title: str = '',
    offset: float = 0.5,
) -> Figure:
    """One panel a level: image, boxes, and the kept cells, each as large as its stride.

    Args:
        image: (H, W, 3) uint8 RGB, as the network sees it before normalisation.
        masks: Per level (h, w) bool; cells beyond the image (padding) are cut off.
        strides: Per level, pixels of ``image``.
        gt_bboxes: (G, 4) xyxy pixels of ``image``.
        gt_ignored: (I, 4): crowd, difficult or ignored boxes, drawn dashed.
        title: Above the panels.
        offset: Centre of the anchors of the first cell, in strides: 0 for MMDetection's anchors,
            0.5 for cells that have none.

    Raises:
        ValueError: There are not as many masks as strides.
    """
    _check_levels('masks', masks, strides)
    columns = 2 if len(masks) == 4 else _COLUMNS
    lines = 1 if all(mask.any() for mask in masks) else 2
    height = 3.4 * image.shape[0] / image.shape[1] + 0.08 + 0.14 * lines
    figure, panels = new_panels(len(masks), columns, 3.4, height, title)
    for axes, mask, stride in zip(panels, masks, strides, strict=True):
        share = f'{mask.mean():.1%} of {mask.shape[0]} x {mask.shape[1]} cells'
        why = '' if mask.any() else _OF_OTHER_SIZES if len(gt_bboxes) else _NO_OBJECT
        show_image(axes, image, f'stride {stride}: {share}{why}')
        overlay = mask_overlay(mask, stride, image.shape[:2], offset)
        axes.imshow(overlay, extent=(0, image.shape[1], image.shape[0], 0))
        add_boxes(axes, gt_bboxes, ORANGE)
        add_boxes(axes, gt_ignored, BLUE, '--')
    handles = [
        Patch(facecolor=SKY, alpha=_TINT, label='imitated cells'),
        Line2D([], [], color=ORANGE, label='ground truth'),
        Line2D([], [], color=BLUE, linestyle='--', label='ignored'),
    ]
    legend_below(figure, 3, handles=handles if len(gt_ignored) else handles[:2])
    return figure


def mask_overlay(
    mask: np.ndarray, stride: int, size: tuple[int, int], offset: float = 0.5
) -> np.ndarray:
    """Cells (h, w), tinted where kept and dimmed elsewhere, as translucent pixels (H, W, 4).

    Cells beyond the image of ``size`` (H, W) are cut off, what no cell covers is dimmed; for
    ``offset`` see :func:`draw_imitation`.
    """
    padded = np.pad(mask, (0, 1))  # what no cell covers reads the last row or column
    cells = []
    for pixels, count in zip(size, mask.shape, strict=True):
        index = np.floor((np.arange(pixels) + 0.5) / stride - offset + 0.5).astype(int)
        cells.append(np.minimum(index, count))
    overlay = np.full((*size, 4), (0.0, 0.0, 0.0, _DIM))
    overlay[padded[np.ix_(*cells)]] = (*to_rgb(SKY), _TINT)
    return overlay


def _check_levels(name: str, given: Sequence[np.ndarray], strides: Sequence[int]) -> None:
    if len(given) != len(strides) or not given:
        raise UserError(f'{len(given)} {name} do not go with strides {list(strides)}.')


def draw_differences(
    image: np.ndarray,
    maps: Sequence[np.ndarray],
    strides: Sequence[int],
    title: str = '',
) -> Figure:
    """The image, and beside it a heat map a level; each level has a scale of its own.

    As :func:`draw_imitation`, but maps are (h, w) >= 0 of each level, e.g. the root mean square
    over channels of student minus teacher.
    """
    _check_levels('maps', maps, strides)
    height, width = image.shape[:2]
    panel = 3.6, 3.0 * height / width + 0.3
    figure, panels = new_panels(len(maps) + 1, _COLUMNS, *panel, title)
    show_image(panels[0], image, 'image')
    for axes, level, stride in zip(panels[1:], maps, strides, strict=True):
        extent = (0, level.shape[1] * stride, level.shape[0] * stride, 0)
        drawn = axes.imshow(level, extent=extent, cmap='cividis', vmin=0, interpolation='nearest')
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
        axes.set_title(f'stride {stride}: mean {level.mean():.3g}', fontsize=9)
        figure.colorbar(drawn, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    return figure
