"""The teacher-bounded regression loss of Chen et al. as a registered module."""

from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_numbers

from .functional import check_same_shape, global_mean, teacher_bounded_error


@MODELS.register_module()
class TeacherBoundedLoss(nn.Module):
    """Squared error of the student's boxes, charged only while they trail the teacher's.

    Source: Chen et al., Learning Efficient Object Detection Models with Knowledge Distillation,
    NIPS 2017, L_b; ``margin`` is their m and ``loss_weight`` their nu.

    Args:
        margin: Lead over the teacher at which the student stops paying, >= 0, in squared units of
            the encoding. The paper gives no value.
        loss_weight: Factor on the result, >= 0; 0.5 in the paper.
    """

    def __init__(self, margin: float = 0.0, loss_weight: float = 0.5) -> None:
        super().__init__()
        check_numbers('>= 0', margin=margin, loss_weight=loss_weight)
        self.margin, self.loss_weight = margin, loss_weight

    def forward(
        self, *, student: Tensor, teacher: Tensor, target: Tensor, avg_factor: float | Tensor
    ) -> Tensor:
        """Sum over positive rows divided by ``avg_factor``; 0 with a graph without rows.

        Deltas are in one encoding, (N, 4) each; no gradient flows into the teacher's. The divisor
        is the head's, sampled rows positive and negative, counted over all processes here.

        Raises:
            ValueError: The three differ in shape.
        """
        check_same_shape(student=student, teacher=teacher, target=target)
        rows = teacher_bounded_error(student, teacher.detach(), target, self.margin)
        return self.loss_weight * global_mean(rows, avg_factor)
