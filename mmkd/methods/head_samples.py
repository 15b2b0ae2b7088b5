"""The samples that methods on head outputs compare: RoIs, and anchors of all levels.

Letters: B images, A anchors a cell, N sampled rows of the batch, P positive ones, K classes, E
teachers of an ensemble.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mmkd.losses.functional import constant, product, wide
from mmkd.observation import Observation, RoIOutput, RPNOutput, members
from mmkd.settings import check_choice
from mmkd.utils.errors import UserError
from mmkd.utils.types import Coder, Value

from .heads import HEADS

AGREEMENTS = (None, 'only', 'weighted')


def check_agreement(agreement: str | None) -> str | None:
    """A method's setting ``agreement``, which :func:`agreement_weights` reads.

    Raises:
        ValueError: It is none of :data:`AGREEMENTS`.
    """
    check_choice('agreement', agreement, AGREEMENTS)
    return agreement


def check_one_teacher(method: str, teacher: str) -> None:
    """Refuses the ensemble for a method that compares one teacher's outputs.

    Args:
        method: Its name.
        teacher: The teacher that it reads.

    Raises:
        ValueError: It is ``'ensemble'``.
    """
    if teacher == 'ensemble':
        raise UserError(
            f"{method} compares the outputs of one teacher's head, which teacher='ensemble' does "
            'not have: name one teacher.'
        )


@dataclass(frozen=True)
class ClassRows:
    """Class logits of rows of a head.

    Attributes:
        student: (N, C) logits.
        teacher: (N, C) logits of the same boxes, or (E, N, C) of the teachers of an ensemble.
        labels: (N,), 0 .. K-1, background K.
        weights: (N,) weights in the head's own classification loss.
        avg_factor: What the head divides its own loss by, in this process.
    """

    student: Tensor
    teacher: Tensor
    labels: Tensor
    weights: Tensor
    avg_factor: float | Tensor

    @property
    def counted(self) -> Tensor:
        """(N,): 1 where the weight is positive, else 0."""
        return wide(self.weights > 0)


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
    avg_factor: float | Tensor


def all_class_rows(head: str, student: Observation, teacher: Observation) -> ClassRows:
    """Every RoI, or anchor of all levels, whatever its label weight.

    Args:
        head: Key of :data:`HEADS`.
        student: The student's observation.
        teacher: The teacher's.
    """
    field = HEADS[head].field
    first, others = getattr(student, field), members(getattr(teacher, field))
    if head == 'roi_head':
        labels, weights, *_ = _targets(first)
        scores = [one.cls_score for one in (first, *others)]
        return ClassRows(scores[0], _stacked(scores[1:]), labels, weights, float(len(labels)))
    if head == 'rpn':
        by_level, level_weights, *_, avg_factor = _targets(first)
    else:
        by_level, level_weights, avg_factor = first.labels, first.label_weights, first.avg_factor
    scores = [flat_rows(one.cls_score, by_level) for one in (first, *others)]
    labels, weights = (
        torch.cat([level.reshape(-1) for level in levels]) for levels in (by_level, level_weights)
    )
    return ClassRows(scores[0], _stacked(scores[1:]), labels, weights, avg_factor)


def class_rows(head: str, student: Observation, teacher: Observation) -> ClassRows:
    """:func:`all_class_rows` for a loss that counts those with a positive label weight.

    The logits of the others are 0, so that NaN there reaches nothing. No row is taken out, so the
    host does not wait for a GPU to say how many there are.

    Args:
        head: Key of :data:`HEADS`.
        student: The student's observation.
        teacher: The teacher's.
    """
    rows = all_class_rows(head, student, teacher)
    left_out = (rows.weights <= 0)[:, None]
    return replace(
        rows,
        student=rows.student.masked_fill(left_out, 0),
        teacher=rows.teacher.masked_fill(left_out, 0),
        avg_factor=rows.counted.sum() if head == 'roi_head' else rows.avg_factor,
    )


@torch.no_grad()
def agreement_weights(rows: ClassRows, sigmoid: bool, agreement: str | None) -> Tensor:
    """How far the teacher agrees with the label of each row.

    The probability of the background is the last column of a softmax, and 1 less the largest
    probability of sigmoids.

    Args:
        rows: Of a head.
        sigmoid: Whether its columns are sigmoids.
        agreement: ``'only'``: 1 where the label is the teacher's most probable class, else 0;
            ``'weighted'``: the teacher's probability of the label; None: 1.

    Returns:
        (N,) in [0, 1], float32 or wider.
    """
    teacher = wide(rows.teacher)
    probs = teacher.sigmoid() if sigmoid else teacher.softmax(dim=-1)
    probs = probs.mean(dim=0) if probs.dim() == 3 else probs
    if agreement is None:
        return torch.ones_like(probs[:, 0])
    if sigmoid:
        probs = torch.cat([probs, 1 - probs.amax(dim=1, keepdim=True)], dim=1)
    if agreement == 'only':
        return (probs.argmax(dim=1) == rows.labels).to(probs.dtype)
    return probs.gather(1, rows.labels[:, None]).squeeze(1)


def roi_deltas(output: RoIOutput, columns: Tensor) -> Tensor:
    """(N, 4) encoded deltas of one class per row, or of the only box of each.

    Args:
        output: Of N RoIs.
        columns: (N,) class, 0 .. K-1.
    """
    return _of_class(output.bbox_pred, columns)


def decoded_boxes(
    head: str, observation: Observation, student: Observation, columns: Tensor
) -> Tensor:
    """(N, 4) xyxy boxes of the rows of :func:`all_class_rows`, float32 or wider.

    Args:
        head: Key of :data:`HEADS`.
        observation: Whose boxes.
        student: The student's observation, whose RoIs and anchors both sides answer on.
        columns: (N,) class of the box; read where a head has one a class.
    """
    output = getattr(observation, HEADS[head].field)
    coder = getattr(observation, HEADS[head].coder)
    if head == 'roi_head':
        return _decoded(coder, output.rois[:, 1:], roi_deltas(output, columns))
    if head == 'rpn':
        deltas = flat_rows(output.bbox_pred, student.rpn.targets[0])
        return _decoded(coder, _joined_anchors(output.anchors), deltas)
    return dense_boxes(output, student.dense.labels, coder)


def dense_boxes(output: Value, labels: Sequence[Tensor], coder: Coder) -> Tensor:
    """(N, 4) boxes of a one-stage head.

    Those that are distances, or bins of distances, are relative to the row's own point, in the
    units of the distances: IoUs of two boxes of one row do not depend on either.

    Args:
        output: A ``DenseOutput``.
        labels: Of the student, per level (B, rows of an image).
        coder: Of the head.
    """
    numbers = flat_rows(output.bbox_pred, labels)
    if output.priors[0].shape[-1] == 4 and numbers.shape[1] == 4:
        images = len(labels[0])
        priors = torch.cat([level.repeat(images, 1) for level in output.priors])
        return _decoded(coder, priors, numbers)
    sides = wide(numbers)
    if numbers.shape[1] > 4:
        sides = expected_sides(numbers)
    return torch.cat([-sides[:, :2], sides[:, 2:]], dim=1)


def expected_sides(numbers: Tensor) -> Tensor:
    """(N, 4 * bins) logits -> (N, 4): the means of the four distances, in bins."""
    bins = wide(numbers).unflatten(1, (4, -1)).softmax(dim=-1)
    return product(bins, torch.arange(bins.shape[-1], device=bins.device, dtype=bins.dtype))


def _decoded(coder: Coder, priors: Tensor, deltas: Tensor) -> Tensor:
    found = coder.decode(wide(priors), wide(deltas))
    return getattr(found, 'tensor', found)


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
            flat_rows(one.bbox_pred, labels)[chosen] for one in (student.rpn, *members(teacher.rpn))
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
def in_students_encoding(deltas: Tensor, student: Coder, teacher: Coder) -> Tensor:
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
    (mean, std), (own_mean, own_std) = ([constant(v, deltas) for v in pair] for pair in scales)
    return (deltas * own_std + own_mean - mean) / std


@torch.no_grad()
def _mean_box(teachers: Sequence[Tensor], coder: Coder) -> Tensor:
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
    mean, std = constant(coder.means, deltas), constant(coder.stds, deltas)
    plain = deltas * std + mean
    sizes = plain[..., 2:].logsumexp(dim=0) - math.log(len(teachers))
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


def flat_rows(levels: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Maps (B, A * D, H, W) of all levels -> (rows, D), in the order of the targets.

    Args:
        levels: The maps.
        labels: Per level (B, H * W * A), or of any shape of as many.
    """
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
