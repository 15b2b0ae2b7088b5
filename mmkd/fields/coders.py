"""The fields ``bbox_coder``, ``rpn_bbox_coder``, ``dense_bbox_coder``: how heads encode boxes."""

from collections.abc import Sequence

from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder, LegacyDeltaXYWHBBoxCoder
from mmengine.logging import MMLogger

from mmkd.observation import Observation
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Coder, Detector, Entries, Value

from .dense_heads import family_of
from .field import Field, Query, Recorder
from .heads import plain_roi_head
from .roi_stages import RoIStages

_SCALES = {'means': 'target_means', 'stds': 'target_stds'}
_SCALED_CODERS = (DeltaXYWHBBoxCoder, LegacyDeltaXYWHBBoxCoder)
"""Coders whose deltas are (x - mean) / std of what does not depend on mean and std."""
_ON_DECODED_BOXES = frozenset({'clip_border', 'add_ctr_clamp', 'ctr_clamp', 'use_box_type'})


def check_coders(place: str, student: Coder, teacher: Coder) -> None:
    """Refuses coders whose deltas cannot be converted.

    ``target_means`` and ``target_stds`` may differ, which the log says: methods convert the
    teacher's deltas, (d * std_T + mean_T - mean_S) / std_S. ``clip_border``, ``add_ctr_clamp``,
    ``ctr_clamp`` and ``use_box_type`` may differ as well: they act on decoded boxes, and deltas are
    compared. No other setting of a coder may, nor its class.

    Args:
        place: Setting of the heads, for messages.
        student: The student's coder.
        teacher: The teacher's.

    Raises:
        ValueError: Names the setting that differs, with both values.
    """
    if type(student) is not type(teacher) or getattr(student, 'encode_size', 4) != 4:
        raise UserError(
            f'{place}.bbox_coder differs: {type(student).__name__} for the student, '
            f'{type(teacher).__name__} for the teacher; boxes are compared in the encoding of four '
            'deltas that both share.'
        )
    settings, others = (
        {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in vars(coder).items()
            if name not in _ON_DECODED_BOXES
        }
        for coder in (student, teacher)
    )
    converted = _SCALES if isinstance(student, _SCALED_CODERS) else {}
    for name in sorted({**settings, **others}):
        first, second = settings.get(name), others.get(name)
        if first == second:
            continue
        differs = (
            f'{place}.bbox_coder.{_SCALES.get(name, name)} differs: {first} for the student, '
            f'{second} for the teacher'
        )
        if name not in converted:
            raise UserError(
                f'{differs}; deltas of a {type(student).__name__} cannot be converted from one to '
                'the other. Give both coders the same.'
            )
        MMLogger.get_current_instance().warning(
            f"{differs}; the teacher's deltas are converted to the student's encoding."
        )


class BoxCoder(Field):
    """The coder that encodes the deltas of a head."""

    place: str
    """Setting of the head, for messages."""

    @staticmethod
    def coder(detector: Detector) -> Coder:
        """The coder; None for a detector without it."""
        raise NotImplementedError

    def offered(self, detector: Detector) -> bool:
        """Detectors whose head has one."""
        return self.coder(detector) is not None

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Nothing: it is a part of the detector."""

    def student(self, detector: Detector, seen: Entries) -> Value:
        """The student's."""
        return self.coder(detector)

    def teacher(self, observation: Observation, query: Query) -> Value:
        """The teacher's."""
        return self.coder(query.model)

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Encodings can be brought into each other."""
        first, second = (self.coder(side) for side in (student, teacher))
        check_coders(self.place, first, second)

    def combine(self, values: Sequence[Value], names: Sequence[str]) -> tuple:
        """All of them."""
        return tuple(values)


@FIELDS.register_module()
class RPNBoxCoder(BoxCoder):
    """The coder that encodes the deltas of ``rpn``."""

    name = 'rpn_bbox_coder'
    words = "coder of the RPN's boxes"
    place = 'rpn_head'

    @staticmethod
    def coder(detector: Detector) -> Coder:
        """The RPN's."""
        return getattr(getattr(detector, 'rpn_head', None), 'bbox_coder', None)


@FIELDS.register_module()
class RoIBoxCoder(BoxCoder):
    """The coder that encodes the deltas of ``roi_head``."""

    name = 'bbox_coder'
    words = "coder of the RoI head's boxes"
    place = 'roi_head.bbox_head'

    @staticmethod
    def coder(detector: Detector) -> Coder:
        """The box head's."""
        head = getattr(plain_roi_head(detector), 'bbox_head', None)
        return getattr(head, 'bbox_coder', None)


@FIELDS.register_module()
class StageBoxCoders(BoxCoder):
    """The coders that encode the deltas of ``roi_stages``, one a stage."""

    name = 'stage_bbox_coders'
    words = "coders of a cascade's boxes"
    place = 'roi_head.bbox_head'

    @staticmethod
    def coder(detector: Detector) -> Coder:
        """Of each stage."""
        if not RoIStages().offered(detector):
            return None
        return [head.bbox_coder for head in detector.roi_head.bbox_head]

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Encodings of each stage can be brought into each other."""
        stages = zip(self.coder(student), self.coder(teacher), strict=False)
        for stage, coders in enumerate(stages):
            check_coders(f'{self.place}.{stage}', *coders)


@FIELDS.register_module()
class DenseBoxCoder(BoxCoder):
    """The coder that encodes the boxes of ``dense``."""

    name = 'dense_bbox_coder'
    words = "coder of the dense head's boxes"
    place = 'bbox_head'

    @staticmethod
    def coder(detector: Detector) -> Coder:
        """The one-stage head's."""
        head = getattr(detector, 'bbox_head', None)
        family = family_of(head)
        return getattr(head, 'bbox_coder', None) if family is None else family.coder(head)
