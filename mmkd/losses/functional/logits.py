"""Distances of class distributions: Hinton et al. 2015, DKD (CVPR 2022), DIST (NeurIPS 2022).

Letters: N rows (RoIs or anchors), C columns of a softmax head, the background last, or sigmoids;
E teachers of an ensemble.
"""

import torch
from torch import Tensor
from torch.nn import functional

from .reduction import wide


def _log_mean(log_probs: Tensor) -> Tensor:
    """(N, C), or (E, N, C) of an ensemble, -> (N, C): the log of the mean probability."""
    if log_probs.dim() == 2:
        return log_probs
    return log_probs.logsumexp(dim=0) - log_probs.new_tensor(len(log_probs)).log()


def kl_rows(student: Tensor, teacher: Tensor) -> Tensor:
    """sum_c p_T (log p_T - log p_S) of each row; 0 where p_T is 0.

    Args:
        student: (N, C) log-probabilities.
        teacher: (N, C) log-probabilities.

    Returns:
        (N,).
    """
    kept = torch.isfinite(teacher)
    log_ratio = teacher.masked_fill(~kept, 0) - student.masked_fill(~kept, 0)
    return (teacher.exp() * log_ratio).sum(dim=1)


def soft_target_rows(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(z_T / T) || softmax(z_S / T)) of each row.

    Args:
        student: (N, C) logits.
        teacher: (N, C) logits, or (E, N, C) of an ensemble, whose probabilities are averaged.
        temperature: T > 0.

    Returns:
        (N,) in float32 or wider.
    """
    own = functional.log_softmax(wide(student) / temperature, dim=1)
    target = _log_mean(functional.log_softmax(wide(teacher) / temperature, dim=-1))
    return temperature**2 * kl_rows(own, target)


def soft_binary_rows(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The same of sigmoid columns, each a distribution of two classes; their mean.

    Args:
        student: (N, C) logits.
        teacher: (N, C) logits, or (E, N, C) of an ensemble, whose probabilities are averaged.
        temperature: T > 0.

    Returns:
        (N,) in float32 or wider.
    """
    z, t = wide(student) / temperature, wide(teacher) / temperature
    found = torch.zeros_like(z)
    for sign in (1, -1):
        log_target = functional.logsigmoid(sign * t)
        if log_target.dim() == 3:
            log_target = log_target.logsumexp(0) - z.new_tensor(len(log_target)).log()
        found = found + log_target.exp() * (log_target - functional.logsigmoid(sign * z))
    return temperature**2 * found.mean(dim=1)


def decoupled_rows(
    student: Tensor, teacher: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """DKD's two parts of each row: target against the rest, and among the rest.

    T^2 KL(b_T || b_S) with b = (p_y, 1 - p_y), and T^2 KL of the softmax of the logits other than
    that of the label y.

    Args:
        student: (N, C) logits.
        teacher: (N, C) logits, or (E, N, C), whose probabilities are averaged.
        labels: (N,) long, 0 .. C-1, the background included.
        temperature: T > 0.

    Returns:
        TCKD and NCKD, (N,) each, in float32 or wider.
    """
    chosen = functional.one_hot(labels, student.shape[1]).bool()  # (N, C)
    own = functional.log_softmax(wide(student) / temperature, dim=1)
    target = _log_mean(functional.log_softmax(wide(teacher) / temperature, dim=-1))
    pairs, rests = [], []
    for log_probs in (own, target):
        rest = log_probs.masked_fill(chosen, float('-inf'))
        log_rest = rest.logsumexp(dim=1, keepdim=True)
        log_target = log_probs.gather(1, labels[:, None])
        pairs.append(torch.cat([log_target, log_rest], dim=1))
        rests.append((rest - log_rest).masked_fill(chosen, float('-inf')))
    scale = temperature**2
    return scale * kl_rows(*pairs), scale * kl_rows(*rests)


def pearson(student: Tensor, teacher: Tensor, dim: int) -> Tensor:
    """Correlation along a dimension; 0 where one side is constant.

    Args:
        student: (N, C).
        teacher: (N, C).
        dim: Along which.

    Returns:
        (C,) for ``dim=0``, (N,) for ``dim=1``.
    """
    first, second = (side - side.mean(dim=dim, keepdim=True) for side in (student, teacher))
    product = (first * second).sum(dim=dim)
    squares = [side.square().sum(dim=dim) for side in (first, second)]
    constant = (squares[0] == 0) | (squares[1] == 0)
    norms = [square.masked_fill(constant, 1).sqrt() for square in squares]
    return (product / (norms[0] * norms[1] + 1e-8)).masked_fill(constant, 0)
