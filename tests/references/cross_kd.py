"""Cross-head distillation (Wang et al. 2024) in loops, NumPy in float64."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .binary_kd import entropy, giou, iou, sigmoid
from .chen2017 import softmax

Array = NDArray[np.float64]


def matched(student: Array, teacher: Array) -> Array:
    """(h_S - mean_S) / (std_S + 1e-6) * std_T + mean_T, channel by channel of (B, C, H, W)."""
    out = np.zeros_like(student)
    for c in range(student.shape[1]):
        means, stds = [], []
        for side in (student, teacher):
            numbers = [float(x) for x in side[:, c].flatten()]
            mean = sum(numbers) / len(numbers)
            squares = sum((x - mean) ** 2 for x in numbers)
            means.append(mean)
            stds.append(math.sqrt(squares / (len(numbers) - 1)) if len(numbers) > 1 else 0.0)
        out[:, c] = (student[:, c] - means[0]) / (stds[0] + 1e-6) * stds[1] + means[1]
    return out


def divergence(student: Array, teacher: Array) -> float:
    """KL(P_T || P_S) of one row of logits."""
    s, t = softmax(student), softmax(teacher)
    return sum(b * (math.log(b) - math.log(a)) for a, b in zip(s, t, strict=True))


def roi_losses(
    cross: tuple[Array, Array], teacher: tuple[Array, Array], weights: Sequence[float]
) -> tuple[float, float]:
    """Classes and boxes of a softmax head: (N, K + 1) logits and (N, 4 K) deltas each."""
    classes = boxes = 0.0
    for n, weight in enumerate(weights):
        classes += weight * divergence(cross[0][n], teacher[0][n])
        foreground = softmax(teacher[0][n])[:-1]
        best = foreground.index(max(foreground))
        for d in range(4 * best, 4 * best + 4):
            boxes += weight * max(foreground) * abs(float(cross[1][n, d] - teacher[1][n, d]))
    return classes / max(len(weights), 1), boxes / max(len(weights), 1)


def confidences(teacher: Array, weights: Sequence[float]) -> list[float]:
    """r_a: the largest sigmoid where the label weight is not 0."""
    return [
        max(sigmoid(z) for z in row) * (weight > 0)
        for row, weight in zip(teacher, weights, strict=True)
    ]


def edge_loss(student: Array, teacher: Array, trust: Sequence[float]) -> float:
    """Rows of four edges' bins: sum_a r_a sum_edges KL / 4, divided by the sum of r_a."""
    total = 0.0
    for s_row, t_row, weight in zip(student, teacher, trust, strict=True):
        for s, t in zip(s_row.reshape(4, -1), t_row.reshape(4, -1), strict=True):
            total += weight * divergence(s, t) / 4
    return total / max(sum(trust), 1)


def overlap_loss(
    student: Array, teacher: Array, trust: Sequence[float], avg_factor: float, log: bool
) -> float:
    """sum_a r_a (1 - GIoU) / A, or -log IoU."""
    total = 0.0
    for s, t, weight in zip(student, teacher, trust, strict=True):
        total += weight * (-math.log(max(iou(s, t), 1e-6)) if log else 1 - giou(s, t))
    return total / max(avg_factor, 1)


def centerness_target(sides: Array) -> float:
    """sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) of a positive point."""
    left, top, right, bottom = sides
    across, along = sorted((left, right)), sorted((top, bottom))
    return math.sqrt(across[0] / across[1] * along[0] / along[1])


def centerness_loss(
    student: Array, teacher: Array, positive: Sequence[bool], avg_factor: float
) -> float:
    """BCE over positives / A."""
    total = sum(
        entropy(sigmoid(float(s)), sigmoid(float(t)))
        for s, t, used in zip(student.flatten(), teacher.flatten(), positive, strict=True)
        if used
    )
    return total / max(avg_factor, 1)
