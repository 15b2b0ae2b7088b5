"""Set prediction by plain loops: every assignment of teacher queries is tried.

One image: logits (Q, C), boxes (Q, 4) cxcywh, normalised.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from .binary_kd import entropy, giou, probabilities

Array = NDArray[np.float64]
Queries = tuple[Array, Array]
"""Logits and boxes."""


def foreground(row: Array, is_sigmoid: bool) -> list[float]:
    """Probabilities of the classes; a softmax has the background last."""
    return probabilities(row, True) if is_sigmoid else probabilities(row, False)[:-1]


def corners(box: Array) -> Array:
    """cxcywh -> xyxy."""
    x, y, width, height = box
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def terms(
    student: tuple[Array, Array], teacher: tuple[Array, Array], sigmoids: tuple[bool, bool]
) -> tuple[float, float, float]:
    """Mean BCE, L1 and 1 - GIoU of one query each."""
    s, t = (foreground(one[0], kind) for one, kind in zip((student, teacher), sigmoids))
    classes = sum(entropy(a, b) for a, b in zip(s, t)) / len(s)
    distance = sum(abs(a - b) for a, b in zip(student[1], teacher[1]))
    return classes, distance, 1 - giou(corners(student[1]), corners(teacher[1]))


def set_losses(
    students: Sequence[Queries],
    teachers: Sequence[Queries],
    sigmoids: tuple[bool, bool] = (True, True),
    weights: tuple[float, float, float] = (2, 5, 2),
) -> list[float]:
    """The weighted class, L1 and GIoU terms of a batch of images."""
    totals, divisor = np.zeros(3), 0.0
    for student, teacher in zip(students, teachers):
        trust = [max(foreground(row, sigmoids[1])) for row in teacher[0]]
        kept = sorted(range(len(trust)), key=lambda j: -trust[j])[: len(student[0])]
        errors = {
            (i, j): np.array(
                terms((student[0][i], student[1][i]), (teacher[0][j], teacher[1][j]), sigmoids)
            )
            for i in range(len(student[0]))
            for j in kept
        }
        best = min(
            permutations(range(len(student[0])), len(kept)),
            key=lambda chosen: sum(errors[pair] @ weights for pair in zip(chosen, kept)),
        )
        for i, j in zip(best, kept):
            totals += trust[j] * errors[i, j]
            divisor += trust[j]
    return list(totals * weights / max(divisor, 1))
