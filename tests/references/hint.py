"""Hints by plain loops, NumPy in float64."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def conv1x1(maps: Array, weight: Array, bias: Array) -> Array:
    """(B, C, H, W) -> (B, D, H, W) with weight (D, C) and bias (D,)."""
    batch, _, height, width = maps.shape
    out = np.zeros((batch, len(weight), height, width))
    for b, d, i, j in np.ndindex(*out.shape):
        out[b, d, i, j] = (maps[b, :, i, j] * weight[d]).sum() + bias[d]
    return out


def hint_loss(
    student: Sequence[Array],
    teacher: Sequence[Array],
    weight: float,
    norm: str = 'l2',
    reduction: str = 'mean',
) -> float:
    """Maps (B, C, H, W) of each level, the student's adapted; levels add up."""
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        level = 0.0
        for index in np.ndindex(*s.shape):
            difference = float(s[index] - t[index])
            level += difference**2 if norm == 'l2' else abs(difference)
        total += level / (s.size if reduction == 'mean' else len(s))
    return weight * total
