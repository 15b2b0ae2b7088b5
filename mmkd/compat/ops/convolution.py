"""Deformable convolutions (v1 and v2) of ``mmcv._ext`` on torchvision's kernel.

Both libraries lay offsets out alike: (N, 2 * G * KH * KW, H', W'), (dy, dx) pairs per kernel
cell, G offset groups; masks are (N, G * KH * KW, H', W'). mmcv's buffers (``columns``,
``ones``) and ``im2col_step`` concern its own memory and change no value.
"""

from typing import Any

import torch
from torch import Tensor

from .kernels import single

# mmcv's names of stride, padding, dilation and groups, in torchvision's order.
_PLAIN = 'dH dW padH padW dilationH dilationW group deformable_group'.split()
_MODULATED = 'stride_h stride_w pad_h pad_w dilation_h dilation_w group deformable_group'.split()


def deform_conv_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, *buffers: Tensor, **sizes: int
) -> None:
    """Deformable convolution without mask or bias (Dai et al., 2017) into ``output``."""
    output.copy_(_forward(input, weight, offset, None, None, sizes))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **sizes: int,
) -> None:
    """Gradients of input and offset; torchvision's kernel computes the weight's as well."""
    grads = _backward(grad_output, input, weight, offset, None, None, sizes)
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[2])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    *buffers: Tensor,
    scale: float,
    **sizes: int,
) -> None:
    """Adds ``scale`` times the gradient of the weight to ``grad_weight``, as mmcv does."""
    grads = _backward(grad_output, input, grad_weight, offset, None, None, sizes)
    grad_weight.add_(grads[1], alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    *,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Deformable convolution with modulation masks (Zhu et al., 2019) into ``output``."""
    output.copy_(_forward(input, weight, offset, mask, bias if with_bias else None, sizes))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    *grads: Tensor,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Gradients of input, weight, bias, offset and mask into ``grads``; the output's is last."""
    *targets, grad_output = grads
    given = bias if with_bias else None
    found = _backward(grad_output, input, weight, offset, mask, given, sizes)
    for target, index in zip(targets, (0, 1, 4, 2, 3), strict=True):
        if index < 4 or with_bias:
            target.copy_(found[index])


def _forward(*forward: Any) -> Tensor:
    return torch.ops.torchvision.deform_conv2d(*_arguments(*forward))


def _backward(grad_output: Tensor, *forward: Any) -> tuple[Tensor, ...]:
    """Gradients of input, weight, offset, mask and bias."""
    return torch.ops.torchvision._deform_conv2d_backward(single(grad_output), *_arguments(*forward))


def _arguments(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    sizes: dict[str, int],
) -> tuple[Tensor | int, ...]:
    """What torchvision's kernels take; without a mask an empty one, without a bias one of 0."""
    input = single(input)
    return (
        input,
        single(weight),
        single(offset),
        input.new_zeros(len(input), 1) if mask is None else single(mask),
        input.new_zeros(len(weight)) if bias is None else single(bias),
        *(sizes[name] for name in (_PLAIN if mask is None else _MODULATED)),
        mask is not None,
    )
