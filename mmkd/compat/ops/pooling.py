"""RoI pooling of ``mmcv._ext`` on torchvision's kernels.

N images, R RoIs (R, 5) as (image index, x1, y1, x2, y2) in input pixels, C channels, output
P x Q. mmcv passes the result tensors in and they are overwritten.
"""

import torch
from torch import Tensor

from .kernels import missing, single

_AVERAGE = 1  # mmcv's pool_mode; 0 is the maximum
_ALIGN = ('spatial_scale', 'aligned_height', 'aligned_width', 'sampling_ratio', 'aligned')
_POOL = ('spatial_scale', 'pooled_height', 'pooled_width')


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    pool_mode: int,
    **sizes: float,
) -> None:
    """(N, C, H, W), (R, 5) -> ``output`` (R, C, P, Q), the mean of bilinear samples.

    Raises:
        NotImplementedError: For ``pool_mode`` 0, which torchvision lacks.
    """
    if pool_mode != _AVERAGE:
        raise missing("roi_align with pool_mode='max'")
    output.copy_(
        torch.ops.torchvision.roi_align(
            single(input), single(rois), *(sizes[name] for name in _ALIGN)
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    **sizes: float,
) -> None:
    """(R, C, P, Q) -> ``grad_input`` (N, C, H, W)."""
    scale, height, width, *sampling = (sizes[name] for name in _ALIGN)
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            single(grad_output), single(rois), scale, height, width, *grad_input.shape, *sampling
        )
    )


def roi_pool_forward(
    input: Tensor, rois: Tensor, output: Tensor, argmax: Tensor, **sizes: float
) -> None:
    """(N, C, H, W), (R, 5) -> maxima ``output`` (R, C, P, Q) and their places ``argmax``.

    torchvision rounds a scaled RoI to whole cells as Fast R-CNN does; mmcv's CUDA kernel does
    not, so the two agree where RoIs fall on cell borders and differ by a cell elsewhere.
    """
    pooled, places = torch.ops.torchvision.roi_pool(
        single(input), single(rois), *(sizes[name] for name in _POOL)
    )
    output.copy_(pooled)
    argmax.copy_(places)


def roi_pool_backward(
    grad_output: Tensor, rois: Tensor, argmax: Tensor, grad_input: Tensor, **sizes: float
) -> None:
    """(R, C, P, Q) -> ``grad_input`` (N, C, H, W): each gradient goes to its maximum."""
    grad_input.copy_(
        torch.ops.torchvision._roi_pool_backward(
            single(grad_output).contiguous(),
            single(rois),
            argmax,
            *(sizes[name] for name in _POOL),
            *grad_input.shape,
        )
    )
