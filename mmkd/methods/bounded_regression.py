"""Teacher-bounded regression (Chen et al., NIPS 2017)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmkd.losses import TeacherBoundedLoss
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.utils.types import Entries, Info

from .base import DistillMethod
from .head_samples import (
    BoxRows,
    box_rows,
    check_one_teacher,
    expected_sides,
    flat_rows,
    in_students_encoding,
)
from .heads import HEADS, check_heads, info_of_head, parts_of
from .schedule import ScheduleSetting


@MODELS.register_module()
class BoundedRegression(DistillMethod):
    """The student's boxes are charged again while they are worse than the teacher's.

    Source: Guobin Chen, Wongun Choi, Xiang Yu, Tony Han, Manmohan Chandraker. Learning Efficient
    Object Detection Models with Knowledge Distillation. NIPS 2017, L_reg = L_sL1 + nu L_b; L_sL1
    is the student's own loss. Positive RoIs and anchors are compared, in the student's encoded
    space; deltas of a teacher with other ``target_means`` or ``target_stds`` are converted to it.
    Of a one-stage head that says distances, boxes, or distributions of distances, the (expected)
    distances are compared, in strides of the level.
    Deviations are in ``docs/methods/chen2017.md``.

    Args:
        loss_weight: Their nu, or a schedule; 0.5 in the paper.
        margin: Their m, >= 0, in squared units of the encoding. The paper gives no value.
        on: Which heads: ``'roi_head'``, ``'roi_stages'``, those of a cascade, ``'rpn'``,
            ``'dense'``, that of a one-stage detector.
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
        self.infos: Entries = {}

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Notes how the student's heads encode boxes.

        Raises:
            ValueError: The dense heads of an ensemble are compared.
        """
        if 'dense' in self.on:
            check_one_teacher(self.name, self.teacher)
        self.infos = {head: info_of_head(head, student) for head in self.on}

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>_<head>`` for each head, of a cascade for each stage."""
        found = {}
        for head in self.on:
            info = self.infos.get(head)
            for part in parts_of(head, student, teacher):
                sides = part.student, part.teacher
                rows = _dense_rows(info, *sides) if head == 'dense' else box_rows(part.head, *sides)
                target = rows.target
                if head != 'dense' and info is not None and info.decoded:
                    target = getattr(part.student, HEADS[part.head].coder).encode(
                        rows.priors, target
                    )
                found[f'loss_{self.name}_{part.log}'] = part.weight * self.loss(
                    student=rows.student,
                    teacher=rows.teacher,
                    target=target,
                    avg_factor=rows.avg_factor,
                )
        return found


def _dense_rows(info: Info, student: Observation, teacher: Observation) -> BoxRows:
    """Rows of a one-stage head with a ground-truth box.

    Deltas as the student's coder encodes them; of heads of distances the distances to the four
    sides in strides of the level, the expected ones where they are distributions.

    Args:
        info: ``DenseInfo`` of the student.
        student: The student's observation.
        teacher: The teacher's, of one teacher.
    """
    dense = student.dense
    labels = torch.cat([level.flatten() for level in dense.labels])
    classes = flat_rows(dense.cls_score, dense.labels).shape[1] - (not info.sigmoid)
    chosen = ((labels >= 0) & (labels < classes)).nonzero().squeeze(1)
    own, other = (flat_rows(o.bbox_pred, dense.labels)[chosen] for o in (dense, teacher.dense))
    target = torch.cat([level.reshape(-1, 4) for level in dense.bbox_targets])[chosen]
    images = len(dense.labels[0])
    priors = torch.cat([level.repeat(images, 1) for level in dense.priors])[chosen]
    if info.boxes == 'deltas':
        coders = student.dense_bbox_coder, teacher.dense_bbox_coder
        if info.decoded:
            target = coders[0].encode(priors, target)
        other = in_students_encoding(other, *coders)
        return BoxRows(priors, own, other, target, dense.avg_factor)
    if info.decoded:
        strides = torch.cat([
            target.new_full((level.numel(), 1), stride)
            for level, stride in zip(dense.labels, info.strides, strict=True)
        ])[chosen]  # fmt: skip
        centers = (priors[:, :2] + priors[:, -2:]) / 2  # of anchors; points stay
        target = torch.cat([centers - target[:, :2], target[:, 2:] - centers], dim=1) / strides
    if info.boxes == 'bins':
        # The last bin is never a target of the head itself.
        target = target.clamp(0, info.bins - 1 - 0.1)
        own, other = (expected_sides(numbers) for numbers in (own, other))
    return BoxRows(priors, own, other, target, dense.avg_factor)
