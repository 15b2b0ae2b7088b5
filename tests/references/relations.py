"""RKD, DarkRank and triplet distillation by plain loops, from the papers. Rows are (N, D)."""

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def huber(a: float, b: float) -> float:
    """Quadratic up to a distance of 1."""
    gap = abs(a - b)
    return gap**2 / 2 if gap <= 1 else gap - 0.5


def length(vector: Array) -> float:
    """Euclidean."""
    return math.sqrt(float((vector**2).sum()))


def rkd_distance(student: Array, teacher: Array) -> float:
    """Mean over all N^2 pairs."""
    count = len(student)
    means = [
        np.mean([length(x[i] - x[j]) for i in range(count) for j in range(count) if i != j])
        for x in (student, teacher)
    ]
    total = 0.0
    for i, j in np.ndindex(count, count):
        s, t = (
            length(x[i] - x[j]) / mean for x, mean in zip((student, teacher), means, strict=True)
        )
        total += huber(float(t), float(s))
    return total / count**2


def rkd_angle(student: Array, teacher: Array) -> float:
    """Mean over all N^3 triples, of which those of distinct rows count."""
    count, total = len(student), 0.0
    for i, j, k in np.ndindex(count, count, count):
        if len({i, j, k}) < 3:
            continue
        cosines = []
        for x in (student, teacher):
            a, b = x[i] - x[j], x[k] - x[j]
            cosines.append(float((a * b).sum()) / (length(a) * length(b)))
        total += huber(*cosines)
    return total / count**3


def dark_rank(
    student: Array, teacher: Array, alpha: float, beta: float, candidates: int, soft: bool
) -> float:
    """Mean over queries."""
    sides = [np.array([row / length(row) for row in side]) for side in (student, teacher)]
    values = []
    for query in range(len(student)):
        scores = [[-alpha * length(x[query] - row) ** beta for row in x] for x in sides]
        others = [i for i in range(len(student)) if i != query]
        near = sorted(others, key=lambda i: -scores[1][i])[:candidates]

        def log_probability(side: list[float], order: Sequence[int]) -> float:
            total = 0.0
            for place in range(len(order)):
                rest = sum(math.exp(side[i]) for i in order[place:])
                total += side[order[place]] - math.log(rest)
            return total

        if not soft:
            values.append(-log_probability(scores[0], near))
            continue
        value = 0.0
        for order in permutations(near):
            own, target = (log_probability(side, order) for side in scores)
            value += math.exp(target) * (target - own)
        values.append(value)
    return float(np.mean(values))


def triplets(student: Array, teacher: Array, labels: Sequence[int], low: float, high: float):
    """Mean over all triplets of max(D(a, p) - D(a, n) + F(d), 0)."""
    sides = [np.array([row / length(row) for row in side]) for side in (student, teacher)]
    own, gaps = [], []
    for a, p, n in np.ndindex(len(labels), len(labels), len(labels)):
        if a == p or labels[a] != labels[p] or labels[a] == labels[n]:
            continue
        (dp, dn), (tp, tn) = ((length(x[a] - x[p]) ** 2, length(x[a] - x[n]) ** 2) for x in sides)
        own.append(dp - dn)
        gaps.append(max(tn - tp, 0.0))
    largest = max(gaps) or 1.0
    terms = [
        max(value + (high - low) / largest * gap + low, 0.0)
        for value, gap in zip(own, gaps, strict=True)
    ]
    return sum(terms) / len(terms)
