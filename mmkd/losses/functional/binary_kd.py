"""Binary classification distillation: Yang et al., ICCV 2023 (BCKD), L_cls.

Letters: N rows (RoIs or anchors), C columns (classes).
"""

import torch
from torch import Tensor
from torch.nn import functional

from .reduction import wide


def binary_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """w_nk = |sigmoid(z_T) - sigmoid(z_S)| of logits, (N, C) each -> (N, C), float32 or wider."""
    return (wide(teacher).sigmoid() - wide(student).sigmoid()).abs()


def binary_cross_entropy(student: Tensor, teacher: Tensor) -> Tensor:
    """sum_k BCE(sigmoid(z_S), sigmoid(z_T)) of logits, (N, C) each -> (N,), float32 or wider."""
    return _entropies(student, teacher).sum(dim=1)


def _entropies(student: Tensor, teacher: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(
        wide(student), wide(teacher).sigmoid(), reduction='none'
    )


def focused_binary_cross_entropy(
    student: Tensor, teacher: Tensor, detach_factor: bool = False
) -> Tensor:
    """:func:`binary_cross_entropy` with a factor w_nk, :func:`binary_gap`, inside the sum.

    ``detach_factor`` makes w_nk a constant to the gradient.
    """
    factor = binary_gap(student, teacher)
    factor = factor.detach() if detach_factor else factor
    return (factor * _entropies(student, teacher)).sum(dim=1)


def one_against_rest(logits: Tensor) -> Tensor:
    """z_k - logsumexp over j != k of z_j: logits whose sigmoids are the softmax's probabilities.

    (N, C), C >= 2 -> (N, C) in float32 or wider.
    """
    logits = wide(logits)
    total = logits.logsumexp(dim=1, keepdim=True)
    # log(1 - p) of the largest p would cancel: the others are summed there.
    top = logits.argmax(dim=1, keepdim=True)
    largest = torch.zeros_like(logits, dtype=torch.bool).scatter(1, top, True)
    others = logits.masked_fill(largest, -torch.inf)
    rest = total + torch.log1p(-(others - total).exp())
    return logits - rest.where(~largest, others.logsumexp(dim=1, keepdim=True))
