"""KD, DKD and DIST by plain loops, from the papers."""

import math
from collections.abc import Sequence

import numpy as np

Rows = Sequence[Sequence[float]]


def softmax(logits: Sequence[float], temperature: float) -> list[float]:
    """exp(z / T) over their sum."""
    largest = max(logits)
    powers = [math.exp((z - largest) / temperature) for z in logits]
    return [power / sum(powers) for power in powers]


def kl(teacher: Sequence[float], student: Sequence[float]) -> float:
    """sum p log(p / q)."""
    return sum(p * math.log(p / q) for p, q in zip(teacher, student, strict=True) if p > 0)


def kd(student: Rows, teacher: Rows, temperature: float) -> float:
    """T^2 times the mean over rows of the KL divergence."""
    total = sum(
        kl(softmax(t, temperature), softmax(s, temperature))
        for s, t in zip(student, teacher, strict=True)
    )
    return temperature**2 * total / len(student)


def binary_kd(student: Rows, teacher: Rows, temperature: float) -> float:
    """T^2 times the mean over rows and columns of the KL divergence of two outcomes."""
    values = []
    for s, t in zip(np.ravel(student), np.ravel(teacher), strict=True):
        p, q = (1 / (1 + math.exp(-float(z) / temperature)) for z in (t, s))
        values.append(kl([p, 1 - p], [q, 1 - q]))
    return temperature**2 * sum(values) / len(values)


def dkd(
    student: Rows, teacher: Rows, labels: Sequence[int], alpha: float, beta: float, t: float
) -> float:
    """alpha TCKD + beta NCKD, mean over rows."""
    total = 0.0
    for s, z, y in zip(student, teacher, labels, strict=True):
        p, q = softmax(z, t)[y], softmax(s, t)[y]
        rest = [[v for i, v in enumerate(side) if i != y] for side in (z, s)]
        total += alpha * kl([p, 1 - p], [q, 1 - q])
        total += beta * kl(softmax(rest[0], t), softmax(rest[1], t))
    return t**2 * total / len(student)


def correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Pearson's, with 1e-8 beside the norms."""
    a, b = (np.asarray(side) - np.mean(side) for side in (first, second))
    return float((a * b).sum() / (math.sqrt((a * a).sum()) * math.sqrt((b * b).sum()) + 1e-8))


def dist(student: Rows, teacher: Rows, beta: float, gamma: float, t: float) -> float:
    """tau^2 [beta (1 - mean over rows) + gamma (1 - mean over columns)]."""
    own, target = (np.array([softmax(row, t) for row in side]) for side in (student, teacher))
    rows = [correlation(a, b) for a, b in zip(own, target, strict=True)]
    columns = [correlation(a, b) for a, b in zip(own.T, target.T, strict=True)]
    return t**2 * (beta * (1 - float(np.mean(rows))) + gamma * (1 - float(np.mean(columns))))
