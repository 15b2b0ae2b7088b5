"""Near-object imitation: Wang et al., CVPR 2019 (FGFI), section 3.

Letters: G ground-truth boxes of one image, L levels, A anchors a cell, H x W cells of a level,
N = sum over levels of H * W * A anchors, B images, C channels of the teacher's map.
Boxes are xyxy in pixels of the padded network input, without "+1".
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .reduction import constant, squared_difference, wide

MAX_OVER = ('all', 'level', 'assigned')


def assigned_levels(boxes: Tensor, strides: Sequence[int], finest_scale: float) -> Tensor:
    """The pyramid level of each box by the FPN rule (Lin et al. 2017, equation 1).

    A box of side sqrt(w * h) goes to the coarsest level i with side >= finest_scale * stride_i /
    min(strides), else to the finest: with 56 and strides 4, 8, 16, ... a side of 224 goes to
    stride 16. (G, 4) xyxy, pixels, and strides in any order -> (G,) long, index into them.
    """
    x1, y1, x2, y2 = wide(boxes).unbind(dim=1)
    sides = ((x2 - x1) * (y2 - y1)).clamp(min=0).sqrt()
    order = sorted(range(len(strides)), key=strides.__getitem__)
    limits = [finest_scale * strides[level] / strides[order[0]] for level in order[1:]]
    reached = (sides[:, None] >= constant(limits, sides)).sum(dim=1)
    return constant(order, reached)[reached]


def pairwise_iou(boxes: Tensor, anchors: Tensor) -> Tensor:
    """IoU of each box with each anchor, equal to ``torchvision.ops.box_iou``.

    That function works on interleaved (G, N, 2) corners and takes four times as long on a CPU, at
    a size where it would be the larger part of the mask's cost. xyxy, (G, 4), (N, 4) with area ->
    (G, N) in [0, 1], float32 or wider.
    """
    ax1, ay1, ax2, ay2 = wide(anchors).t().contiguous()
    bx1, by1, bx2, by2 = wide(boxes).t()[:, :, None]  # each (G, 1)
    width = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp_(min=0)
    height = (torch.minimum(ay2, by2) - torch.maximum(ay1, by1)).clamp_(min=0)
    overlap = width.mul_(height)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - overlap
    return overlap.div_(union)


def imitation_mask(
    gt_bboxes: Tensor,
    anchors: Sequence[Tensor],
    valid: Sequence[Tensor],
    grid_sizes: Sequence[tuple[int, int]],
    *,
    psi: float,
    max_over: str,
    strides: Sequence[int],
    finest_scale: float,
) -> list[Tensor]:
    """Cells near objects: those with an anchor whose IoU with a box exceeds psi times the best.

    For box k with IoU map m_k the threshold is F_k = psi * M_k, M_k the largest IoU of k with any
    anchor; a cell is kept if one of its anchors has m_k > F_k (strictly) for at least one k.

    Args:
        gt_bboxes: (G, 4) boxes to imitate around; G may be 0.
        anchors: Per level (H * W * A, 4), row-major over cells, the A anchors of a cell adjacent.
        valid: Per level (H * W * A,) bool; False takes an anchor out of masks and maxima.
        grid_sizes: Per level (H, W).
        psi: Threshold factor in [0, 1]; 0 keeps every overlapped cell, 1 none.
        max_over: Which anchors define M_k: ``'all'`` levels together, each ``'level'`` for itself,
            or ``'assigned'``: only the one level that the FPN rule assigns the box to.
        strides: Per level stride, pixels; read by ``'assigned'`` only.
        finest_scale: See :func:`assigned_levels`; read by ``'assigned'`` only. Levels of one
            stride, as R-FCN has them, share their boxes.

    Returns:
        Per level (H, W) bool.
    """
    per_level = [len(boxes) for boxes in anchors]
    ious = pairwise_iou(gt_bboxes, torch.cat(list(anchors)))  # (G, N)
    ious.masked_fill_(~torch.cat(list(valid)), 0)
    if max_over == 'all':
        best = ious.amax(dim=1, keepdim=True)  # (G, 1)
    else:
        parts = ious.split(per_level, dim=1)
        if max_over == 'assigned':
            own = constant(strides, ious)[assigned_levels(gt_bboxes, strides, finest_scale)]  # (G,)
            at = [ious.new_full((count,), n) for count, n in zip(per_level, strides, strict=True)]
            ious.masked_fill_(own[:, None] != torch.cat(at), 0)
        best = torch.cat([part.amax(1, keepdim=True).expand_as(part) for part in parts], dim=1)
    kept = (ious > psi * best).any(dim=0)  # (N,)
    return [
        level.view(*size, -1).any(dim=-1)
        for level, size in zip(kept.split(per_level), grid_sizes, strict=True)
    ]


def masked_squared_error(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Sum over kept cells and all channels of (student - teacher)^2: L_imitation's numerator.

    Maps (B, C, H, W); a mask (B, H, W) bool, or weights >= 0, which are multiplied with -> scalar
    in float32 or wider.
    """
    weight = mask[:, None]
    if mask.dtype == torch.bool:
        return squared_difference(student, teacher, weight).sum()
    return (weight * squared_difference(student, teacher, weight > 0)).sum()
