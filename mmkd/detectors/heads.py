"""What kind of heads two detectors have, and whether their outputs can be compared."""

from typing import Any

from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder, LegacyDeltaXYWHBBoxCoder
from mmengine.logging import MMLogger
from torch import nn

from .recorder import dense_head


def head_kinds(detector: nn.Module) -> dict[str, frozenset[str]]:
    """``sigmoid`` and ``decoded`` of a detector's :class:`Layout`."""
    heads = _heads(detector)
    return {
        'sigmoid': frozenset(name for name, head in heads.items() if _is_sigmoid(head)),
        'decoded': frozenset(
            name for name, head in heads.items() if getattr(head, 'reg_decoded_bbox', False)
        ),
    }


def check_heads(
    student: nn.Module, teacher: nn.Module, fields: frozenset[str], factor: int = 1
) -> None:
    """Refuses heads whose outputs mean different things.

    Of coders, ``target_means`` and ``target_stds`` may differ, which the log says: methods convert
    the teacher's deltas, (d * std_T + mean_T - mean_S) / std_S. ``clip_border``, ``add_ctr_clamp``,
    ``ctr_clamp`` and ``use_box_type`` may differ as well: they act on decoded boxes, and deltas are
    compared. No other setting of a coder may, nor its class.

    Args:
        student: The student.
        teacher: The teacher.
        fields: What the methods read of the teacher.
        factor: Side of the teacher's images over that of the student's.

    Raises:
        ValueError: Names the setting that differs, with both values.
    """
    if 'rpn' in fields:
        _check_anchors(student, teacher, factor)
    ours, theirs = _heads(student), _heads(teacher)
    for name, coder in (('rpn', 'rpn_bbox_coder'), ('rois', 'bbox_coder')):
        if name in fields:
            _check_activation(_PLACES[name], ours[name], theirs[name])
        if coder in fields:
            _check_coders(_PLACES[name], ours[name].bbox_coder, theirs[name].bbox_coder)


_HINT_FOR_TWO_SIZES = " These are in the student's pixels; leave the RPN out with on='rcn'."
_SCALES = {'means': 'target_means', 'stds': 'target_stds'}
_SCALED_CODERS = (DeltaXYWHBBoxCoder, LegacyDeltaXYWHBBoxCoder)
"""Coders whose deltas are (x - mean) / std of what does not depend on mean and std."""
_ON_DECODED_BOXES = frozenset({'clip_border', 'add_ctr_clamp', 'ctr_clamp', 'use_box_type'})
_PLACES = {'rpn': 'rpn_head', 'rois': 'roi_head.bbox_head'}


def _heads(detector: nn.Module) -> dict[str, Any]:
    found = {
        'rpn': getattr(detector, 'rpn_head', None),
        'rois': getattr(getattr(detector, 'roi_head', None), 'bbox_head', None),
    }
    return {name: head for name, head in found.items() if isinstance(head, nn.Module)}


def _is_sigmoid(head: Any) -> bool:
    return bool(getattr(getattr(head, 'loss_cls', None), 'use_sigmoid', False))


def _check_anchors(student: nn.Module, teacher: nn.Module, factor: int) -> None:
    for what, read in (('base anchors', _base_anchors), ('strides', _anchor_strides)):
        first, second = read(student, 1), read(teacher, factor)
        if first != second:
            raise ValueError(
                f'rpn_head.anchor_generator differs: {what} {first} for the student, '
                f'{second} for the teacher; RPN outputs can only be compared on the same anchors.'
                f'{_HINT_FOR_TWO_SIZES * (factor > 1)}'
            )


def _base_anchors(detector: nn.Module, factor: int) -> list:
    generator: Any = dense_head(detector).prior_generator
    return [(level / factor).round(decimals=2).tolist() for level in generator.base_anchors]


def _anchor_strides(detector: nn.Module, factor: int) -> list:
    generator: Any = dense_head(detector).prior_generator
    return [
        tuple(round(side / factor, 2) if side % factor else side // factor for side in stride)
        for stride in generator.strides
    ]


def _check_activation(place: str, ours: Any, theirs: Any) -> None:
    first, second = ('sigmoid' if _is_sigmoid(head) else 'softmax' for head in (ours, theirs))
    if first != second:
        raise ValueError(
            f'{place}.loss_cls differs: {first} for the student, {second} for the teacher '
            '(use_sigmoid); their logits cannot be compared. Give both heads the same.'
        )
    for role, head in (('student', ours), ('teacher', theirs)):
        if getattr(head, 'custom_cls_channels', False):
            raise ValueError(
                f'{place}.loss_cls of the {role} is {type(head.loss_cls).__name__}, whose columns '
                'are not classes: its outputs cannot be compared. Use a cross entropy loss.'
            )


def _check_coders(place: str, student: Any, teacher: Any) -> None:
    if type(student) is not type(teacher) or getattr(student, 'encode_size', 4) != 4:
        raise ValueError(
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
            raise ValueError(
                f'{differs}; deltas of a {type(student).__name__} cannot be converted from one to '
                'the other. Give both coders the same.'
            )
        MMLogger.get_current_instance().warning(
            f"{differs}; the teacher's deltas are converted to the student's encoding."
        )
