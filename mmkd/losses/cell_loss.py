"""Half the mean squared error of weighted cells as a registered module."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_number

from .functional import check_same_shape, global_avg_factor, hint_error, masked_squared_error


@MODELS.register_module()
class CellLoss(nn.Module):
    """``loss_weight / (2 C N) * sum_ij w_ij ||s_ij - t_ij||^2``, N the sum of the weights.

    Source: Cao et al., PKD, NeurIPS 2022, on standardized maps. Without weights each level is
    averaged over its own cells and levels add up, as there; with weights there is one N for all
    levels, so that a level with few cells does not count more (Wang et al., CVPR 2019).

    Args:
        loss_weight: Factor on the result, >= 0.

    Raises:
        ValueError: ``loss_weight`` is negative.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_number('loss_weight', loss_weight, '>= 0')
        self.loss_weight = loss_weight

    def forward(
        self,
        *,
        student: Sequence[Tensor],
        teacher: Sequence[Tensor],
        mask: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Maps and weights of all levels to a scalar; 0 with a graph where no cell counts.

        Args:
            student: Per level (B, C, H, W), adapted to the teacher's channels.
            teacher: Per level (B, C, H, W); no gradient flows into it.
            mask: Per level (B, H, W) bool, or weights >= 0; None: every cell counts 1.

        Raises:
            ValueError: Two maps of a level differ in shape.
        """
        errors, counts = [], []
        for level, (own, target) in enumerate(zip(student, teacher, strict=True)):
            check_same_shape(student=own, teacher=target)
            channels, target = own.shape[1], target.detach()
            if mask is None:
                errors.append(hint_error(own, target) / channels)
                counts.append(errors[-1].new_tensor(own.numel() / max(channels, 1)))
            else:
                errors.append(masked_squared_error(own, target, mask[level]) / channels)
                counts.append(mask[level].sum())
        totals, cells = torch.stack(errors), torch.stack(counts)
        if mask is not None:
            totals, cells = totals.sum(), cells.sum()
        return self.loss_weight * (totals / (2 * global_avg_factor(cells))).sum()
