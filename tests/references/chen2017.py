"""Chen et al. 2017 in loops: one row, one class, one coordinate at a time, NumPy in float64."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def softmax(logits: Array, temperature: float = 1.0) -> list[float]:
    """Probabilities of one row."""
    powers = [math.exp(z / temperature) for z in logits]
    return [power / sum(powers) for power in powers]


def soft_row(student: Array, teacher: Array, weights: Sequence[float], temperature: float) -> float:
    """-sum_c w_c P_T,c log P_S,c of one row; ``weights`` has one entry per class."""
    ours, theirs = softmax(student, temperature), softmax(teacher, temperature)
    return -sum(w * t * math.log(s) for w, s, t in zip(weights, ours, theirs, strict=True))


def sigmoid_row(
    student: Array, teacher: Array, weights: Sequence[float], temperature: float
) -> float:
    """The two-class form summed over sigmoids; ``weights`` ends with the background's."""
    total = 0.0
    for s, t, weight in zip(student, teacher, weights[:-1], strict=True):
        total += soft_row(np.array([s, 0]), np.array([t, 0]), [weight, weights[-1]], temperature)
    return total


def hard_loss(student: Array, labels: Sequence[int]) -> float:
    """Cross entropy, mean over rows."""
    return -sum(
        math.log(softmax(row)[label]) for row, label in zip(student, labels, strict=True)
    ) / len(labels)


def soft_loss(
    student: Array,
    teacher: Array,
    label_weights: Sequence[float],
    weights: Sequence[float],
    temperature: float = 1.0,
    avg_factor: float | None = None,
    sigmoid: bool = False,
) -> float:
    """Mean over the rows with a positive label weight, or their sum over ``avg_factor``."""
    total, rows = 0.0, 0
    for s, t, label_weight in zip(student, teacher, label_weights, strict=True):
        if label_weight > 0:
            total += (sigmoid_row if sigmoid else soft_row)(s, t, weights, temperature)
            rows += 1
    return total / max(rows if avg_factor is None else avg_factor, 1)


def bounded_row(student: Array, teacher: Array, target: Array, margin: float) -> float:
    """L_b of one positive row."""
    ours = sum((float(s) - float(y)) ** 2 for s, y in zip(student, target, strict=True))
    theirs = sum((float(t) - float(y)) ** 2 for t, y in zip(teacher, target, strict=True))
    return ours if ours + margin > theirs else 0.0


def bounded_loss(
    student: Array,
    teacher: Array,
    target: Array,
    positive: Sequence[bool],
    avg_factor: float,
    margin: float = 0.0,
) -> float:
    """Sum over positive rows, divided by all sampled ones."""
    rows = zip(student, teacher, target, positive, strict=True)
    return sum(bounded_row(s, t, y, margin) for s, t, y, used in rows if used) / max(avg_factor, 1)


def encode(priors: Array, boxes: Array, stds: Sequence[float]) -> Array:
    """Deltas (N, 4) of xyxy boxes relative to priors."""
    deltas = []
    for (px1, py1, px2, py2), (x1, y1, x2, y2) in zip(priors, boxes, strict=True):
        width, height = px2 - px1, py2 - py1
        delta = [
            ((x1 + x2) - (px1 + px2)) / 2 / width,
            ((y1 + y2) - (py1 + py2)) / 2 / height,
            math.log((x2 - x1) / width),
            math.log((y2 - y1) / height),
        ]
        deltas.append([d / s for d, s in zip(delta, stds, strict=True)])
    return np.array(deltas)


def decode(priors: Array, deltas: Array, stds: Sequence[float]) -> Array:
    """The inverse of :func:`encode`."""
    boxes = []
    for (px1, py1, px2, py2), row in zip(priors, deltas, strict=True):
        dx, dy, dw, dh = (d * s for d, s in zip(row, stds, strict=True))
        width, height = px2 - px1, py2 - py1
        x, y = (px1 + px2) / 2 + dx * width, (py1 + py2) / 2 + dy * height
        w, h = width * math.exp(dw), height * math.exp(dh)
        boxes.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return np.array(boxes)


def expected_side(logits: Array) -> float:
    """Mean of a distance that is a distribution over the bins 0, 1, ..."""
    return sum(place * p for place, p in enumerate(softmax(logits)))


def sides_in_strides(point: Array, box: Array, stride: float, last_bin: int) -> list[float]:
    """Distances of a point to the sides of an xyxy box, within the bins that are targets."""
    x, y = point
    sides = [x - box[0], y - box[1], box[2] - x, box[3] - y]
    return [min(max(side / stride, 0.0), last_bin - 0.1) for side in sides]
