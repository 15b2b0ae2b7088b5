"""Distillation of set prediction (after KD-DETR, Wang et al., CVPR 2024, and D3ETR, 2022)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmkd.losses import SetPredictionLoss
from mmkd.losses.functional import one_against_rest
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError

from .base import DistillMethod
from .head_samples import check_one_teacher
from .schedule import ScheduleSetting


@MODELS.register_module()
class SetPrediction(DistillMethod):
    """Queries of two DETRs are matched, and the student's say what the teacher's do.

    Source: the idea of Yu Wang et al., KD-DETR, CVPR 2024, and Xiaokang Chen et al., D3ETR, 2022:
    queries of two networks have no common order. The formula is that of
    :class:`mmkd.losses.SetPredictionLoss`; the rest is in
    ``docs/methods/set_prediction.md``.

    Args:
        layers: Which layers of both decoders, counted from the last, -1; their losses are added.
        cls_weight: Of the classes' binary cross entropy, >= 0.
        bbox_weight: Of the L1 distance of normalised boxes, >= 0.
        iou_weight: Of 1 - GIoU, >= 0.
        loss_weight: Factor on all terms, >= 0, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    student_fields = teacher_fields = frozenset({'queries'})

    def __init__(
        self,
        layers: Sequence[int] = (-1,),
        cls_weight: float = 2.0,
        bbox_weight: float = 5.0,
        iou_weight: float = 2.0,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        listed = isinstance(layers, Sequence) and len(layers) > 0
        if not listed or any(type(layer) is not int or layer >= 0 for layer in layers):
            raise UserError(
                f'layers must list layers of the decoder from the last, e.g. [-1, -2], got '
                f'{layers!r}.'
            )
        self.layers = tuple(layers)
        self.loss = SetPredictionLoss(cls_weight, bbox_weight, iou_weight)

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Tells softmax from sigmoid heads, which may meet.

        Raises:
            ValueError: A decoder has too few layers.
        """
        check_one_teacher(self.name, self.teacher)
        sides = student.fields['queries'], teacher.fields['queries']
        fewest = min(side.layers for side in sides)
        if min(self.layers) < -fewest:
            raise UserError(
                f'{self.name}: layers={list(self.layers)}, but the decoders have {sides[0].layers} '
                f'layers (student) and {sides[1].layers} (teacher): choose from -{fewest} to -1.'
            )
        self.sigmoids = [side.sigmoid for side in sides]

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>_cls``, ``loss_<name>_bbox`` and ``loss_<name>_iou``."""
        own, target = student.queries, teacher.queries
        terms = [
            torch.stack(
                self.loss(
                    student=_foreground(own.cls_score[layer], self.sigmoids[0]),
                    teacher=_foreground(target.cls_score[layer], self.sigmoids[1]),
                    student_boxes=own.bbox_pred[layer],
                    teacher_boxes=target.bbox_pred[layer],
                )
            )
            for layer in self.layers
        ]
        totals = self.loss_weight * torch.stack(terms).sum(dim=0)
        return {
            f'loss_{self.name}_{term}': total
            for term, total in zip(('cls', 'bbox', 'iou'), totals, strict=True)
        }


def _foreground(logits: Tensor, sigmoid: bool) -> Tensor:
    """(B, Q, C) -> (B, Q, K), logits whose sigmoids are the classes' probabilities."""
    if sigmoid:
        return logits
    return one_against_rest(logits.flatten(0, 1)).view_as(logits)[..., :-1]
