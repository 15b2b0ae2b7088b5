"""DIST, distillation from a stronger teacher (Huang et al., NeurIPS 2022)."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmkd.losses import CorrelationLoss
from mmkd.registry import MODELS

from .head_samples import ClassRows
from .logits import LogitMethod
from .schedule import ScheduleSetting


@MODELS.register_module()
class DIST(LogitMethod):
    """The student's probabilities correlate with the teacher's, by row and by class.

    Source: Tao Huang, Shan You, Fei Wang, Chen Qian, Chang Xu. Knowledge Distillation from A
    Stronger Teacher. NeurIPS 2022, equations 8 to 11.

    Args:
        beta: Weight of the correlation of the classes of a row, >= 0.
        gamma: Weight of the correlation of the rows of a class, >= 0.
        temperature: tau > 0.
        on: Which heads: ``'roi_head'``, ``'roi_stages'``, those of a cascade, ``'rpn'``,
            ``'dense'``, that of a one-stage detector.
        loss_weight: Factor on the loss, >= 0, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        beta: float = 1.0,
        gamma: float = 1.0,
        temperature: float = 1.0,
        on: Sequence[str] = ('roi_head',),
        loss_weight: ScheduleSetting = 2.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name, on=on)
        self.constants = beta, gamma, temperature
        self.build_loss(False)

    def build_loss(self, sigmoid: bool) -> nn.Module:
        """Of a softmax, or of sigmoids."""
        return CorrelationLoss(*self.constants, sigmoid)

    def compare(self, loss: nn.Module, rows: ClassRows) -> Tensor:
        """Over the rows of this process."""
        return loss(student=rows.student, teacher=rows.teacher, weight=rows.counted)
