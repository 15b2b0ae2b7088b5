"""Binary distillation (Yang et al. 2023) in loops: one row, one class at a time, in float64."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .chen2017 import softmax

Array = NDArray[np.float64]


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-z))."""
    return 1 / (1 + math.exp(-logit))


def probabilities(row: Array, is_sigmoid: bool) -> list[float]:
    """Of each column."""
    return [sigmoid(z) for z in row] if is_sigmoid else softmax(row)


def gaps(student: Sequence[float], teacher: Sequence[float]) -> list[float]:
    """w_k = |p_T - p_S|."""
    return [abs(t - s) for s, t in zip(student, teacher, strict=True)]


def entropy(student: float, teacher: float) -> float:
    """BCE(p_S, p_T)."""
    return -teacher * math.log(student) - (1 - teacher) * math.log(1 - student)


def class_loss(
    student: Array, teacher: Array, weights: Sequence[float], avg_factor: float, is_sigmoid: bool
) -> float:
    """(1/A) sum_n u_n sum_k w_nk BCE(p_S, p_T)."""
    total = 0.0
    for s_row, t_row, weight in zip(student, teacher, weights, strict=True):
        s, t = (probabilities(row, is_sigmoid) for row in (s_row, t_row))
        total += weight * sum(w * entropy(a, b) for w, a, b in zip(gaps(s, t), s, t, strict=True))
    return total / max(avg_factor, 1)


def giou(first: Array, second: Array) -> float:
    """IoU less the share of the smallest box around both that neither fills."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = first, second
    width, height = min(ax2, bx2) - max(ax1, bx1), min(ay2, by2) - max(ay1, by1)
    overlap = max(width, 0) * max(height, 0)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - overlap
    hull = (max(ax2, bx2) - min(ax1, bx1)) * (max(ay2, by2) - min(ay1, by1))
    return overlap / union - (hull - union) / hull


def iou(first: Array, second: Array) -> float:
    """Area of the intersection over that of the union."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = first, second
    width, height = min(ax2, bx2) - max(ax1, bx1), min(ay2, by2) - max(ay1, by1)
    overlap = max(width, 0) * max(height, 0)
    return overlap / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - overlap)


def box_loss(
    student: Array,
    teacher: Array,
    boxes: tuple[Array, Array],
    weights: Sequence[float],
    avg_factor: float,
    is_sigmoid: bool,
) -> float:
    """(1/A) sum_n u_n max_k(w_nk) (1 - GIoU(b_S, b_T))."""
    total = 0.0
    for n, weight in enumerate(weights):
        s, t = (probabilities(side[n], is_sigmoid) for side in (student, teacher))
        total += weight * max(gaps(s, t)) * (1 - giou(boxes[0][n], boxes[1][n]))
    return total / max(avg_factor, 1)


def agreement(teacher: Array, labels: Sequence[int], is_sigmoid: bool, mode: str) -> list[float]:
    """Of each row: whether the teacher's best class is the label, or the label's probability."""
    found = []
    for row, label in zip(teacher, labels, strict=True):
        answers = probabilities(row, is_sigmoid)
        if is_sigmoid:
            answers.append(1 - max(answers))  # the background
        best = answers.index(max(answers))
        found.append(float(best == label) if mode == 'only' else answers[label])
    return found


def flat(maps: Sequence[Array], columns: int) -> Array:
    """Maps (B, A * columns, H, W) of all levels -> (rows, columns), cell by cell."""
    rows = []
    for level in maps:
        images, _, height, width = level.shape
        for b, i, j in np.ndindex(images, height, width):
            rows += list(level[b, :, i, j].reshape(-1, columns))
    return np.array(rows)


def centred_box(numbers: Array) -> list[float]:
    """xyxy relative to the point: of four distances, or of the means of four rows of bins."""
    if len(numbers) > 4:
        edges = numbers.reshape(4, -1)
        numbers = [sum(k * p for k, p in enumerate(softmax(edge))) for edge in edges]
    left, top, right, bottom = (float(side) for side in numbers)
    return [-left, -top, right, bottom]
