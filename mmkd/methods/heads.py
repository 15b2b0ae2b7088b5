"""The heads that a method's ``on`` names, and the stages of a cascade as heads."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mmkd.observation import DetectorInfo, Observation, RoIOutput
from mmkd.utils import warn_renamed
from mmkd.utils.errors import UserError
from mmkd.utils.types import Info


class Head(NamedTuple):
    """How a head is named.

    Attributes:
        field: Of an observation.
        coder: Field of the coder of its boxes.
        log: Ending of its losses in the log.
        hard_loss: The student's own classification losses, a regular expression.
    """

    field: str
    coder: str
    log: str
    hard_loss: str


HEADS = {
    'roi_head': Head('roi_head', 'bbox_coder', 'rcn', 'loss_cls'),
    'roi_stages': Head('roi_stages', 'stage_bbox_coders', 'rcn', r's\d+\.loss_cls'),
    'rpn': Head('rpn', 'rpn_bbox_coder', 'rpn', 'loss_rpn_cls'),
    'dense': Head('dense', 'dense_bbox_coder', 'dense', 'loss_(cls|obj)'),
}
"""By the name in a method's setting ``on``."""


def check_heads(on: Sequence[str]) -> tuple[str, ...]:
    """The heads that a method's ``on`` names, in today's words.

    Args:
        on: The setting.

    Raises:
        ValueError: One is unknown or named twice, or there is none.
    """
    heads = (on,) if isinstance(on, str) or not isinstance(on, Sequence) else tuple(on)
    if 'rcn' in heads:
        warn_renamed("on='rcn'", "on='roi_head'")
        heads = tuple('roi_head' if head == 'rcn' else head for head in heads)
    known = list(HEADS)
    if not heads or any(head not in known for head in heads) or len(set(heads)) < len(heads):
        raise UserError(f'on must name one or more of {known}, got {on!r}.')
    return heads


def is_hard_loss(name: str, heads: Sequence[str]) -> bool:
    """Whether a loss of the student is the classification loss of one of these heads."""
    return any(re.fullmatch(HEADS[head].hard_loss, name) for head in heads)


def info_of_head(head: str, info: DetectorInfo) -> Info:
    """The description of a head; of the stages of a cascade, which are alike, the first's."""
    found = info.fields[HEADS[head].field]
    return found[0] if isinstance(found, list) else found


class Part(NamedTuple):
    """A head, or one stage of a cascade as the RoI head that it is.

    Attributes:
        head: Key of :data:`HEADS`.
        log: Ending of its losses in the log.
        weight: Of the stage in the cascade's loss.
        student: Where its outputs are.
        teacher: Likewise.
    """

    head: str
    log: str
    weight: float
    student: Observation
    teacher: Observation


def parts_of(head: str, student: Observation, teacher: Observation) -> list[Part]:
    """The head itself, or the stages of a cascade.

    Args:
        head: Key of :data:`HEADS`.
        student: The student's observation.
        teacher: The teacher's.
    """
    log = HEADS[head].log
    if head != 'roi_stages':
        return [Part(head, log, 1.0, student, teacher)]
    stages = zip(student.roi_stages, teacher.roi_stages, strict=True)
    return [
        Part(
            'roi_head',
            f'{log}_s{place}',
            outputs[0].loss_weight,
            *(
                _stage(side, output, place)
                for side, output in zip((student, teacher), outputs, strict=True)
            ),
        )
        for place, outputs in enumerate(stages)
    ]


def _stage(observation: Observation, output: RoIOutput, place: int) -> Observation:
    return Observation(
        roi_head=lambda _: output, bbox_coder=lambda _: observation.stage_bbox_coders[place]
    )
