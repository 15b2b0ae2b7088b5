"""The field ``proposals``: where a detector looks for objects."""

from torch import Tensor

from mmkd.observation import Observation
from mmkd.registry import FIELDS
from mmkd.utils.types import Detector, Entries

from .field import Field, Query, Recorder, as_tensor
from .heads import Outputs, best_boxes


@FIELDS.register_module()
class Proposals(Field):
    """Per image (P, 4), best first: the detector's own proposals after NMS, no gradient.

    Those of the RPN, before sampling and without the ground truth that training adds to them; of a
    one-stage detector its best decoded boxes, whatever their score. The student's come from its
    training settings, the teacher's from its test settings, both in pixels of the student's images.
    """

    name = 'proposals'
    words = 'proposals'

    def offered(self, detector: Detector) -> bool:
        """Detectors with an RPN, or a one-stage head with priors."""
        return Outputs().offered(detector)

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps the RPN's boxes, or what a one-stage head returned."""
        if getattr(detector, 'rpn_head', None) is None:
            Outputs().record(detector, recorder)
            return
        # The RoI head empties the proposals that it is given, so their boxes are kept now.
        recorder.on_method(
            detector.rpn_head,
            'predict_by_feat',
            lambda args, out: recorder.first(self.name, [as_tensor(one.bboxes) for one in out]),
        )

    def student(self, detector: Detector, seen: Entries) -> list[Tensor]:
        """What was kept, decoded where it is not."""
        if self.name in seen:
            return seen[self.name]
        return best_boxes(detector, seen['outputs'], seen['metas'])

    def teacher(self, observation: Observation, query: Query) -> list[Tensor]:
        """Decoded, and brought to the student's images."""
        found = best_boxes(query.model, observation.outputs, query.metas)
        return [query.view.to_student(boxes) for boxes in found]
