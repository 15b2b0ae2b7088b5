"""The hint loss of Chen et al. as a registered module."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_number

from .functional import NORMS, check_same_shape, constant, global_avg_factor, hint_error

REDUCTIONS = ('mean', 'sum', 'half_sum', 'half_channels')


@MODELS.register_module()
class HintLoss(nn.Module):
    """Distance of whole maps, averaged a level and summed over the levels.

    Source: Chen et al., Learning Efficient Object Detection Models with Knowledge Distillation,
    NIPS 2017, L_Hint. The paper does not state its divisor; the mean keeps the weight's meaning
    over image sizes and channels.

    Args:
        loss_weight: Their gamma, >= 0.
        norm: ``'l2'`` or ``'l1'``.
        reduction: ``'mean'`` divides each level by its elements in the batch (B C H W), ``'sum'``
            by its images (B), ``'half_sum'`` by twice those, ``'half_channels'`` by twice its cells
            (2 B H W); all count the batches of all processes.
    """

    def __init__(self, loss_weight: float = 0.5, norm: str = 'l2', reduction: str = 'mean') -> None:
        super().__init__()
        check_number('loss_weight', loss_weight, '>= 0')
        check_choice('norm', norm, NORMS)
        check_choice('reduction', reduction, REDUCTIONS)
        self.loss_weight, self.norm, self.reduction = loss_weight, norm, reduction

    def forward(self, *, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Adapted maps of all levels and the teacher's, (B, C, H, W) each, to a scalar.

        Raises:
            ValueError: Two maps of a level differ in shape.
        """
        errors, counts = [], []
        for student_map, teacher_map in zip(student, teacher, strict=True):
            check_same_shape(student=student_map, teacher=teacher_map)
            errors.append(hint_error(student_map, teacher_map.detach(), self.norm))
            images, channels, *cells = student_map.shape
            divisors = images * channels * prod(cells), images, 2 * images, 2 * images * prod(cells)
            counts.append(dict(zip(REDUCTIONS, divisors, strict=True))[self.reduction])
        totals = torch.stack(errors)  # (L,)
        return self.loss_weight * (totals / global_avg_factor(constant(counts, totals))).sum()
