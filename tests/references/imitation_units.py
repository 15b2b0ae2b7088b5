"""Imitation in other units, cell by cell and channel by channel, NumPy in float64."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def normalized(maps: Array, kind: str, kept: Array | None = None) -> Array:
    """Each channel of (B, C, H, W) less its mean, over its deviation."""
    out = maps.copy()
    everywhere = kind == 'batch_norm' or kept is None
    for c in range(maps.shape[1]):
        numbers = [
            float(maps[b, c, i, j])
            for b, i, j in np.ndindex(len(maps), *maps.shape[2:])
            if everywhere or kept[b, i, j] > 0
        ]
        mean = sum(numbers) / max(len(numbers), 1)
        squares = sum((x - mean) ** 2 for x in numbers)
        if kind == 'batch_norm':
            out[:, c] = (maps[:, c] - mean) / math.sqrt(squares / len(numbers) + 1e-5)
        elif kind == 'standardize':
            std = math.sqrt(squares / max(len(numbers) - 1, 1))
            out[:, c] = (maps[:, c] - mean) / (std + 1e-6)
    return out


def cell_loss(
    student: Sequence[Array], teacher: Sequence[Array], weights: Sequence[Array] | None = None
) -> float:
    """Half the mean squared error: level by level without weights, with one divisor with them."""
    levels, total, count = 0.0, 0.0, 0.0
    for place, (s, t) in enumerate(zip(student, teacher, strict=True)):
        level = cells = 0.0
        for b, i, j in np.ndindex(len(s), *s.shape[2:]):
            weight = 1.0 if weights is None else float(weights[place][b, i, j])
            squares = sum((float(x) - float(y)) ** 2 for x, y in zip(s[b, :, i, j], t[b, :, i, j]))
            level += weight * squares / s.shape[1]
            cells += weight
        levels += level / max(cells, 1) / 2
        total, count = total + level, count + cells
    return levels if weights is None else total / max(count, 1) / 2
