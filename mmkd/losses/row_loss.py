"""Weighted rows of head outputs, averaged, under any formula that compares row by row."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_number

from .functional import (
    absolute_error,
    binary_cross_entropy,
    check_same_shape,
    focused_binary_cross_entropy,
    giou_error,
    global_mean,
    log_iou_error,
    softmax_divergence,
)

FORMULAS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    'binary': focused_binary_cross_entropy,
    'binary_detached': partial(focused_binary_cross_entropy, detach_factor=True),
    'binary_plain': binary_cross_entropy,
    'softmax': softmax_divergence,
    'giou': giou_error,
    'log_iou': log_iou_error,
    'l1': absolute_error,
}


@MODELS.register_module()
class RowLoss(nn.Module):
    """``loss_weight / A * sum_n u_n * formula(student_n, teacher_n)``.

    Source: the shape of every term of BCKD (Yang et al., ICCV 2023) and CrossKD (Wang et al., CVPR
    2024). Each row counts by a weight u_n, so no row is chosen and nothing waits for a GPU.

    Args:
        formula: ``'binary'``, the BCE of sigmoids weighted by their distance;
            ``'binary_detached'``, the distance a constant to the gradient; ``'binary_plain'``,
            without it; ``'softmax'``, KL(teacher || student); ``'giou'``, 1 - GIoU;
            ``'log_iou'``, -log IoU; ``'l1'``, absolute differences summed.
        loss_weight: Factor on the result, >= 0.
    """

    def __init__(self, formula: str, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_number('loss_weight', loss_weight, '>= 0')
        check_choice('formula', formula, FORMULAS)
        self.formula, self.loss_weight = FORMULAS[formula], loss_weight

    def forward(
        self, *, student: Tensor, teacher: Tensor, weight: Tensor, avg_factor: float | Tensor
    ) -> Tensor:
        """Rows, (N, D) each, to a scalar; 0 with a graph without rows.

        Weights u_n (N,) are constants to the gradient, as the teacher is; rows of weight 0 may be
        anything. ``avg_factor`` is A of this process, counted over all of them here.

        Raises:
            ValueError: The two sides differ in shape.
        """
        check_same_shape(student=student, teacher=teacher)
        # Taken out before the formula, so that NaN there reaches neither value nor gradient.
        left_out = (weight == 0)[:, None]
        sides = student.masked_fill(left_out, 0), teacher.detach().masked_fill(left_out, 0)
        return self.loss_weight * global_mean(weight.detach() * self.formula(*sides), avg_factor)
