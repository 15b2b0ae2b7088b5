"""The weighted soft classification loss of Chen et al. as a registered module."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_number
from mmkd.utils.errors import UserError

from .functional import (
    check_same_shape,
    global_mean,
    weighted_soft_binary_cross_entropy,
    weighted_soft_cross_entropy,
)


@MODELS.register_module()
class WeightedSoftLoss(nn.Module):
    """Cross entropy with the teacher's probabilities, a larger weight on the background.

    Source: Chen et al., Learning Efficient Object Detection Models with Knowledge Distillation,
    NIPS 2017, L_soft. The weights stand inside the sum over classes. There is no T^2.

    Args:
        background_weight: w of the background, the last column; 1.5 in the paper, all others 1.
        class_weights: w of every column, the background last; replaces ``background_weight``.
        temperature: Their T, > 0; 1 in the paper.
        sigmoid: Whether the columns are sigmoids; the background's weight is then that of the
            negative part of every column, and ``class_weights`` has one entry more than columns.
    """

    def __init__(
        self,
        background_weight: float = 1.5,
        class_weights: Sequence[float] | None = None,
        temperature: float = 1.0,
        sigmoid: bool = False,
    ) -> None:
        super().__init__()
        check_number('background_weight', background_weight, '>= 0')
        check_number('temperature', temperature, '> 0')
        table = None if class_weights is None else _table(class_weights)
        self.class_weights: Tensor | None
        self.register_buffer('class_weights', table, persistent=False)
        self.background_weight, self.temperature = background_weight, temperature
        self.sigmoid = sigmoid

    def weights(self, columns: int, device: torch.device | str = 'cpu') -> Tensor:
        """The weight of each class, and of the background last, (columns + 1,) float32.

        ``columns`` are those of the logits without the background's.

        Raises:
            ValueError: ``class_weights`` has another length.
        """
        if self.class_weights is None:
            weights = torch.ones(columns + 1, device=device)
            weights[-1] = self.background_weight
            return weights
        if len(self.class_weights) != columns + 1:
            raise UserError(
                f'class_weights has {len(self.class_weights)} entries, but the head needs '
                f'{columns + 1}: one for each of {columns} classes and the background last.'
            )
        return self.class_weights.to(device, non_blocking=True)

    def forward(
        self,
        *,
        student: Tensor,
        teacher: Tensor,
        avg_factor: float | Tensor,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Sum over rows and columns divided by ``avg_factor``; 0 with a graph without rows.

        Logits are (N, C), the teacher's perhaps (E, N, C) of an ensemble; no gradient flows into
        them. The divisor is the head's, counted over all processes; rows may have weights (N,).

        Raises:
            ValueError: The two differ in shape, or ``class_weights`` has another length.
        """
        check_same_shape(student=student, teacher=teacher[0] if teacher.dim() == 3 else teacher)
        weights = self.weights(student.shape[1] - (not self.sigmoid), student.device)
        logits = student, teacher.detach()
        if self.sigmoid:
            rows = weighted_soft_binary_cross_entropy(
                *logits, weights[:-1], weights[-1], self.temperature
            )
        else:
            rows = weighted_soft_cross_entropy(*logits, weights, self.temperature)
        return global_mean(rows if weight is None else rows * weight, avg_factor)


def _table(class_weights: Sequence[float]) -> Tensor:
    """(columns,) float32, checked."""
    listed = isinstance(class_weights, Sequence) and not isinstance(class_weights, str)
    for place, weight in enumerate(class_weights if listed else ()):
        check_number(f'class_weights[{place}]', weight, '>= 0')
    if not listed or len(class_weights) < 2:
        raise UserError(
            'class_weights must be a list of numbers, one a class and the background last, got '
            f'{class_weights!r}.'
        )
    return torch.tensor(class_weights, dtype=torch.float32)
