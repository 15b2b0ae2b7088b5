"""How well boxes agree, row by row. Boxes are xyxy, without "+1"."""

import torch
from torch import Tensor

from .reduction import wide

_SMALLEST = 1e-6
"""Of a divisor and of a logarithm's argument, as in MMDetection."""


def giou_error(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - GIoU of each pair (Rezatofighi et al., CVPR 2019): IoU less the hull's empty share.

    (N, 4) each -> (N,) in [0, 2], float32 or wider.
    """
    overlap, union, hull = _areas(student, teacher)
    hull = hull.clamp(min=_SMALLEST)
    return 1 - overlap / union + (hull - union) / hull


def log_iou_error(student: Tensor, teacher: Tensor) -> Tensor:
    """-log IoU of each pair (Yu et al., UnitBox, 2016), IoU >= 1e-6; (N, 4) each -> (N,) >= 0."""
    overlap, union, _ = _areas(student, teacher)
    return -(overlap / union).clamp(min=_SMALLEST).log()


def _areas(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(N,) area of the intersection, the union (not 0), and the smallest box around both."""
    (a1, a2), (b1, b2) = (wide(boxes).split(2, dim=1) for boxes in (student, teacher))
    overlap = (torch.minimum(a2, b2) - torch.maximum(a1, b1)).clamp(min=0).prod(dim=1)
    union = (a2 - a1).prod(dim=1) + (b2 - b1).prod(dim=1) - overlap
    hull = (torch.maximum(a2, b2) - torch.minimum(a1, b1)).prod(dim=1)
    return overlap, union.clamp(min=_SMALLEST), hull
