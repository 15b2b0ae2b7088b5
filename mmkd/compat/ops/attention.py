"""Multi-scale deformable attention of ``mmcv._ext``, from mmcv's own grid-sample version.

mmcv uses that version on CPU and the compiled one on GPU. Shapes are those of
``mmcv.ops.multi_scale_deform_attn.MultiScaleDeformableAttnFunction``.
"""

import torch
from torch import Tensor


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """The attended values, (batch, queries, channels)."""
    # Imported here: mmcv.ops imports the module that this function is part of.
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(
        value, value_spatial_shapes, sampling_locations, attention_weights
    )


def ms_deform_attn_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    grad_output: Tensor,
    *grads: Tensor,
    im2col_step: int,
) -> None:
    """Gradients by value, locations and weights, into the three tensors of ``grads``."""
    inputs = [t.detach().requires_grad_() for t in (value, locations, weights)]
    with torch.enable_grad():
        output = ms_deform_attn_forward(
            inputs[0], shapes, starts, inputs[1], inputs[2], im2col_step
        )
    for target, grad in zip(grads, torch.autograd.grad(output, inputs, grad_output), strict=True):
        target.copy_(grad)
