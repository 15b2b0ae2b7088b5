"""Binary classification distillation (Yang et al., ICCV 2023)."""

from collections.abc import Sequence

from torch import Tensor

from mmkd.losses import RowLoss
from mmkd.losses.functional import binary_gap, one_against_rest
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_flag, check_number
from mmkd.utils.errors import UserError

from .base import DistillMethod
from .head_samples import (
    agreement_weights,
    all_class_rows,
    check_agreement,
    check_one_teacher,
    decoded_boxes,
)
from .heads import HEADS, Part, check_heads, info_of_head, parts_of
from .schedule import ScheduleSetting


@MODELS.register_module()
class BinaryKD(DistillMethod):
    """Every class of every row is a question of its own, and counts by how far the answers differ.

    Source: Longrong Yang, Xianpan Zhou, Xuewei Li, Liang Qiao, Zheyang Li, Ziwei Yang, Gaoang
    Wang, Xi Li. Bridging Cross-task Protocol Inconsistency for Distillation in Dense Object
    Detection. ICCV 2023. With w_nk = |p_T,nk - p_S,nk|, p a sigmoid, u_n the label weight and A the
    divisor of the head's own loss,

        L_cls = (1/A) sum_n u_n sum_k w_nk BCE(p_S,nk, p_T,nk)
        L_loc = (1/A) sum_n u_n max_k(w_nk) (1 - GIoU(b_S,n, b_T,n))

    A softmax is read as one class against the rest. What the paper leaves open is in
    ``docs/methods/binary_kd.md``.

    Args:
        cls_weight: Of L_cls; 1 in the official code. 0 leaves it out.
        loc_weight: Of L_loc; 4 in the official code. 0 leaves it out.
        detach_factor: Whether w_nk is a constant to the gradient of L_cls, as it is in L_loc.
        on: Which heads: ``'roi_head'``, ``'roi_stages'``, those of a cascade, ``'rpn'``,
            ``'dense'``, that of a one-stage detector.
        agreement: ``'only'`` compares rows whose label is the teacher's most probable class,
            ``'weighted'`` weighs each row with the teacher's probability of its label; None: all
            rows count alike. The divisor stays.
        loss_weight: Factor on both terms, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range, or both terms are left out.
    """

    def __init__(
        self,
        cls_weight: float = 1.0,
        loc_weight: float = 4.0,
        detach_factor: bool = False,
        on: Sequence[str] = ('roi_head', 'rpn'),
        agreement: str | None = None,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        check_number('cls_weight', cls_weight, '>= 0')
        check_number('loc_weight', loc_weight, '>= 0')
        check_flag('detach_factor', detach_factor)
        if not cls_weight and not loc_weight:
            raise UserError(f'every term of {self.name} is left out: set a weight above 0.')
        self.on = check_heads(on)
        self.agreement = check_agreement(agreement)
        fields = {HEADS[head].field for head in self.on}
        fields |= {HEADS[head].coder for head in self.on} if loc_weight else set()
        self.student_fields = self.teacher_fields = frozenset(fields)
        self.classes = RowLoss('binary_detached' if detach_factor else 'binary', cls_weight)
        self.boxes = RowLoss('giou', loc_weight)
        self.sigmoid: dict[str, bool] = {}

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Tells softmax from sigmoid heads."""
        check_one_teacher(self.name, self.teacher)
        self.sigmoid = {head: info_of_head(head, student).sigmoid for head in self.on}

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>_cls_<head>`` and ``loss_<name>_loc_<head>``."""
        parts = [(head, p) for head in self.on for p in parts_of(head, student, teacher)]
        found: dict[str, Tensor] = {}
        for head, part in parts:
            found |= self._compared(part, self.sigmoid[head])
        return found

    def _compared(self, part: Part, sigmoid: bool) -> dict[str, Tensor]:
        """The terms of a head or stage."""
        rows = all_class_rows(part.head, part.student, part.teacher)
        weight = rows.weights * agreement_weights(rows, sigmoid, self.agreement)
        logits = rows.student, rows.teacher
        best = rows.teacher
        if not sigmoid:
            logits = one_against_rest(rows.student), one_against_rest(rows.teacher)
            best = best[:, :-1]
        factor = self.loss_weight * part.weight
        found = {}
        if self.classes.loss_weight:
            found[f'loss_{self.name}_cls_{part.log}'] = factor * self.classes(
                student=logits[0],
                teacher=logits[1],
                weight=weight,
                avg_factor=rows.avg_factor,
            )
        if self.boxes.loss_weight:
            own, target = (
                decoded_boxes(part.head, side, part.student, best.argmax(dim=1))
                for side in (part.student, part.teacher)
            )
            found[f'loss_{self.name}_loc_{part.log}'] = factor * self.boxes(
                student=own,
                teacher=target,
                weight=weight * binary_gap(*logits).amax(dim=1),
                avg_factor=rows.avg_factor,
            )
        return found
