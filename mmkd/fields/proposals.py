"""The field ``proposals``: boxes that a detector holds for objects."""

from torch import Tensor

from mmkd.observation import Observation
from mmkd.registry import FIELDS
from mmkd.utils.types import Detector, Entries

from .features import Features
from .field import Field, Query, Recorder, as_tensor
from .heads import Outputs, best_boxes, predicts_boxes, proposed_boxes


@FIELDS.register_module()
class Proposals(Field):
    """Per image (P, 4), best first: the detector's own proposals after NMS, no gradient.

    Those of the RPN, before sampling and without the ground truth that training adds to them; of a
    detector of one stage its own predictions, as in evaluation. The RPN's of the student come from
    its training settings, all others from test settings, in pixels of the student's images.
    """

    name = 'proposals'
    words = 'proposals'

    def offered(self, detector: Detector) -> bool:
        """Detectors whose RPN is one network, or whose only head predicts."""
        if hasattr(detector, 'rpn_head'):
            return Outputs().offered(detector)
        return predicts_boxes(detector)

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps the RPN's boxes, or the maps that a one-stage head predicts from."""
        if not hasattr(detector, 'rpn_head'):
            Features().record(detector, recorder)
            return
        # The RoI head empties the proposals that it is given, so their boxes are kept now.
        recorder.on_method(
            detector.rpn_head,
            'predict_by_feat',
            lambda args, out: recorder.first(self.name, [as_tensor(one.bboxes) for one in out]),
        )

    def student(self, detector: Detector, seen: Entries) -> list[Tensor]:
        """What was kept, or what the head predicts."""
        if self.name in seen:
            return seen[self.name]
        return best_boxes(detector, Features().student(detector, seen), seen['metas'])

    def teacher(self, observation: Observation, query: Query) -> list[Tensor]:
        """Brought to the student's images."""
        if hasattr(query.model, 'rpn_head'):
            found = proposed_boxes(query.model.rpn_head, observation.outputs, query.metas)
        else:
            found = best_boxes(query.model, observation.features, query.metas)
        return [query.view.to_student(boxes) for boxes in found]
