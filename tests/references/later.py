"""FGD, MGD and PKD by plain loops, from the papers. Maps are (B, C, H, W)."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _softmax(values: Array) -> Array:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def attention(image: Array, temperature: float) -> tuple[Array, Array]:
    """(H, W) and (C,) of one image (C, H, W)."""
    channels, height, width = image.shape
    spatial = np.abs(image).mean(axis=0).ravel() / temperature
    channel = np.abs(image).reshape(channels, -1).mean(axis=1) / temperature
    return (
        _softmax(spatial).reshape(height, width) * height * width,
        _softmax(channel) * channels,
    )


def fgd(
    student: Array,
    teacher: Array,
    boxes: Sequence[Sequence[Sequence[float]]],
    stride: float,
    temperature: float = 0.5,
) -> tuple[float, float, float]:
    """Errors inside and outside the boxes, and of the attentions, mean over images."""
    totals = np.zeros(3)
    for s, t, image_boxes in zip(student, teacher, boxes, strict=True):
        channels, height, width = s.shape
        inside = np.zeros((height, width))
        for x1, y1, x2, y2 in image_boxes:
            c0, r0 = math.floor(x1 / stride), math.floor(y1 / stride)
            c1 = min(math.ceil(x2 / stride), width - 1)
            r1 = min(math.ceil(y2 / stride), height - 1)
            for i in range(r0, r1 + 1):
                for j in range(c0, c1 + 1):
                    inside[i, j] = max(inside[i, j], 1 / ((r1 - r0 + 1) * (c1 - c0 + 1)))
        outside = (inside == 0).astype(float)
        outside /= max(outside.sum(), 1)
        (ts, tc), (ss, sc) = attention(t, temperature), attention(s, temperature)
        for c, i, j in np.ndindex(channels, height, width):
            error = tc[c] * ts[i, j] * (t[c, i, j] - s[c, i, j]) ** 2
            totals[:2] += error * inside[i, j], error * outside[i, j]
        totals[2] += np.abs(ts - ss).sum() + np.abs(tc - sc).sum()
    first, second, third = (float(value) / len(student) for value in totals)
    return first, second, third
