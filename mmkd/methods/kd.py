"""Knowledge distillation with soft targets (Hinton et al., 2015)."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmkd.losses import SoftTargetLoss
from mmkd.registry import MODELS

from .head_samples import ClassRows
from .logits import LogitMethod
from .schedule import ScheduleSetting


@MODELS.register_module()
class KD(LogitMethod):
    """The student's softened class probabilities approach the teacher's.

    Source: Geoffrey Hinton, Oriol Vinyals, Jeff Dean. Distilling the Knowledge in a Neural Network.
    2015, section 2: L = (1 - alpha) L_hard + alpha T^2 KL(teacher || student). L_hard is the
    student's own classification loss. Sigmoid heads are compared column by column.

    Args:
        temperature: T > 0.
        alpha: Share of the soft loss, in [0, 1]; 0: the soft loss is added and L_hard stays whole.
        on: Which heads: ``'roi_head'``, ``'roi_stages'``, those of a cascade, ``'rpn'``,
            ``'dense'``, that of a one-stage detector.
        loss_weight: Factor on the soft loss, >= 0, or a schedule. L_hard gives up what it takes: at
            a fraction f of the highest weight its factor is 1 - alpha f.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        temperature: float = 4.0,
        alpha: float = 0.5,
        on: Sequence[str] = ('roi_head',),
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name, on=on, alpha=alpha)
        self.temperature = temperature
        self.build_loss(False)

    def build_loss(self, sigmoid: bool) -> nn.Module:
        """KL of the softmax, or of each sigmoid."""
        return SoftTargetLoss(self.temperature, sigmoid)

    def compare(self, loss: nn.Module, rows: ClassRows) -> Tensor:
        """Averaged by the head's own count of rows."""
        return loss(
            student=rows.student,
            teacher=rows.teacher,
            weight=rows.counted,
            avg_factor=rows.avg_factor,
        )
