"""Wang et al. 2019 in loops: one box, one cell, one anchor at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def iou(first: Array, second: Array) -> float:
    """IoU of two xyxy boxes without "+1"; 0 where both have no area."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return overlap / (areas[0] + areas[1] - overlap)


def imitation_masks(
    boxes: Array,
    anchors: Sequence[Array],
    valid: Sequence[Array],
    psi: float,
    max_over: str = 'all',
    assigned: Sequence[int] = (),
) -> list[Array]:
    """Masks of one image.

    Args:
        boxes: (G, 4).
        anchors: Per level (H, W, A, 4).
        valid: Per level (H, W, A).
        psi: Threshold factor.
        max_over: ``'all'``, ``'level'`` or ``'assigned'``.
        assigned: Level of each box, for ``'assigned'``.
    """
    masks = [np.zeros(level.shape[:2], dtype=bool) for level in anchors]
    for k, box in enumerate(boxes):
        maps = []
        for level, (grid, flags) in enumerate(zip(anchors, valid, strict=True)):
            overlap = np.zeros(grid.shape[:3])
            for cell in np.ndindex(*grid.shape[:3]):
                if flags[cell] and (max_over != 'assigned' or assigned[k] == level):
                    overlap[cell] = iou(box, grid[cell])
            maps.append(overlap)
        best_of_all = max(overlap.max() for overlap in maps)
        for mask, overlap in zip(masks, maps, strict=True):
            best = best_of_all if max_over == 'all' else overlap.max()
            mask |= (overlap > psi * best).any(axis=2)
    return masks


def imitation_loss(
    student: Sequence[Array], teacher: Sequence[Array], masks: Sequence[Array], weight: float
) -> float:
    """Squared error in kept cells times weight / (2 N_p); maps (B, C, H, W), masks (B, H, W)."""
    total, cells = 0.0, 0
    for s, t, mask in zip(student, teacher, masks, strict=True):
        for b, i, j in np.argwhere(mask):
            total += float(((s[b, :, i, j] - t[b, :, i, j]) ** 2).sum())
            cells += 1
    return weight * total / (2 * max(cells, 1))


def conv3x3(maps: Array, weight: Array, bias: Array) -> Array:
    """(B, C, H, W) -> (B, D, H, W), zero padding of one cell."""
    batch, _, height, width = maps.shape
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.zeros((batch, len(weight), height, width))
    for b, d, i, j in np.ndindex(*out.shape):
        out[b, d, i, j] = (padded[b, :, i : i + 3, j : j + 3] * weight[d]).sum() + bias[d]
    return out
