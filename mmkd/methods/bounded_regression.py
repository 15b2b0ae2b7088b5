"""Teacher-bounded regression (Chen et al., NIPS 2017)."""

from collections.abc import Sequence

from torch import Tensor

from mmkd.losses import TeacherBoundedLoss
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS

from .base import DistillMethod
from .head_samples import HEADS, box_rows, check_heads
from .schedule import ScheduleSetting


@MODELS.register_module()
class BoundedRegression(DistillMethod):
    """The student's boxes are charged again while they are worse than the teacher's.

    Source: Guobin Chen, Wongun Choi, Xiang Yu, Tony Han, Manmohan Chandraker. Learning Efficient
    Object Detection Models with Knowledge Distillation. NIPS 2017, L_reg = L_sL1 + nu L_b; L_sL1
    is the student's own loss. Positive RoIs and anchors are compared, in the student's encoded
    space; deltas of a teacher with other ``target_means`` or ``target_stds`` are converted to it.
    Deviations are in ``docs/methods/chen2017.md``.

    Args:
        loss_weight: Their nu, or a schedule; 0.5 in the paper.
        margin: Their m, >= 0, in squared units of the encoding. The paper gives no value.
        on: Which heads: ``'roi_head'``, ``'rpn'`` or both.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 0.5,
        margin: float = 0.0,
        on: Sequence[str] = ('roi_head', 'rpn'),
        name: str | None = 'bounded_reg',
    ) -> None:
        super().__init__(loss_weight, name)
        self.on = check_heads(on)
        fields = {field for head in self.on for field in (HEADS[head].field, HEADS[head].coder)}
        self.student_fields = self.teacher_fields = frozenset(fields)
        self.loss = TeacherBoundedLoss(margin, self.loss_weight)
        self.decoded: dict[str, bool] = {}

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Notes which heads of the student are trained on decoded boxes."""
        self.decoded = {head: student.fields[HEADS[head].field].decoded for head in self.on}

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>_rcn`` and ``loss_<name>_rpn``."""
        found = {}
        for head in self.on:
            rows = box_rows(head, student, teacher)
            target = rows.target
            if self.decoded.get(head):
                target = getattr(student, HEADS[head].coder).encode(rows.priors, target)
            found[f'loss_{self.name}_{HEADS[head].log}'] = self.loss(
                student=rows.student,
                teacher=rows.teacher,
                target=target,
                avg_factor=rows.avg_factor,
            )
        return found
