"""Squared errors of cells as registered modules: FGFI's, and PKD's."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_number

from .functional import (
    check_same_shape,
    constant,
    global_avg_factor,
    hint_error,
    masked_squared_error,
)


@MODELS.register_module()
class ImitationLoss(nn.Module):
    """Half the squared feature error over kept cells, divided by their number.

    Source: Wang et al., Distilling Object Detectors with Fine-grained Feature Imitation, CVPR
    2019, L_imitation: ``loss_weight / (2 N_p) * sum_ij I_ij ||s_ij - t_ij||^2``, summed over
    channels (not averaged), N_p the kept cells of all maps and images of all processes. Without a
    mask each level is averaged over its own cells, and levels add up.

    Args:
        loss_weight: Their lambda, >= 0.
    """

    mean_of_channels = False

    by_cell = True
    """Whether each kept cell counts for itself, wherever it lies."""

    def __init__(self, loss_weight: float = 0.01) -> None:
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
        """Maps and masks of all levels to a scalar; 0 with a graph where no cell is kept.

        Maps are (B, C, H, W), the student's adapted; no gradient flows into the teacher's. Masks
        are (B, H, W) bool, or weights >= 0; without them every cell counts 1.

        Raises:
            ValueError: Two maps of a level differ in shape.
        """
        errors, counts = [], []
        for level, (own, target) in enumerate(zip(student, teacher, strict=True)):
            check_same_shape(student=own, teacher=target)
            target, channels = target.detach(), own.shape[1]
            if mask is None:
                error = hint_error(own, target)
                counts.append(constant(own.numel() / max(channels, 1), error))
            else:
                error = masked_squared_error(own, target, mask[level])
                counts.append(mask[level].sum())
            errors.append(error / channels if self.mean_of_channels else error)
        totals, cells = torch.stack(errors), torch.stack(counts)
        if mask is not None:  # one divisor: a level with few cells does not count more
            totals, cells = totals.sum(), cells.sum()
        return self.loss_weight * (totals / (2 * global_avg_factor(cells))).sum()


@MODELS.register_module()
class CellLoss(ImitationLoss):
    """:class:`ImitationLoss`, averaged over channels.

    Source: Cao et al., PKD, NeurIPS 2022, on standardized whole maps.

    Args:
        loss_weight: Factor on the result, >= 0.
    """

    mean_of_channels = True

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight)
