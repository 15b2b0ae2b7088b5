"""The cells of each level in which the student imitates, laid over the image.

Cell x is drawn on pixels [x * stride, (x + 1) * stride), where its features are. MMDetection
centres the anchors of a cell on its upper left corner, so kept cells lie half a cell to the right
of a box and below it.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..utils.errors import UserError
from .style import BLUE, ORANGE, SKY, add_boxes, new_figure, show_image

_COLUMNS = 3
# Kept cells are tinted and the others dimmed, so that both show on any image.
_TINT, _DIM = 0.55, 0.4


def draw_imitation(
    image: np.ndarray,
    masks: Sequence[np.ndarray],
    strides: Sequence[int],
    gt_bboxes: np.ndarray,
    gt_ignored: np.ndarray,
    title: str = '',
) -> Figure:
    """One panel a level: image, boxes, and the kept cells, each as large as its stride.

    Args:
        image: (H, W, 3) uint8 RGB, as the network sees it before normalisation.
        masks: Per level (h, w) bool; cells beyond the image (padding) are cut off.
        strides: Per level, pixels of ``image``.
        gt_bboxes: (G, 4) xyxy pixels of ``image``.
        gt_ignored: (I, 4): crowd, difficult or ignored boxes, drawn dashed.
        title: Above the panels.

    Raises:
        ValueError: There are not as many masks as strides.
    """
    if len(masks) != len(strides) or not masks:
        raise UserError(f'{len(masks)} masks do not go with strides {list(strides)}.')
    columns = _columns(len(masks))
    rows = math.ceil(len(masks) / columns)
    width = 3.4
    height = width * image.shape[0] / image.shape[1] + 0.22
    figure = new_figure(width * columns, height * rows + 0.45)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, mask, stride in zip(panels, masks, strides, strict=False):
        share = f'{mask.mean():.1%} of {mask.shape[0]} x {mask.shape[1]} cells'
        show_image(axes, image, f'stride {stride}: {share}')
        overlay = mask_overlay(mask, stride, image.shape[:2])
        axes.imshow(overlay, extent=(0, image.shape[1], image.shape[0], 0))
        add_boxes(axes, gt_bboxes, ORANGE)
        add_boxes(axes, gt_ignored, BLUE, '--')
    for axes in panels[len(masks) :]:
        axes.set_axis_off()
    figure.legend(
        handles=_legend(len(gt_ignored) > 0),
        loc='outside lower center',
        ncols=3,
        frameon=False,
        fontsize=8,
    )
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def mask_overlay(mask: np.ndarray, stride: int, size: tuple[int, int]) -> np.ndarray:
    """Cells as translucent pixels, tinted where kept and dimmed elsewhere.

    Args:
        mask: (h, w) bool.
        stride: Pixels of a cell's side.
        size: (H, W) of the image; cells beyond it are cut off.

    Returns:
        (H, W, 4) float RGBA; what no cell covers is dimmed.
    """
    pixels = np.repeat(np.repeat(mask, stride, axis=0), stride, axis=1)[: size[0], : size[1]]
    overlay = np.full((*size, 4), (0.0, 0.0, 0.0, _DIM))
    overlay[: pixels.shape[0], : pixels.shape[1]][pixels] = (*to_rgb(SKY), _TINT)
    return overlay


def _columns(panels: int) -> int:
    """Two by two for four levels, at most three a row otherwise."""
    return 2 if panels == 4 else min(panels, _COLUMNS)


def _legend(ignored: bool) -> list:
    handles = [
        Patch(facecolor=SKY, alpha=_TINT, label='imitated cells'),
        Line2D([], [], color=ORANGE, label='ground truth'),
    ]
    if ignored:
        handles.append(Line2D([], [], color=BLUE, linestyle='--', label='ignored'))
    return handles
