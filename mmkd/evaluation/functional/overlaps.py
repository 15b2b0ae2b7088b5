"""How much boxes overlap."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def inclusive_overlaps(first: Array, second: Array) -> Array:
    """IoU with both border pixels counted, (F, 4), (S, 4) -> (F, S)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low + 1, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1) for boxes in (first, second)]
    return common / (areas[0][:, None] + areas[1] - common)
