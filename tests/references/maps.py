"""Attention transfer, FSP, NST and CWD by plain loops, from the papers. Maps are (B, C, H, W)."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def attention(features: Array, kind: str, p: float) -> Array:
    """(H W,) of one image (C, H, W), of unit length."""
    _, height, width = features.shape
    found = np.zeros(height * width)
    for place, (i, j) in enumerate(np.ndindex(height, width)):
        sizes = [abs(float(v)) ** (1 if kind == 'sum' else p) for v in features[:, i, j]]
        found[place] = max(sizes) if kind == 'max_p' else sum(sizes)
    return found / math.sqrt((found**2).sum())


def attention_loss(student: Array, teacher: Array, kind: str, p: float, form: str) -> float:
    """Mean over images."""
    values = []
    for s, t in zip(student, teacher, strict=True):
        squares = (attention(s, kind, p) - attention(t, kind, p)) ** 2
        values.append(squares.mean() if form == 'mean_square' else math.sqrt(squares.sum()))
    return float(np.mean(values))


def fsp_matrix(first: Array, second: Array) -> Array:
    """(M, N) of one image, sizes equal."""
    matrix = np.zeros((len(first), len(second)))
    for m, n in np.ndindex(*matrix.shape):
        matrix[m, n] = (first[m] * second[n]).sum() / first[0].size
    return matrix


def fsp_loss(student: tuple[Array, Array], teacher: tuple[Array, Array]) -> float:
    """Squared distance of the matrices, mean over images."""
    values = [
        ((fsp_matrix(s1, s2) - fsp_matrix(t1, t2)) ** 2).sum()
        for s1, s2, t1, t2 in zip(*student, *teacher, strict=True)
    ]
    return float(np.mean(values))


def nst_loss(student: Array, teacher: Array, kernel: str) -> float:
    """MMD^2 of the channels, mean over images."""
    values = []
    for image in zip(student, teacher, strict=True):
        s, t = ([c.ravel() / math.sqrt((c**2).sum()) for c in side] for side in image)
        variance = np.mean([((a - b) ** 2).sum() for a in t for b in s])

        def k(a: Array, b: Array, variance: float = float(variance)) -> float:
            product = float((a * b).sum())
            if kernel == 'gaussian':
                return math.exp(-float(((a - b) ** 2).sum()) / (2 * variance))
            return product if kernel == 'linear' else product**2

        own = np.mean([k(a, b) for a in t for b in t]) + np.mean([k(a, b) for a in s for b in s])
        values.append(own - 2 * np.mean([k(a, b) for a in t for b in s]))
    return float(np.mean(values))


def cwd_loss(student: Array, teacher: Array, temperature: float) -> float:
    """tau^2 / (B C) times the sum of the KL divergences of channels."""
    total = 0.0
    for b, c in np.ndindex(*student.shape[:2]):
        s, t = (np.exp(side[b, c].ravel() / temperature) for side in (student, teacher))
        s, t = s / s.sum(), t / t.sum()
        total += float((t * np.log(t / s)).sum())
    return temperature**2 * total / (student.shape[0] * student.shape[1])
