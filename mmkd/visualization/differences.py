"""Where a student's maps differ from the teacher's."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..utils.errors import UserError
from .style import new_figure, show_image

_COLUMNS = 3


def draw_differences(
    image: np.ndarray,
    maps: Sequence[np.ndarray],
    strides: Sequence[int],
    title: str = '',
) -> Figure:
    """The image, and beside it a heat map a level; each level has a scale of its own.

    Args:
        image: (H, W, 3) uint8 RGB, as the network sees it before normalisation.
        maps: Per level (h, w) >= 0, e.g. the root mean square over channels of student minus
            teacher; cells beyond the image (padding) are cut off.
        strides: Per level, pixels of ``image`` a cell.
        title: Above the panels.

    Raises:
        ValueError: There are not as many maps as strides.
    """
    if len(maps) != len(strides) or not maps:
        raise UserError(f'{len(maps)} maps do not go with strides {list(strides)}.')
    height, width = image.shape[:2]
    columns = min(len(maps) + 1, _COLUMNS)
    rows = -(-(len(maps) + 1) // columns)
    figure = new_figure(3.6 * columns, (3.0 * height / width + 0.3) * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    show_image(panels[0], image, 'image')
    for axes, level, stride in zip(panels[1:], maps, strides, strict=False):
        extent = (0, level.shape[1] * stride, level.shape[0] * stride, 0)
        drawn = axes.imshow(level, extent=extent, cmap='cividis', vmin=0, interpolation='nearest')
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
        axes.set_title(f'stride {stride}: mean {level.mean():.3g}', fontsize=9)
        figure.colorbar(drawn, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    for axes in panels[len(maps) + 1 :]:
        axes.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=10)
    return figure
