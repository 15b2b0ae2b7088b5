"""Losses of class distributions as registered modules: KD, DKD and DIST."""

from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_number, check_numbers

from .functional import (
    check_same_shape,
    decoupled_rows,
    global_mean,
    pearson,
    soft_binary_rows,
    soft_target_rows,
    wide,
)


class _LogitLoss(nn.Module):
    """The temperature of a loss on logits, and the check of their shapes."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        check_number('temperature', temperature, '> 0')
        self.temperature = temperature

    def _checked(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        check_same_shape(student=student, teacher=teacher[0] if teacher.dim() == 3 else teacher)
        return student, teacher.detach()


@MODELS.register_module()
class SoftTargetLoss(_LogitLoss):
    """T^2 KL(teacher || student) of softened class probabilities, averaged over rows.

    Source: Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015. Of sigmoid
    heads each column is a distribution of two classes, and columns are averaged.

    Args:
        temperature: T > 0.
        sigmoid: Whether the columns are sigmoids.
    """

    def __init__(self, temperature: float = 4.0, sigmoid: bool = False) -> None:
        super().__init__(temperature)
        self.sigmoid = sigmoid

    def forward(
        self,
        *,
        student: Tensor,
        teacher: Tensor,
        avg_factor: float | Tensor,
        weight: Tensor | float = 1.0,
    ) -> Tensor:
        """Rows to a scalar; 0 with a graph without rows.

        Logits are (N, C), the teacher's perhaps (E, N, C) of an ensemble; no gradient flows into
        them. ``avg_factor`` is the divisor of this process, counted over all of them here; rows may
        have weights (N,).
        """
        distance = soft_binary_rows if self.sigmoid else soft_target_rows
        rows = distance(*self._checked(student, teacher), self.temperature)
        return global_mean(rows * weight, avg_factor)


@MODELS.register_module()
class DecoupledLoss(_LogitLoss):
    """alpha TCKD + beta NCKD, averaged over rows.

    Source: Zhao, Cui, Song, Qiu, Liang. Decoupled Knowledge Distillation. CVPR 2022, equation 7.

    Args:
        alpha: Weight of the target against the rest, >= 0.
        beta: Weight of the distribution among the rest, >= 0.
        temperature: T > 0.
    """

    def __init__(self, alpha: float = 1.0, beta: float = 0.25, temperature: float = 1.0) -> None:
        super().__init__(temperature)
        check_numbers('>= 0', alpha=alpha, beta=beta)
        self.alpha, self.beta = alpha, beta

    def forward(
        self,
        *,
        student: Tensor,
        teacher: Tensor,
        labels: Tensor,
        avg_factor: float | Tensor,
        weight: Tensor | float = 1.0,
    ) -> Tensor:
        """As :class:`SoftTargetLoss`, of a softmax, with labels (N,), the background included."""
        target, rest = decoupled_rows(*self._checked(student, teacher), labels, self.temperature)
        return global_mean((self.alpha * target + self.beta * rest) * weight, avg_factor)


@MODELS.register_module()
class CorrelationLoss(_LogitLoss):
    """tau^2 [beta (1 - mean_n rho(rows)) + gamma (1 - mean_k rho(columns))] of probabilities.

    Source: Huang, You, Wang, Qian, Xu. Knowledge Distillation from A Stronger Teacher. NeurIPS
    2022, equations 8 to 11. Columns correlate over the rows of one process, and are left out for
    fewer than two.

    Args:
        beta: Weight of the correlation of the classes of a row, >= 0.
        gamma: Weight of the correlation of the rows of a class, >= 0.
        temperature: tau > 0.
        sigmoid: Whether the columns are sigmoids, not a softmax.
    """

    def __init__(
        self,
        beta: float = 1.0,
        gamma: float = 1.0,
        temperature: float = 1.0,
        sigmoid: bool = False,
    ) -> None:
        super().__init__(temperature)
        check_numbers('>= 0', beta=beta, gamma=gamma)
        self.beta, self.gamma, self.sigmoid = beta, gamma, sigmoid

    def forward(self, *, student: Tensor, teacher: Tensor, weight: Tensor | None = None) -> Tensor:
        """As :class:`SoftTargetLoss`, without a divisor; weights are 1 of rows that count, or 0."""
        logits = [wide(side) / self.temperature for side in self._checked(student, teacher)]
        own, target = (z.sigmoid() if self.sigmoid else z.softmax(dim=-1) for z in logits)
        target = target.mean(dim=0) if target.dim() == 3 else target
        weight = own.new_ones(len(own)) if weight is None else weight
        count = weight.sum()
        rows = (weight * (1 - pearson(own, target, dim=1))).sum() / count.clamp(min=1)
        columns = 1 - pearson(own, target, dim=0, weight=weight[:, None]).mean()
        return self.temperature**2 * (self.beta * rows + self.gamma * columns * (count > 1))
