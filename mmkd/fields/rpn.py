"""The field ``rpn``: the region proposal network."""

from collections.abc import Sequence
from typing import Any

from mmkd.observation import HeadInfo, Members, Observation, RPNOutput
from mmkd.registry import FIELDS
from mmkd.utils.types import Detector, Entries

from .field import DryRun, Field, Query, Recorder
from .heads import (
    Outputs,
    check_activation,
    check_anchors,
    head_info,
    record_anchors,
)

_TWO_SIZES = " These are in the student's pixels; leave the RPN out with on='roi_head'."


@FIELDS.register_module()
class RPN(Field):
    """An :class:`mmkd.observation.RPNOutput`; described by :class:`mmkd.observation.HeadInfo`."""

    name = 'rpn'
    words = 'region proposal network'
    needs = frozenset({name})

    def offered(self, detector: Detector) -> bool:
        """Two-stage detectors whose RPN has anchors and targets on them."""
        head = getattr(detector, 'rpn_head', None)
        needed = ('prior_generator', 'get_anchors', 'get_targets')
        return all(hasattr(head, name) for name in needed)

    def describe(self, detector: Detector, run: DryRun) -> HeadInfo:
        """What kind of head it is."""
        return head_info(detector.rpn_head)

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps outputs, anchors and targets."""
        Outputs().record(detector, recorder)
        record_anchors(detector, recorder)
        recorder.on_method(
            detector.rpn_head, 'get_targets', lambda args, out: recorder.first('rpn_targets', out)
        )

    def student(self, detector: Detector, seen: Entries) -> RPNOutput:
        """With targets."""
        outputs = seen['outputs']
        return RPNOutput(outputs[0], outputs[1], seen['anchors'][0], seen['rpn_targets'])

    def teacher(self, observation: Observation, query: Query) -> RPNOutput:
        """On the same anchors."""
        cls_score, bbox_pred = observation.outputs[:2]
        return RPNOutput(cls_score, bbox_pred, query.student.rpn.anchors)

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Anchors and activations agree."""
        first, second = student.rpn_head, teacher.rpn_head
        check_anchors('rpn_head', first, second, factor, _TWO_SIZES * (factor > 1))
        check_activation('rpn_head', first, second)

    def combine(self, values: Sequence[Any], names: Sequence[str]) -> Members:
        """All of them, side by side."""
        return Members(values, self.name)
