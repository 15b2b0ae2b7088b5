"""The imitation loss of Wang et al. as a registered module."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_number

from .functional import check_same_shape, global_avg_factor, masked_squared_error


@MODELS.register_module()
class ImitationLoss(nn.Module):
    """Half the squared feature error over kept cells, divided by their number.

    Source: Wang et al., Distilling Object Detectors with Fine-grained Feature Imitation, CVPR
    2019, L_imitation: ``loss_weight / (2 N_p) * sum_ij I_ij ||s_ij - t_ij||^2``, summed over
    channels (not averaged), N_p the kept cells of all maps and images of all processes.

    Args:
        loss_weight: Their lambda, >= 0.

    Raises:
        ValueError: ``loss_weight`` is negative.
    """

    def __init__(self, loss_weight: float = 0.01) -> None:
        super().__init__()
        check_number('loss_weight', loss_weight, '>= 0')
        self.loss_weight = loss_weight

    def forward(
        self,
        *,
        student: Sequence[Tensor],
        teacher: Sequence[Tensor],
        mask: Sequence[Tensor],
    ) -> Tensor:
        """Maps and masks of all levels to a scalar; 0 with a graph where no cell is kept.

        Args:
            student: Per level (B, C, H, W), adapted to the teacher's channels.
            teacher: Per level (B, C, H, W); no gradient flows into it.
            mask: Per level (B, H, W) bool.

        Raises:
            ValueError: Two maps of a level differ in shape.
        """
        errors = []
        for student_map, teacher_map, level_mask in zip(student, teacher, mask, strict=True):
            check_same_shape(student=student_map, teacher=teacher_map)
            errors.append(masked_squared_error(student_map, teacher_map.detach(), level_mask))
        cells = torch.stack([level_mask.sum() for level_mask in mask]).sum()
        return self.loss_weight * torch.stack(errors).sum() / (2 * global_avg_factor(cells))
