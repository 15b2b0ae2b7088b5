"""Distances of class distributions: Hinton et al. 2015, DKD (CVPR 2022), DIST (NeurIPS 2022).

Letters: N rows (RoIs or anchors), C columns of a softmax head, the background last, or sigmoids;
E teachers of an ensemble.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from .reduction import wide


def _log_mean(log_probs: Tensor) -> Tensor:
    """(N, C), or (E, N, C) of an ensemble, -> (N, C): the log of the mean probability."""
    if log_probs.dim() == 2:
        return log_probs
    return log_probs.logsumexp(dim=0) - math.log(len(log_probs))


def kl_rows(student: Tensor, teacher: Tensor) -> Tensor:
    """sum_c p_T (log p_T - log p_S) of log-probabilities, (N, C) each -> (N,); 0 where p_T is 0."""
    kept = torch.isfinite(teacher)
    log_ratio = teacher.masked_fill(~kept, 0) - student.masked_fill(~kept, 0)
    return (teacher.exp() * log_ratio).sum(dim=1)


def _log_softmax(student: Tensor, teacher: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    own, target = (
        functional.log_softmax(wide(side) / temperature, dim=-1) for side in (student, teacher)
    )
    return own, _log_mean(target)


def soft_target_rows(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(z_T / T) || softmax(z_S / T)) of each row, T > 0.

    Logits (N, C), the teacher's perhaps (E, N, C) of an ensemble, whose probabilities are averaged
    -> (N,) in float32 or wider.
    """
    return temperature**2 * kl_rows(*_log_softmax(student, teacher, temperature))


def soft_binary_rows(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The same of sigmoids, each column a distribution of two classes; the mean of the columns."""
    z, t = wide(student) / temperature, wide(teacher) / temperature
    found = torch.zeros_like(z)
    for sign in (1, -1):
        log_target = _log_mean(functional.logsigmoid(sign * t))
        found = found + log_target.exp() * (log_target - functional.logsigmoid(sign * z))
    return temperature**2 * found.mean(dim=1)


def decoupled_rows(
    student: Tensor, teacher: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """DKD's two parts of each row: target against the rest, and among the rest.

    T^2 KL(b_T || b_S) with b = (p_y, 1 - p_y), and T^2 KL of the softmax of the logits other than
    that of the label y: TCKD and NCKD, (N,) each. Logits are those of :func:`soft_target_rows`,
    labels (N,) 0 .. C-1, the background included.
    """
    chosen = labels[:, None] == torch.arange(student.shape[1], device=labels.device)  # (N, C)
    pairs, rests = [], []
    for log_probs in _log_softmax(student, teacher, temperature):
        rest = log_probs.masked_fill(chosen, float('-inf'))
        log_rest = rest.logsumexp(dim=1, keepdim=True)
        log_target = log_probs.gather(1, labels[:, None])
        pairs.append(torch.cat([log_target, log_rest], dim=1))
        rests.append((rest - log_rest).masked_fill(chosen, float('-inf')))
    scale = temperature**2
    return scale * kl_rows(*pairs), scale * kl_rows(*rests)


def pearson(student: Tensor, teacher: Tensor, dim: int, weight: Tensor | None = None) -> Tensor:
    """Correlation along a dimension, 0 where one side is constant; (N, C) each -> (C,) or (N,).

    Weights are 1 of the entries that count and 0 of others, and broadcast to (N, C).
    """
    weight = torch.ones_like(student[:1, :1]) if weight is None else weight
    count = weight.expand_as(student).sum(dim, keepdim=True).clamp(min=1)
    first, second = (
        (side - (side * weight).sum(dim, keepdim=True) / count) * weight
        for side in (student, teacher)
    )
    product = (first * second).sum(dim=dim)
    squares = [side.square().sum(dim=dim) for side in (first, second)]
    constant = (squares[0] == 0) | (squares[1] == 0)
    norms = [square.masked_fill(constant, 1).sqrt() for square in squares]
    return (product / (norms[0] * norms[1] + 1e-8)).masked_fill(constant, 0)
