"""The field ``roi_head``: the second stage, on the RoIs that the student sampled."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmkd.observation import HeadInfo, Members, Observation, RoIOutput
from mmkd.registry import FIELDS
from mmkd.utils.types import Detector, Entries, Head

from .field import DryRun, Field, Query, Recorder
from .heads import check_activation, check_classes, head_info, plain_roi_head

PLACE = 'roi_head.bbox_head'


def record_stage(recorder: Recorder, key: str, extractor: Any, head: Head) -> None:
    """Keeps RoIs, inputs, outputs and targets of one box head in ``seen[key]``.

    The last call before the targets counts: OHEMSampler runs both parts on candidates first, and a
    mask head may use the extractor again afterwards.
    """
    if not recorder.once(key):
        return
    stage = recorder.seen.setdefault(key, {})

    def keep(**values: Any) -> None:
        if 'targets' not in stage:
            stage.update(values)

    recorder.on_forward(extractor, lambda args, out: keep(rois=args[1]))
    recorder.on_forward(
        head, lambda args, out: keep(bbox_feats=args[0], cls_score=out[0], bbox_pred=out[1])
    )
    recorder.on_method(head, 'get_targets', lambda args, out: keep(targets=out))


@FIELDS.register_module()
class RoIHead(Field):
    """A :class:`mmkd.observation.RoIOutput`; described by :class:`mmkd.observation.HeadInfo`.

    It can be applied: ``teacher.apply('roi_head', bbox_feats)`` runs the teacher's box head on
    pooled features (R, C, h, w) of the student's RoIs, C those of the teacher.
    """

    name = 'roi_head'
    words = 'RoI head'
    of_classes = True
    needs = frozenset({name})

    def offered(self, detector: Detector) -> bool:
        """Two-stage detectors with one box head."""
        return plain_roi_head(detector) is not None

    def describe(self, detector: Detector, run: DryRun) -> HeadInfo:
        """What kind of head it is, and what it reads."""
        pooled = detector.roi_head._bbox_forward(tuple(run.maps), run.roi)['bbox_feats']
        return head_info(
            detector.roi_head.bbox_head,
            channels=pooled.shape[1],
            bins=tuple(pooled.shape[2:]),
            levels=getattr(detector.roi_head.bbox_roi_extractor, 'num_inputs', None),
        )

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps RoIs, inputs, outputs and targets."""
        head = detector.roi_head
        record_stage(recorder, self.name, head.bbox_roi_extractor, head.bbox_head)

    def student(self, detector: Detector, seen: Entries) -> RoIOutput:
        """With targets."""
        return RoIOutput(**seen[self.name])

    def teacher(self, observation: Observation, query: Query) -> RoIOutput:
        """On the same RoIs."""
        rois = query.student.roi_head.rois
        out = query.model.roi_head._bbox_forward(observation.features, query.view.to_teacher(rois))
        query.watch(self.name, [out['cls_score'], out['bbox_pred']])
        return RoIOutput(rois, out['bbox_feats'], out['cls_score'], out['bbox_pred'])

    def lend(self, observation: Observation, query: Query, bbox_feats: Tensor) -> RoIOutput:
        """Runs the box head on pooled features (R, C, h, w) of the student's RoIs."""
        cls_score, bbox_pred = query.model.roi_head.bbox_head(bbox_feats)
        return RoIOutput(query.student.roi_head.rois, bbox_feats, cls_score, bbox_pred)

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Activations and numbers of classes agree."""
        check_classes(student, teacher)
        check_activation(PLACE, student.roi_head.bbox_head, teacher.roi_head.bbox_head)

    def combine(self, values: Sequence[Any], names: Sequence[str]) -> Members:
        """All of them, side by side."""
        return Members(values, self.name)
