"""Sigmoid focal loss of ``mmcv._ext`` (Lin et al., ICCV 2017): N rows, C classes.

``target`` holds class indices; every value outside ``[0, C)`` is background. ``weight`` (C,),
empty where unused, multiplies a row by its target's entry.
"""

import torch
import torch.nn.functional as F
import torchvision.ops as tv_ops
from torch import Tensor

from .kernels import single


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Logits (N, C), indices (N,) -> ``output`` (N, C), unreduced."""
    logits = single(input)
    loss = tv_ops.sigmoid_focal_loss(
        logits, _one_hot(logits, target), alpha=alpha, gamma=gamma, reduction='none'
    )
    output.copy_(loss * _row_weight(target, weight))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """The derivative by each logit, into ``grad_input`` (N, C).

    In closed form: with ``p`` the probability of the true side of each logit, the loss is
    ``-a (1 - p)^g log p`` and its derivative by that side's logit
    ``a (1 - p)^g (g p log p - (1 - p))``. Autograd through the power would give NaN at ``p = 1``
    for ``g < 1``.
    """
    logits = single(input)
    positive = _one_hot(logits, target)
    sign = 2 * positive - 1
    log_p = F.logsigmoid(sign * logits)
    not_p = torch.sigmoid(-sign * logits)
    factor = alpha * positive + (1 - alpha) * (1 - positive)
    grad = sign * factor * not_p.pow(gamma) * (gamma * log_p.exp() * log_p - not_p)
    grad_input.copy_(grad * _row_weight(target, weight))


def _one_hot(logits: Tensor, target: Tensor) -> Tensor:
    """(N, C), (N,) -> (N, C) of 0 and 1; a background row is all 0."""
    classes = torch.arange(logits.shape[1], device=target.device)
    return (target[:, None] == classes).to(logits.dtype)


def _row_weight(target: Tensor, weight: Tensor) -> Tensor | float:
    """(N,) -> (N, 1) entries of ``weight``, or 1 where it is empty."""
    return single(weight)[target][:, None] if weight.numel() else 1.0
