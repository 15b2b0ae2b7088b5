"""The field ``roi_embedding``: what the last shared layer of a box head gives for each RoI."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmkd.observation import Observation
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector

from .field import DryRun, Field, Query, Recorder, recording
from .heads import plain_roi_head
from .roi_head import RoIHead


@dataclass(frozen=True)
class EmbeddingInfo:
    """Description of the field.

    Attributes:
        channels: D, of an embedding.
    """

    channels: int


@FIELDS.register_module()
class RoIEmbedding(Field):
    """(R, D): the input of the classifier, for the RoIs of ``roi_head``."""

    name = 'roi_embedding'
    words = 'embedding of RoIs'
    needs = frozenset({RoIHead.name})

    def offered(self, detector: Detector) -> bool:
        """Box heads of R-CNN whose classifier reads a vector that the regressor reads too."""
        head = getattr(plain_roi_head(detector), 'bbox_head', None)
        own = [getattr(head, f'num_{branch}', 0) for branch in ('cls_convs', 'cls_fcs')]
        return isinstance(getattr(head, 'fc_cls', None), nn.Linear) and not any(own)

    def describe(self, detector: Detector, run: DryRun) -> EmbeddingInfo:
        """Its width."""
        return EmbeddingInfo(detector.roi_head.bbox_head.fc_cls.in_features)

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps the input of the classifier beside the outputs of the head."""
        RoIHead().record(detector, recorder)
        # Later than the hooks of the head, which end with the targets.
        stage = recorder.seen[RoIHead.name]

        def keep(args: tuple) -> None:
            if 'targets' not in stage:
                recorder.seen[self.name] = args[0]

        recorder.on_input(detector.roi_head.bbox_head.fc_cls, keep)

    def teacher(self, observation: Observation, query: Query) -> Tensor:
        """From the pooled features of ``roi_head``, which runs now if it has not yet."""
        head = query.model.roi_head.bbox_head
        with recording() as recorder:
            recorder.on_input(head.fc_cls, lambda args: recorder.first(self.name, args[0]))
            pooled = observation.roi_head.bbox_feats
            if self.name not in recorder.seen:
                head(pooled)
        return recorder.seen[self.name]

    def combine(self, values: Sequence[Tensor], names: Sequence[str]) -> Tensor:
        """The mean of the embeddings."""
        return torch.stack(list(values)).mean(dim=0)

    def combine_info(self, infos: Sequence[EmbeddingInfo], names: Sequence[str]) -> EmbeddingInfo:
        """The width that all share."""
        if len(set(infos)) > 1:
            widths = {name: one.channels for name, one in zip(names, infos, strict=True)}
            raise UserError(
                f"teacher='ensemble' averages the {self.words}, whose widths differ: {widths}. "
                'Name one teacher.'
            )
        return infos[0]
