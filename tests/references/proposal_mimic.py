"""Li et al. 2017 in loops: one region, one cell, one box at a time, NumPy in float64."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.references.imitation import iou

Array = NDArray[np.float64]


def crop(maps: Array, roi: Sequence[float], stride: float) -> Array:
    """(B, C, H, W) -> (C, h, w), cells floor(x1 / s) .. ceil(x2 / s) - 1, at least one."""
    image, x1, y1, x2, y2 = roi
    _, _, height, width = maps.shape
    spans = []
    for low, high, cells in ((y1, y2, height), (x1, x2, width)):
        begin = min(max(math.floor(low / stride), 0), cells - 1)
        spans.append((begin, max(min(math.ceil(high / stride), cells), begin + 1)))
    (top, bottom), (left, right) = spans
    return maps[int(image), :, top:bottom, left:right]


def sample(plane: Array, y: float, x: float) -> float:
    """One bilinear sample at cell coordinates; 0 more than a cell outside."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = plane[top, left] * (1 - dx) + plane[top, right] * dx
    lower = plane[bottom, left] * (1 - dx) + plane[bottom, right] * dx
    return float(upper * (1 - dy) + lower * dy)


def align(maps: Array, roi: Sequence[float], stride: float, bins: int = 7, ratio: int = 2) -> Array:
    """(B, C, H, W) -> (C, bins, bins): RoIAlign, the mean of ratio x ratio samples a bin."""
    image, *corners = roi
    x1, y1, x2, y2 = (corner / stride - 0.5 for corner in corners)
    out = np.zeros((maps.shape[1], bins, bins))
    for c, i, j in np.ndindex(*out.shape):
        values = [
            sample(
                maps[int(image), c],
                y1 + (y2 - y1) / bins * (i + (a + 0.5) / ratio),
                x1 + (x2 - x1) / bins * (j + (b + 0.5) / ratio),
            )
            for a in range(ratio)
            for b in range(ratio)
        ]
        out[c, i, j] = sum(values) / len(values)
    return out


def mimic_loss(
    student: Sequence[Array],
    teacher: Sequence[Array],
    normalize: str,
    weight: float = 1.0,
    count: float | None = None,
) -> float:
    """Regions (C, h, w) of N proposals: weight / (2 N) sum_i ||u_i - r(v_i)||^2 / m_i."""
    total = 0.0
    for v, u in zip(student, teacher, strict=True):
        error = sum(float(v[index] - u[index]) ** 2 for index in np.ndindex(*u.shape))
        size = dict(elements=u.size, positions=u[0].size, none=1)[normalize]
        total += error / size
    return weight * total / (2 * max(len(student) if count is None else count, 1))


def extractor_level(roi: Sequence[float], finest_scale: float, levels: int) -> int:
    """MMDetection's SingleRoIExtractor: floor(log2(side / finest_scale)), inside the pyramid."""
    side = math.sqrt((roi[3] - roi[1]) * (roi[4] - roi[2]))
    if side == 0:
        return 0
    return min(max(math.floor(math.log2(side / finest_scale)), 0), levels - 1)


def choose(
    lists: Sequence[Array],
    gt: Array,
    cap: int,
    duplicate_iou: float = 1.0,
    positive_fraction: float | None = None,
    positive_iou: float = 0.5,
) -> list[tuple[float, ...]]:
    """The regions of one image, in order."""
    ranked = []
    for rank in range(max(map(len, lists), default=0)):
        ranked += [tuple(map(float, part[rank])) for part in lists if rank < len(part)]
    boxes: list[tuple[float, ...]] = []
    for box in ranked:
        earlier = [np.array(other) for other in boxes]
        repeats = (
            box in boxes
            if duplicate_iou == 1
            else any(iou(np.array(box), other) > duplicate_iou for other in earlier)
        )
        if not repeats:
            boxes.append(box)
    if positive_fraction is None:
        return boxes[:cap]
    positive = [any(iou(np.array(box), other) >= positive_iou for other in gt) for box in boxes]
    found, missed = sum(positive), len(boxes) - sum(positive)
    total = min(
        cap,
        found / positive_fraction,
        missed / (1 - positive_fraction) if positive_fraction < 1 else math.inf,
    )
    left = {
        True: math.floor(total * positive_fraction + 1e-6),
        False: math.floor(total * (1 - positive_fraction) + 1e-6),
    }
    kept = []
    for box, kind in zip(boxes, positive, strict=True):
        if left[kind] > 0:
            kept.append(box)
            left[kind] -= 1
    return kept
