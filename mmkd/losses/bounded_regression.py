"""The teacher-bounded regression loss of Chen et al. as a registered module."""

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_number

from .functional import check_same_shape, global_avg_factor, teacher_bounded_error


@MODELS.register_module()
class TeacherBoundedLoss(nn.Module):
    """Squared error of the student's boxes, charged only while they trail the teacher's.

    Source: Chen et al., Learning Efficient Object Detection Models with Knowledge Distillation,
    NIPS 2017, L_b; ``margin`` is their m and ``loss_weight`` their nu.

    Args:
        margin: Lead over the teacher at which the student stops paying, >= 0, in squared units of
            the encoding. The paper gives no value.
        loss_weight: Factor on the result, >= 0; 0.5 in the paper.

    Raises:
        ValueError: An argument is negative.
    """

    def __init__(self, margin: float = 0.0, loss_weight: float = 0.5) -> None:
        super().__init__()
        check_number('margin', margin, '>= 0')
        check_number('loss_weight', loss_weight, '>= 0')
        self.margin = margin
        self.loss_weight = loss_weight

    def forward(
        self, *, student: Tensor, teacher: Tensor, target: Tensor, avg_factor: float | Tensor
    ) -> Tensor:
        """Sum over rows divided by ``avg_factor``; 0 with a graph without rows.

        Args:
            student: (N, 4) encoded deltas of positive boxes.
            teacher: (N, 4) in the same encoding; no gradient flows into them.
            target: (N, 4) encoded ground truth.
            avg_factor: The head's count of this process, sampled rows positive and negative,
                counted over all processes here.

        Raises:
            ValueError: The three differ in shape.
        """
        check_same_shape(student=student, teacher=teacher, target=target)
        rows = teacher_bounded_error(student, teacher.detach(), target, self.margin)
        count = torch.as_tensor(avg_factor, dtype=rows.dtype, device=rows.device)
        return self.loss_weight * rows.sum() / global_avg_factor(count)
