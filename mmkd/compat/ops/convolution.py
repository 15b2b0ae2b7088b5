"""Deformable convolutions (v1 and v2) of ``mmcv._ext`` on torchvision's kernel.

Both libraries lay offsets out alike: (N, 2 * G * KH * KW, H', W'), (dy, dx) pairs per kernel
cell, G offset groups; masks are (N, G * KH * KW, H', W'). mmcv's buffers (``columns``,
``ones``) and ``im2col_step`` concern its own memory and change no value.
"""

import torch
from torch import Tensor

from .precision import single


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Deformable convolution without mask or bias (Dai et al., 2017) into ``output``."""
    output.copy_(
        torch.ops.torchvision.deform_conv2d(
            single(input),
            single(weight),
            single(offset),
            *_no_mask_no_bias(input, weight),
            dH,
            dW,
            padH,
            padW,
            dilationH,
            dilationW,
            group,
            deformable_group,
            False,
        )
    )


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Gradients of input and offset; torchvision's kernel computes the weight's as well."""
    grads = torch.ops.torchvision._deform_conv2d_backward(
        single(grad_output),
        single(input),
        single(weight),
        single(offset),
        *_no_mask_no_bias(input, weight),
        dH,
        dW,
        padH,
        padW,
        dilationH,
        dilationW,
        group,
        deformable_group,
        False,
    )
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[2])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Adds ``scale`` times the gradient of the weight to ``grad_weight``, as mmcv does."""
    grads = torch.ops.torchvision._deform_conv2d_backward(
        single(grad_output),
        single(input),
        single(grad_weight),
        single(offset),
        *_no_mask_no_bias(input, grad_weight),
        dH,
        dW,
        padH,
        padW,
        dilationH,
        dilationW,
        group,
        deformable_group,
        False,
    )
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
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Deformable convolution with modulation masks (Zhu et al., 2019) into ``output``."""
    output.copy_(
        torch.ops.torchvision.deform_conv2d(
            single(input),
            single(weight),
            single(offset),
            single(mask),
            single(bias) if with_bias else _no_bias(input, weight),
            stride_h,
            stride_w,
            pad_h,
            pad_w,
            dilation_h,
            dilation_w,
            group,
            deformable_group,
            True,
        )
    )


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """All gradients of the modulated convolution, into the tensors that mmcv passes."""
    grads = torch.ops.torchvision._deform_conv2d_backward(
        single(grad_output),
        single(input),
        single(weight),
        single(offset),
        single(mask),
        single(bias) if with_bias else _no_bias(input, weight),
        stride_h,
        stride_w,
        pad_h,
        pad_w,
        dilation_h,
        dilation_w,
        group,
        deformable_group,
        True,
    )
    targets = [grad_input, grad_weight, grad_offset, grad_mask]
    for target, grad in zip(targets, grads, strict=False):
        target.copy_(grad)
    if with_bias:
        grad_bias.copy_(grads[4])


def _no_bias(input: Tensor, weight: Tensor) -> Tensor:
    """A bias that adds nothing: torchvision's kernel takes no other way to leave it out."""
    return single(input).new_zeros(weight.shape[0])


def _no_mask_no_bias(input: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The empty mask of ``use_mask=False``, and a zero bias."""
    return single(input).new_zeros(input.shape[0], 1), _no_bias(input, weight)
