"""The field ``features``: what the heads see."""

from dataclasses import replace

from torch import Tensor, nn

from mmkd.heads import QuantizedNeck
from mmkd.observation import MapsInfo, Observation
from mmkd.registry import FIELDS
from mmkd.utils.types import Detector, Entries

from .backbone import Backbone, Maps, maps_info
from .field import DryRun, Query, Recorder, as_tuple
from .heads import dense_head


@FIELDS.register_module()
class Features(Maps):
    """Per level (B, C, H, W): neck outputs, or the backbone's where there is no neck."""

    name = 'features'
    words = 'feature levels'

    def offered(self, detector: Detector) -> bool:
        """Every detector with a ``backbone``."""
        return hasattr(detector, 'backbone')

    def describe(self, detector: Detector, run: DryRun) -> MapsInfo:
        """Channels and strides of the levels, and the rule that assigns boxes to them."""
        extractor = getattr(getattr(detector, 'roi_head', None), 'bbox_roi_extractor', None)
        if isinstance(extractor, nn.ModuleList):
            extractor = extractor[0]
        anchors = getattr(dense_head(detector), 'prior_generator', None)
        stated = [stride[0] for stride in getattr(anchors, 'strides', ())]
        finest_scale = getattr(extractor, 'finest_scale', None)
        info = maps_info(run.maps, run.width, stated, finest_scale)
        neck = getattr(detector, 'neck', None)
        if isinstance(neck, QuantizedNeck) and neck.quantizer.signed:
            # A coarse step rounds what an untrained network says to 0, and hides its signs.
            return replace(info, rectified=(False,) * len(info.channels))
        return info

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps what the neck returns first, or the backbone."""
        if not getattr(detector, 'with_neck', False):
            Backbone().record(detector, recorder)
        elif recorder.once(self.name):
            recorder.on_forward(
                detector.neck, lambda args, out: recorder.first(self.name, as_tuple(out))
            )

    def student(self, detector: Detector, seen: Entries) -> tuple[Tensor, ...]:
        """What was kept."""
        return seen[self.name] if self.name in seen else seen[Backbone.name]

    def teacher(self, observation: Observation, query: Query) -> tuple[Tensor, ...]:
        """Runs the neck on the backbone's stages."""
        if not query.model.with_neck:
            return observation.backbone
        return query.watched(self.name, as_tuple(query.model.neck(observation.backbone)))
