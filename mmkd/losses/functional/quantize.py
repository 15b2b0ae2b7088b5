"""Uniform quantization: Wei et al., ECCV 2018, section 3."""

import math
from typing import Any

import torch
from torch import Tensor

from ...utils.errors import UserError
from .reduction import wide


def quantize(values: Tensor, step: float, signed: bool = False) -> Tensor:
    """The nearest element of D = {0, s, 2 s, ...}; halfway between two, the smaller one.

    Q(f) = beta where (alpha + beta) / 2 < f <= (beta + gamma) / 2 for neighbours alpha < beta <
    gamma of D, so values up to s / 2, and all negative ones, give 0; there is no upper bound. The
    gradient is full precision, straight through: 1 everywhere. Shape and dtype stay.

    With ``signed``, for maps that are not rectified, D = {..., -s, 0, s, ...}, ties towards 0.

    Raises:
        ValueError: ``step``, s, is not positive and finite.
    """
    if not 0 < step < math.inf:
        raise UserError(f'step must be > 0 and finite, got {step}.')
    return _StraightThrough.apply(values, step, signed)


class _StraightThrough(torch.autograd.Function):
    """Not ``f + (Q(f) - f).detach()``, whose value is off by the rounding of the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, step: float, signed: bool) -> Tensor:
        size = wide(values)
        size = size.abs() if signed else size.clamp(min=0)
        count = (size / step - 0.5).ceil().clamp(min=0)
        # The division rounds; the borders, as numbers of this precision, decide.
        count = torch.where(size <= (count - 0.5) * step, count - 1, count).clamp(min=0)
        count = torch.where(size > (count + 0.5) * step, count + 1, count)
        found = (count * step).to(values.dtype)
        return torch.copysign(found, values) if signed else found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient, None, None
