"""Decoupled knowledge distillation (Zhao et al., CVPR 2022)."""

from torch import Tensor, nn

from mmkd.losses import DecoupledLoss
from mmkd.registry import MODELS

from .head_samples import ClassRows
from .logits import LogitMethod
from .schedule import ScheduleSetting


@MODELS.register_module()
class DKD(LogitMethod):
    """KD in two parts, weighed on their own: the label against the rest, and among the rest.

    Source: Borui Zhao, Quan Cui, Renjie Song, Yiyu Qiu, Jiajun Liang. Decoupled Knowledge
    Distillation. CVPR 2022, equation 7; constants of its detectors. The background is a class.

    Args:
        alpha: Weight of the label against the rest, >= 0; their alpha, 1.
        beta: Weight of the distribution among the rest, >= 0; their beta, 0.25.
        temperature: T > 0.
        loss_weight: Factor on the loss, >= 0, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range, or the RoI head's classes are sigmoids.
    """

    takes_sigmoid = False

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 0.25,
        temperature: float = 1.0,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name, on=('roi_head',))
        self.constants = alpha, beta, temperature
        self.build_loss(False)

    def build_loss(self, sigmoid: bool) -> nn.Module:
        """Of a softmax."""
        return DecoupledLoss(*self.constants)

    def compare(self, loss: nn.Module, rows: ClassRows) -> Tensor:
        """Averaged over the RoIs."""
        return loss(
            student=rows.student,
            teacher=rows.teacher,
            labels=rows.labels,
            weight=rows.counted,
            avg_factor=rows.avg_factor,
        )
