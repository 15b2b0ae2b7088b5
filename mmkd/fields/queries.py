"""The field ``queries``: what each query of a DETR says, layer by layer.

Letters: L layers of the decoder, B images, Q queries, C columns of class logits.
"""

from dataclasses import dataclass
from typing import Any

from mmdet.models.dense_heads import (
    ConditionalDETRHead,
    DABDETRHead,
    DeformableDETRHead,
    DETRHead,
)
from mmdet.structures import DetDataSample
from torch import Tensor

from mmkd.observation import Observation
from mmkd.registry import FIELDS
from mmkd.utils.types import Detector, Entries

from .field import DryRun, Field, Query, Recorder
from .heads import check_classes, is_sigmoid

_HEADS = (DETRHead, ConditionalDETRHead, DABDETRHead, DeformableDETRHead)
"""Heads whose forward pass gives classes and boxes of all layers; DINO's is the last one's."""


@dataclass(frozen=True)
class QueriesInfo:
    """Description of the field.

    Attributes:
        sigmoid: Whether classes are sigmoids; else a softmax whose last column is the background.
        layers: Of the decoder.
    """

    sigmoid: bool
    layers: int


@dataclass(frozen=True)
class QueryOutput:
    """One head on one batch, without the queries that DINO adds to denoise ground truth.

    Attributes:
        cls_score: (L, B, Q, C) logits.
        bbox_pred: (L, B, Q, 4), cxcywh, normalised to the image.
    """

    cls_score: Tensor
    bbox_pred: Tensor


@FIELDS.register_module()
class Queries(Field):
    """A :class:`QueryOutput`; described by :class:`QueriesInfo`."""

    name = 'queries'
    words = 'queries of a decoder'
    of_classes = True

    def offered(self, detector: Detector) -> bool:
        """DETR and its kin: Conditional, DAB and Deformable DETR, DINO."""
        head = getattr(detector, 'bbox_head', None)
        return hasattr(detector, 'forward_transformer') and any(
            getattr(type(head), 'forward', None) is kind.forward for kind in _HEADS
        )

    def describe(self, detector: Detector, run: DryRun) -> QueriesInfo:
        """What kind of head it is."""
        return QueriesInfo(is_sigmoid(detector.bbox_head), detector.decoder.num_layers)

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps what the head returns."""
        recorder.on_forward(detector.bbox_head, lambda args, out: recorder.first(self.name, out))

    def student(self, detector: Detector, seen: Entries) -> QueryOutput:
        """What was kept."""
        return _output(detector, seen[self.name])

    def teacher(self, observation: Observation, query: Query) -> QueryOutput:
        """Runs the transformer and the head on ``features``."""
        samples = [DetDataSample(metainfo=meta) for meta in query.metas]
        inputs = query.model.forward_transformer(observation.features, samples)
        outputs = query.model.bbox_head(**inputs)
        query.watch(self.name, outputs)
        return _output(query.model, outputs)

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Numbers of classes agree."""
        check_classes(student, teacher)


def _output(detector: Detector, outputs: Any) -> QueryOutput:
    # DINO's come after those of its denoising.
    scores, boxes = (kind[:, :, -detector.num_queries :] for kind in outputs)
    return QueryOutput(scores, boxes)
