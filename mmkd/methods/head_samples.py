"""The samples that methods on head outputs compare: RoIs, and anchors of all levels.

Letters: B images, A anchors a cell, N sampled rows of the batch, P positive ones, K classes, E
teachers of an ensemble.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmkd.losses.functional import wide
from mmkd.observation import Observation, RoIOutput, RPNOutput, members
from mmkd.utils import warn_renamed
from mmkd.utils.errors import UserError


class Head(NamedTuple):
    """How a head is named.

    Attributes:
        field: Of an observation.
        coder: Field of the coder of its boxes.
        log: Ending of its losses in the log.
        hard_loss: The student's own classification loss.
    """

    field: str
    coder: str
    log: str
    hard_loss: str


HEADS = {
    'roi_head': Head('roi_head', 'bbox_coder', 'rcn', 'loss_cls'),
    'rpn': Head('rpn', 'rpn_bbox_coder', 'rpn', 'loss_rpn_cls'),
}
"""By the name in a method's setting ``on``."""


def check_heads(on: Sequence[str]) -> tuple[str, ...]:
    """The heads that a method's ``on`` names, in today's words.

    Raises:
        ValueError: One is unknown or named twice, or there is none.
    """
    heads = (on,) if isinstance(on, str) or not isinstance(on, Sequence) else tuple(on)
    if 'rcn' in heads:
        warn_renamed("on='rcn'", "on='roi_head'")
        heads = tuple('roi_head' if head == 'rcn' else head for head in heads)
    if not heads or any(head not in list(HEADS) for head in heads) or len(set(heads)) < len(heads):
        raise UserError(f'on must name one or both of {list(HEADS)}, got {on!r}.')
    return heads


@dataclass(frozen=True)
class ClassRows:
    """Class logits of the rows that the head's own classification loss counts.

    Attributes:
        student: (N, C) logits.
        teacher: (N, C) logits of the same boxes, or (E, N, C) of the teachers of an ensemble.
        avg_factor: What the head divides its own loss by, in this process.
    """

    student: Tensor
    teacher: Tensor
    avg_factor: float


@dataclass(frozen=True)
class BoxRows:
    """Encoded deltas of the positive rows, in the student's encoding.

    Attributes:
        priors: (P, 4) boxes that the deltas are relative to, xyxy pixels.
        student: (P, 4).
        teacher: (P, 4), of an ensemble those of the mean of its boxes.
        target: (P, 4), as the student's head is trained on.
        avg_factor: What the head divides its own box loss by, in this process.
    """

    priors: Tensor
    student: Tensor
    teacher: Tensor
    target: Tensor
    avg_factor: float


def class_rows(head: str, student: Observation, teacher: Observation) -> ClassRows:
    """Rows with a positive label weight.

    Args:
        head: Key of :data:`HEADS`.
        student: The student's observation.
        teacher: The teacher's.
    """
    if head == 'rpn':
        labels, weights, *_, avg_factor = _targets(student.rpn)
        chosen = torch.cat([level.reshape(-1) for level in weights]).nonzero().squeeze(1)
        sides = [
            _flat(one.cls_score, labels)[chosen] for one in (student.rpn, *members(teacher.rpn))
        ]
        return ClassRows(sides[0], _stacked(sides[1:]), avg_factor)
    _, weights, _, _ = _targets(student.roi_head)
    chosen = weights.nonzero().squeeze(1)
    own, *others = (one.cls_score[chosen] for one in (student.roi_head, *members(teacher.roi_head)))
    return ClassRows(own, _stacked(others), float(len(chosen)))


def box_rows(head: str, student: Observation, teacher: Observation) -> BoxRows:
    """Rows with a ground-truth box.

    Args:
        head: Key of :data:`HEADS`.
        student: The student's observation.
        teacher: The teacher's.
    """
    if head == 'rpn':
        labels, _, targets, weights, avg_factor = _targets(student.rpn)
        chosen = torch.cat([_joined(level)[:, 0] for level in weights]).nonzero().squeeze(1)
        own, *others = (
            _flat(one.bbox_pred, labels)[chosen] for one in (student.rpn, *members(teacher.rpn))
        )
        priors = _joined_anchors(student.rpn.anchors)[chosen]
        target = _joined_levels(targets)[chosen]
    else:
        labels, _, targets, weights = _targets(student.roi_head)
        chosen = weights[:, 0].nonzero().squeeze(1)
        own, *others = (
            _of_class(one.bbox_pred[chosen], labels[chosen])
            for one in (student.roi_head, *members(teacher.roi_head))
        )
        priors, target = student.roi_head.rois[chosen, 1:], targets[chosen]
        avg_factor = float(len(targets))
    name = HEADS[head].coder
    coder, coders = getattr(student, name), getattr(teacher, name)
    coders = coders if isinstance(coders, tuple) else (coders,)
    teachers = [
        in_students_encoding(deltas, coder, one) for deltas, one in zip(others, coders, strict=True)
    ]
    return BoxRows(priors, own, _mean_box(teachers, coder), target, avg_factor)


@torch.no_grad()
def in_students_encoding(deltas: Tensor, student: Any, teacher: Any) -> Tensor:
    """The teacher's deltas d, (P, 4), as the student's coder encodes the same boxes.

    (d * std_T + mean_T - mean_S) / std_S: no box is decoded, so no delta is clamped.

    Args:
        deltas: (P, 4).
        student: The student's coder.
        teacher: The teacher's. Means and stds may differ, and settings that act on decoded boxes
            (``clip_border``, ``add_ctr_clamp``, ``ctr_clamp``, ``use_box_type``).

    Returns:
        (P, 4); in float32 or wider where it was converted.
    """
    scales = [
        (tuple(getattr(coder, 'means', ())), tuple(getattr(coder, 'stds', ())))
        for coder in (student, teacher)
    ]
    if scales[0] == scales[1]:
        return deltas
    deltas = wide(deltas)
    (mean, std), (own_mean, own_std) = ([deltas.new_tensor(v) for v in pair] for pair in scales)
    return (deltas * own_std + own_mean - mean) / std


@torch.no_grad()
def _mean_box(teachers: Sequence[Tensor], coder: Any) -> Tensor:
    """The deltas of the mean of several boxes: of centres, and of widths and heights."""
    if len(teachers) == 1:
        return teachers[0]
    if not (hasattr(coder, 'means') and hasattr(coder, 'stds')):
        raise UserError(
            "teacher='ensemble'",
            'averages boxes that are encoded as deltas of centre and size, not those of a '
            f'{type(coder).__name__}',
            'name one teacher',
        )
    deltas = wide(torch.stack(list(teachers)))  # (E, P, 4)
    mean, std = deltas.new_tensor(coder.means), deltas.new_tensor(coder.stds)
    plain = deltas * std + mean
    sizes = plain[..., 2:].logsumexp(dim=0) - plain.new_tensor(len(teachers)).log()
    return (torch.cat([plain[..., :2].mean(dim=0), sizes], dim=1) - mean) / std


def _stacked(sides: Sequence[Tensor]) -> Tensor:
    return sides[0] if len(sides) == 1 else torch.stack(list(sides))


def _of_class(deltas: Tensor, labels: Tensor) -> Tensor:
    """(P, 4 K) or (P, 4) -> (P, 4): the columns of each row's class, or the only ones."""
    per_class = deltas.unflatten(1, (-1, 4))  # (P, K, 4)
    if per_class.shape[1] == 1:
        return per_class[:, 0]
    return per_class[torch.arange(len(labels), device=labels.device), labels]


def _targets(output: RPNOutput | RoIOutput) -> tuple[Any, ...]:
    if output.targets is None:
        raise UserError('Targets are recorded on the student alone; this is a teacher.')
    return output.targets[:5]  # heads may append results of their own


def _flat(levels: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Maps (B, A * D, H, W) of all levels -> (rows, D), in the order of the targets."""
    return torch.cat(
        [
            level.permute(0, 2, 3, 1).reshape(label.numel(), -1)
            for level, label in zip(levels, labels, strict=True)
        ]
    )


def _joined(level: Tensor) -> Tensor:
    return level.reshape(-1, level.shape[-1])


def _joined_levels(levels: Sequence[Tensor]) -> Tensor:
    return torch.cat([_joined(level) for level in levels])


def _joined_anchors(anchors: Sequence[Sequence[Tensor]]) -> Tensor:
    """Anchors by image and level -> (rows, 4), by level and image as the targets are."""
    levels = [torch.stack(list(level)) for level in zip(*anchors, strict=True)]
    return _joined_levels(levels)
