"""Position-sensitive RoI pooling in loops: one RoI, one value, one bin, one cell at a time.

Letters: B images, C values of an RoI, k x k bins, R RoIs (image index, x1, y1, x2, y2) in pixels;
maps (B, C * k * k, H, W), the k * k maps of a value adjacent, bins row-major.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _round(value: float) -> int:
    """Halves away from zero, as in C; Python rounds them to even numbers."""
    return int(math.floor(abs(value) + 0.5)) * (1 if value >= 0 else -1)


def ps_roi_pool(maps: Array, rois: Array, bins: int, scale: float) -> Array:
    """Equation 1 of the paper: the mean of the cells of bin (i, j); (R, C, k, k).

    Borders of an RoI are rounded to cells; bin j spans floor(j w / k) to ceil((j + 1) w / k), and a
    bin outside the map is 0.
    """
    values, (height, width) = maps.shape[1] // bins**2, maps.shape[2:]
    out = np.zeros((len(rois), values, bins, bins))
    for r, c, i, j in np.ndindex(*out.shape):
        image = int(rois[r, 0])
        x1, y1, x2, y2 = (_round(v * scale) for v in rois[r, 1:])
        w, h = max(x2 - x1, 1), max(y2 - y1, 1)
        cells = []
        for y in range(y1 + math.floor(i * h / bins), y1 + math.ceil((i + 1) * h / bins)):
            for x in range(x1 + math.floor(j * w / bins), x1 + math.ceil((j + 1) * w / bins)):
                if 0 <= y < height and 0 <= x < width:
                    cells.append(maps[image, c * bins**2 + i * bins + j, y, x])
        out[r, c, i, j] = sum(cells) / len(cells) if cells else 0.0
    return out


def bilinear(plane: Array, y: float, x: float) -> float:
    """The value of (H, W) at a point in cells; the border's outside it, 0 beyond a cell from it."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    total = 0.0
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        weight = (1 - abs(y - row)) * (1 - abs(x - column))
        if weight > 0:
            total += weight * plane[row, column]
    return total


def ps_roi_align(maps: Array, rois: Array, bins: int, scale: float, samples: int) -> Array:
    """The mean of ``samples`` x ``samples`` points of bin (i, j); (R, C, k, k).

    The centre of cell (0, 0) is at half a stride, so boxes are shifted by half a cell.
    """
    out = np.zeros((len(rois), maps.shape[1] // bins**2, bins, bins))
    for r, c, i, j in np.ndindex(*out.shape):
        x1, y1, x2, y2 = (v * scale - 0.5 for v in rois[r, 1:])
        h, w = (y2 - y1) / bins, (x2 - x1) / bins
        plane = maps[int(rois[r, 0]), c * bins**2 + i * bins + j]
        points = [
            bilinear(plane, y1 + (i + (a + 0.5) / samples) * h, x1 + (j + (b + 0.5) / samples) * w)
            for a in range(samples)
            for b in range(samples)
        ]
        out[r, c, i, j] = sum(points) / len(points)
    return out


def vote(pooled: Array) -> Array:
    """(R, C, k, k) -> (R, C), the mean over bins."""
    out = np.zeros(pooled.shape[:2])
    for r, c, i, j in np.ndindex(*pooled.shape):
        out[r, c] += pooled[r, c, i, j] / (pooled.shape[2] * pooled.shape[3])
    return out
