"""Weighted soft classification (Chen et al., NIPS 2017)."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from mmkd.losses import WeightedSoftLoss
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError

from .base import DistillMethod
from .head_samples import agreement_weights, check_agreement, class_rows
from .heads import HEADS, check_heads, info_of_head, is_hard_loss, parts_of
from .schedule import Schedule, ScheduleSetting, logged


@MODELS.register_module()
class SoftClassification(DistillMethod):
    """The student's class probabilities approach the teacher's on the student's RoIs and anchors.

    Source: Guobin Chen, Wongun Choi, Xiang Yu, Tony Han, Manmohan Chandraker. Learning Efficient
    Object Detection Models with Knowledge Distillation. NIPS 2017, L_cls = mu L_hard + (1 - mu)
    L_soft. L_hard is the student's own loss, which is scaled by mu. Deviations are in
    ``docs/methods/chen2017.md``.

    Args:
        mu: Share of the hard loss, in [0, 1], or a schedule. The paper gives no value.
        background_weight: Weight of the background's column inside the sum; 1.5 in the paper.
        class_weights: Weights of all classes, the background last; replaces
            ``background_weight``. The RPN's one foreground class then weighs 1.
        temperature: Their T; 1 in the paper.
        on: Which heads: ``'roi_head'``, ``'roi_stages'``, those of a cascade, ``'rpn'``,
            ``'dense'``, that of a one-stage detector.
        agreement: ``'only'`` compares rows whose label is the teacher's most probable class,
            ``'weighted'`` weighs each row with the teacher's probability of its label; None: all
            rows count alike. The divisor stays.
        loss_weight: Factor on (1 - mu) L_soft alone, or a schedule. L_hard gives up what L_soft
            takes: at a fraction f of the highest weight its factor is 1 - (1 - mu) f.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        mu: ScheduleSetting = 0.5,
        background_weight: float = 1.5,
        class_weights: Sequence[float] | None = None,
        temperature: float = 1.0,
        on: Sequence[str] = ('roi_head', 'rpn'),
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = 'soft_cls',
        agreement: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        self.mu = Schedule(mu, 'mu')
        if self.mu.highest > 1:
            raise UserError(f'mu must lie in [0, 1], got {self.mu.highest}.')
        self.on = check_heads(on)
        self.agreement = check_agreement(agreement)
        self.student_fields = self.teacher_fields = frozenset(HEADS[head].field for head in self.on)
        by_head = {
            head: WeightedSoftLoss(background_weight, class_weights, temperature) for head in HEADS
        }
        for_rpn = background_weight if class_weights is None else class_weights[-1]
        by_head['rpn'] = WeightedSoftLoss(for_rpn, None, temperature)
        self.losses = nn.ModuleDict({head: by_head[head] for head in self.on})

    @property
    def active(self) -> bool:
        """Whether the soft part can ever count."""
        return super().active and self.mu.lowest < 1

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Tells softmax from sigmoid heads; checks ``class_weights`` against the classes."""
        for head, module in self.losses.items():
            loss = cast(WeightedSoftLoss, module)
            loss.sigmoid = info_of_head(head, student).sigmoid
            if head != 'rpn' and student.num_classes is not None and not loss.sigmoid:
                loss.weights(student.num_classes)

    def task_loss_scale(self, name: str, batch: Batch) -> float:
        """The factor on the hard classification loss of each head in ``on``, mu at full weight."""
        if not is_hard_loss(name, self.on):
            return 1.0
        share = self.share(batch)
        return 1 - share + share * self.mu(batch)

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>_<head>`` for each head, of a cascade for each stage."""
        mu = self.mu(batch)
        found = {} if self.mu.constant else {f'{self.name}_mu': logged(mu)}
        for head, module in self.losses.items():
            loss = cast(WeightedSoftLoss, module)
            for part in parts_of(head, student, teacher):
                rows = class_rows(part.head, part.student, part.teacher)
                weight = rows.counted
                if self.agreement is not None:
                    weight = weight * agreement_weights(rows, loss.sigmoid, self.agreement)
                found[f'loss_{self.name}_{part.log}'] = (
                    self.loss_weight
                    * part.weight
                    * (1 - mu)
                    * loss(
                        student=rows.student,
                        teacher=rows.teacher,
                        avg_factor=rows.avg_factor,
                        weight=weight,
                    )
                )
        return found
