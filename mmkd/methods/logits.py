"""What methods on class logits share."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.settings import check_number
from mmkd.utils.errors import UserError

from .base import DistillMethod
from .head_samples import ClassRows, class_rows
from .heads import HEADS, check_heads, info_of_head, is_hard_loss, parts_of
from .schedule import ScheduleSetting


class LogitMethod(DistillMethod):
    """Compares class logits of the rows that a head's own loss counts.

    Args:
        loss_weight: Factor on the loss of every head, >= 0, or a schedule.
        name: Name in the log.
        on: Which heads: ``'roi_head'``, ``'roi_stages'``, those of a cascade, ``'rpn'``,
            ``'dense'``, that of a one-stage detector.
        alpha: Share of the soft loss, in [0, 1]: the student's own classification loss of these
            heads counts 1 - alpha.

    Raises:
        ValueError: An argument is out of range.
    """

    takes_sigmoid = True
    """Whether its formula has a form for sigmoid heads."""

    def __init__(
        self,
        loss_weight: ScheduleSetting,
        name: str | None,
        *,
        on: Sequence[str],
        alpha: float = 0.0,
    ) -> None:
        super().__init__(loss_weight, name)
        check_number('alpha', alpha, '[0, 1]')
        self.alpha = alpha
        self.on = check_heads(on)
        self.student_fields = self.teacher_fields = frozenset(HEADS[head].field for head in self.on)
        self.losses = nn.ModuleDict()

    def build_loss(self, sigmoid: bool) -> nn.Module:
        """The formula for a softmax or a sigmoid head."""
        raise NotImplementedError

    def compare(self, loss: nn.Module, rows: ClassRows) -> Tensor:
        """The formula's value on the rows of a head."""
        raise NotImplementedError

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Tells softmax from sigmoid heads.

        Raises:
            ValueError: The formula has no form for a head.
        """
        for head in self.on:
            sigmoid = info_of_head(head, student).sigmoid
            if sigmoid and not self.takes_sigmoid:
                raise UserError(
                    f'{self.name} compares the classes of a softmax, and {head!r} has sigmoids: '
                    'leave it out of `on`, or use mmkd.KD or mmkd.BinaryKD.'
                )
            self.losses[head] = self.build_loss(sigmoid)

    def task_loss_scale(self, name: str, batch: Batch) -> float:
        """1 - alpha for the classification losses of these heads, while the method counts."""
        return 1 - self.alpha * self.share(batch) if is_hard_loss(name, self.on) else 1.0

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>_<head>`` for each head, of a cascade for each stage."""
        factor = self.loss_weight * (self.alpha or 1.0)
        return {
            f'loss_{self.name}_{part.log}': factor
            * part.weight
            * self.compare(loss, class_rows(part.head, part.student, part.teacher))
            for head, loss in self.losses.items()
            for part in parts_of(head, student, teacher)
        }
