"""Cross-head distillation (Wang et al., CVPR 2024)."""

from typing import Any

import torch
from torch import Tensor, nn

from mmkd.losses import RowLoss
from mmkd.losses.functional import match_statistics, wide
from mmkd.modules import ConvAdapter
from mmkd.observation import Batch, DetectorInfo, HeadInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_number
from mmkd.utils.errors import UserError
from mmkd.utils.types import Info, Value

from .base import DistillMethod
from .head_samples import (
    ClassRows,
    agreement_weights,
    all_class_rows,
    check_agreement,
    check_one_teacher,
    dense_boxes,
    flat_rows,
    roi_deltas,
)
from .schedule import ScheduleSetting

ON = ('roi_head', 'dense')
_WEIGHTS = {None: (1.0, 1.0), 'deltas': (1.0, 1.0), 'bins': (1.0, 4.0), 'distances': (0.4, 0.75)}
"""Of classes and boxes, by what a dense head says of a box; the paper's. None: of a RoI head."""
_BOX_FORMULAS = {None: 'l1', 'deltas': 'giou', 'bins': 'softmax', 'distances': 'log_iou'}


@MODELS.register_module()
class CrossKD(DistillMethod):
    """The teacher's frozen head reads the student's features and says what it does of its own.

    Source: Jiabao Wang, Yuming Chen, Zhaohui Zheng, Xiang Li, Ming-Ming Cheng, Qibin Hou. CrossKD:
    Cross-Head Knowledge Distillation for Dense Object Detection. CVPR 2024. The student's own head
    is left to the labels, so that the two targets do not meet in one layer. On dense heads the
    teacher's convolutions behind ``layer`` run on the student's maps, which are first given the
    mean and deviation of the teacher's. On RoI heads, which the paper does not treat, the teacher's
    whole box head runs on the student's pooled features, through one 1x1 convolution. The formulas
    are in ``docs/methods/cross_kd.md``.

    Args:
        on: ``'roi_head'`` or ``'dense'``, the head of a one-stage detector.
        layer: Of dense heads: after how many convolutions of the towers the student's maps go over;
            None: 3, of FCOS 2, or one less than there are where the towers are shorter.
        cls_weight: Of the classes; None: 1, of FCOS 0.4. 0 leaves them out.
        reg_weight: Of the boxes; None: 1, of GFL 4, of FCOS 0.75. 0 leaves them out.
        centerness_weight: Of the centerness of ATSS, or the IoU of PAA; no other head has the term.
        agreement: ``'only'`` compares rows whose label is the teacher's most probable class,
            ``'weighted'`` weighs each row with the teacher's probability of its label; None: all
            rows count alike. Divisors that are counts stay.
        loss_weight: Factor on all terms, or a schedule.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        on: str = 'roi_head',
        layer: int | None = None,
        cls_weight: float | None = None,
        reg_weight: float | None = None,
        centerness_weight: float = 1.0,
        agreement: str | None = None,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        check_choice('on', on, ON)
        if layer is not None:
            check_number('layer', layer, '>= 1', whole=True)
        for term, weight in (('cls_weight', cls_weight), ('reg_weight', reg_weight)):
            if weight is not None:
                check_number(term, weight, '>= 0')
        check_number('centerness_weight', centerness_weight, '>= 0')
        self.on, self.layer = on, layer
        self.agreement = check_agreement(agreement)
        self.weights = cls_weight, reg_weight
        self.centerness = RowLoss('binary_plain', centerness_weight)
        fields = {'roi_head'} if on == 'roi_head' else {'dense', 'dense_bbox_coder'}
        self.student_fields = self.teacher_fields = frozenset(fields)

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Builds the adapters, and the formulas that fit the head.

        Raises:
            ValueError: The teacher's head cannot read the student's features.
        """
        check_one_teacher(self.name, self.teacher)
        first, second = (side.fields[self.on] for side in (student, teacher))
        self.sigmoid, self.kind = second.sigmoid, getattr(second, 'boxes', None)
        widths = first.channels, second.channels
        if self.on == 'roi_head':
            self._check_bins(first, second)
            self.adapters = nn.ModuleList([ConvAdapter(*widths)])
        else:
            for side, head in ((student, first), (teacher, second)):
                if not head.convs:
                    raise UserError(
                        f'{self.name}: the head of {side.name} has no convolutions of classes and '
                        'of boxes between which maps could cross over; use mmkd.BinaryKD or '
                        "mmkd.SoftClassification with on='dense'."
                    )
            self.layer = self._checked_layer(first, second)
            towers = 2 if widths[0] != widths[1] else 0
            self.adapters = nn.ModuleList(ConvAdapter(*widths) for _ in range(towers))
        weights = [
            own if chosen is None else chosen
            for own, chosen in zip(_WEIGHTS[self.kind], self.weights, strict=True)
        ]
        self.classes = RowLoss('binary' if self.sigmoid else 'softmax', weights[0])
        self.boxes = RowLoss(_BOX_FORMULAS[self.kind], weights[1])

    def _check_bins(self, student: HeadInfo, teacher: HeadInfo) -> None:
        if student.bins != teacher.bins:
            raise UserError(
                f"{self.name}: the teacher's box head reads {teacher.bins} bins a RoI, but the "
                f"student's RoI extractor has {student.bins}: give both the same output_size."
            )

    def _checked_layer(self, student: Info, teacher: Info) -> int:
        convs = student.convs
        if convs != teacher.convs:
            raise UserError(
                f'{self.name}: the towers of bbox_head have {convs} convolutions for the student '
                f"and {teacher.convs} for the teacher, so the student's maps have no place between "
                "the teacher's. Give both the same stacked_convs."
            )
        if not self.sigmoid:
            raise UserError(
                f"{self.name} compares a dense head's classes as sigmoids, but loss_cls of both "
                'is a softmax: set use_sigmoid=True.'
            )
        layer = self.layer
        if layer is None:
            layer = max(min(2 if self.kind == 'distances' else 3, convs - 1), 1)
        if layer > convs:
            raise UserError(
                f'{self.name}: layer={layer}, but the towers of bbox_head have {convs} '
                f'convolutions: choose 1 to {convs}.'
            )
        return layer

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>_cls``, ``_reg`` and, of ATSS and PAA, ``_centerness``."""
        found = (self._roi_head if self.on == 'roi_head' else self._dense)(student, teacher)
        return {
            f'loss_{self.name}_{term}': self.loss_weight * loss(**rows)
            for term, (loss, rows) in found.items()
            if loss.loss_weight
        }

    def _roi_head(self, student: Observation, teacher: Observation) -> dict[str, tuple]:
        rows = all_class_rows('roi_head', student, teacher)
        weight = rows.weights * agreement_weights(rows, self.sigmoid, self.agreement)
        cross = teacher.apply('roi_head', self.adapters[0](student.roi_head.bbox_feats))
        probs = _probabilities(rows, self.sigmoid)
        confidence, best = probs.max(dim=1)
        own, target = (roi_deltas(side, best) for side in (cross, teacher.roi_head))
        common = dict(avg_factor=rows.avg_factor)
        return {
            'cls': (
                self.classes,
                dict(student=cross.cls_score, teacher=rows.teacher, weight=weight, **common),
            ),
            'reg': (
                self.boxes,
                dict(student=own, teacher=target, weight=weight * confidence, **common),
            ),
        }

    def _dense(self, student: Observation, teacher: Observation) -> dict[str, tuple]:
        assert self.layer is not None  # chosen in setup
        layer = self.layer - 1
        seen, target = student.dense, teacher.dense
        cross = teacher.apply('dense', *self._crossing(seen, target, layer), layer=layer)
        rows = all_class_rows('dense', student, teacher)
        agreeing = agreement_weights(rows, True, self.agreement)
        weight = rows.weights * agreeing
        count = rows.avg_factor
        if self.kind == 'distances' and target.centerness is not None:
            count = _centerness_sum(seen.bbox_targets, rows.labels, rows.student.shape[1])
        confidence = (rows.weights > 0) * agreeing * _probabilities(rows, True).amax(dim=1)
        found: dict[str, tuple] = {
            'cls': (
                self.classes,
                dict(
                    student=flat_rows(cross.cls_score, seen.labels),
                    teacher=rows.teacher,
                    weight=weight,
                    avg_factor=count,
                ),
            ),
            'reg': (self.boxes, self._dense_boxes(seen, cross, teacher, confidence, count)),
        }
        if self.kind == 'deltas' and target.centerness is not None:
            positive = rows.labels < rows.student.shape[1]
            found['centerness'] = (
                self.centerness,
                dict(
                    student=flat_rows(cross.centerness, seen.labels),
                    teacher=flat_rows(target.centerness, seen.labels),
                    weight=weight * positive,
                    avg_factor=count,
                ),
            )
        return found

    def _crossing(self, student: Value, teacher: Value, layer: int) -> list[list[Tensor]]:
        """Per tower and level the student's map, as the teacher's next layers expect it."""
        found = []
        for tower, name in enumerate(('cls_maps', 'reg_maps')):
            maps = getattr(student, name)[layer]
            if len(self.adapters):
                maps = [self.adapters[tower](level) for level in maps]
            targets = getattr(teacher, name)[layer]
            found.append(
                [
                    match_statistics(level, target).to(target.dtype)
                    for level, target in zip(maps, targets, strict=True)
                ]
            )
        return found

    def _dense_boxes(
        self, student: Value, cross: Value, teacher: Observation, confidence: Tensor, count: Any
    ) -> dict:
        """What the formula of the boxes is called with."""
        target = teacher.dense
        if self.kind != 'bins':
            own, others = (
                dense_boxes(side, student.labels, teacher.dense_bbox_coder)
                for side in (cross, target)
            )
            return dict(student=own, teacher=others, weight=confidence, avg_factor=count)
        # Four rows of bins an anchor: their mean over the edges, and over the confidences.
        edges, others = (
            flat_rows(side.bbox_pred, student.labels).unflatten(1, (4, -1)).flatten(0, 1)
            for side in (cross, target)
        )
        weight = confidence.repeat_interleave(4) / 4
        return dict(student=edges, teacher=others, weight=weight, avg_factor=confidence.sum())


@torch.no_grad()
def _probabilities(rows: ClassRows, sigmoid: bool) -> Tensor:
    """(N, K) of the teacher's foreground classes."""
    logits = wide(rows.teacher)
    return logits.sigmoid() if sigmoid else logits.softmax(dim=1)[:, :-1]


def _centerness_sum(targets: list[Tensor], labels: Tensor, classes: int) -> Tensor:
    """Sum over positive points of sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b))."""
    sides = wide(torch.cat([level.reshape(-1, 4) for level in targets]))
    across, along = sides[:, 0::2], sides[:, 1::2]
    ratios = [(pair.amin(dim=1) / pair.amax(dim=1).clamp(min=1e-6)) for pair in (across, along)]
    centerness = (ratios[0] * ratios[1]).clamp(min=0).sqrt()
    return centerness.masked_fill(labels >= classes, 0).sum()
