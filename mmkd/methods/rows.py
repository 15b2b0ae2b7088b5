"""The rows that methods on head outputs compare: sampled RoIs, and sampled anchors of all levels.

Letters: B images, A anchors a cell, N sampled rows of the batch, P positive ones, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmkd.losses.functional import wide
from mmkd.observation import Observation, RoIOutput, RPNOutput

HEADS = {'rcn': 'rois', 'rpn': 'rpn'}
"""The name of each head in a method's settings, and its field of an observation."""


def check_heads(on: Sequence[str]) -> tuple[str, ...]:
    """The heads that a method's ``on`` names.

    Raises:
        ValueError: One is unknown or named twice, or there is none.
    """
    heads = (on,) if isinstance(on, str) or not isinstance(on, Sequence) else tuple(on)
    if not heads or any(head not in list(HEADS) for head in heads) or len(set(heads)) < len(heads):
        raise ValueError(f'on must name one or both of {list(HEADS)}, got {on!r}.')
    return heads


@dataclass(frozen=True)
class ClassRows:
    """Class logits of the rows that the head's own classification loss counts.

    Attributes:
        student: (N, C) logits.
        teacher: (N, C) logits of the same boxes.
        avg_factor: What the head divides its own loss by, in this process.
    """

    student: Tensor
    teacher: Tensor
    avg_factor: float


@dataclass(frozen=True)
class BoxRows:
    """Encoded deltas of the positive rows.

    Attributes:
        priors: (P, 4) boxes that the deltas are relative to, xyxy pixels.
        student: (P, 4), in the student's encoding.
        teacher: (P, 4), in the teacher's.
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
        ours, theirs = (_flat(side.rpn.cls_score, labels)[chosen] for side in (student, teacher))
        return ClassRows(ours, theirs, avg_factor)
    _, weights, _, _ = _targets(student.rois)
    chosen = weights.nonzero().squeeze(1)
    ours, theirs = (side.rois.cls_score[chosen] for side in (student, teacher))
    return ClassRows(ours, theirs, float(len(chosen)))


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
        ours, theirs = (_flat(side.rpn.bbox_pred, labels)[chosen] for side in (student, teacher))
        priors = _joined_anchors(student.rpn.anchors)[chosen]
        return BoxRows(priors, ours, theirs, _joined_levels(targets)[chosen], avg_factor)
    labels, _, targets, weights = _targets(student.rois)
    chosen = weights[:, 0].nonzero().squeeze(1)
    return BoxRows(
        student.rois.rois[chosen, 1:],
        _of_class(student.rois.bbox_pred[chosen], labels[chosen]),
        _of_class(teacher.rois.bbox_pred[chosen], labels[chosen]),
        targets[chosen],
        float(len(targets)),
    )


@torch.no_grad()
def in_students_encoding(rows: BoxRows, student: Any, teacher: Any) -> Tensor:
    """The teacher's deltas d, (P, 4), as the student's coder encodes the same boxes.

    (d * std_T + mean_T - mean_S) / std_S: no box is decoded, so no delta is clamped.

    Args:
        rows: Positive rows of both.
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
        return rows.teacher
    deltas = wide(rows.teacher)
    (mean, std), (own_mean, own_std) = ([deltas.new_tensor(v) for v in pair] for pair in scales)
    return (deltas * own_std + own_mean - mean) / std


def _of_class(deltas: Tensor, labels: Tensor) -> Tensor:
    """(P, 4 K) or (P, 4) -> (P, 4): the columns of each row's class, or the only ones."""
    per_class = deltas.unflatten(1, (-1, 4))  # (P, K, 4)
    if per_class.shape[1] == 1:
        return per_class[:, 0]
    return per_class[torch.arange(len(labels), device=labels.device), labels]


def _targets(output: RPNOutput | RoIOutput) -> tuple[Any, ...]:
    if output.targets is None:
        raise ValueError('Targets are recorded on the student alone; this is a teacher.')
    return output.targets[:5]  # heads may append results of their own


def _flat(levels: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Maps (B, A * D, H, W) of all levels -> (rows, D), in the order of the targets."""
    return torch.cat([
        level.permute(0, 2, 3, 1).reshape(label.numel(), -1)
        for level, label in zip(levels, labels, strict=True)
    ])  # fmt: skip


def _joined(level: Tensor) -> Tensor:
    return level.reshape(-1, level.shape[-1])


def _joined_levels(levels: Sequence[Tensor]) -> Tensor:
    return torch.cat([_joined(level) for level in levels])


def _joined_anchors(anchors: Sequence[Sequence[Tensor]]) -> Tensor:
    """Anchors by image and level -> (rows, 4), by level and image as the targets are."""
    levels = [torch.stack(list(level)) for level in zip(*anchors, strict=True)]
    return _joined_levels(levels)
