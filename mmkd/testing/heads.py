"""Observations with RoI and RPN outputs, made by hand, student's and teacher's."""

from typing import Any

import torch
from torch import Tensor

from mmkd.fields.dense import DenseOutput
from mmkd.observation import Batch, Observation, RoIOutput, RPNOutput
from mmkd.utils.types import Entries

from .observations import batch_of

CLASSES, ANCHORS = 3, 2
SIZES = ((3, 4), (2, 2))
"""(H, W) of the RPN's two levels."""


def coder(stds: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)) -> Any:
    """MMDetection's coder with zero means."""
    from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder

    return DeltaXYWHBBoxCoder(target_means=(0.0,) * 4, target_stds=stds)


def random_rois(generator: torch.Generator, num: int, images: int = 2) -> Tensor:
    """(num, 5) boxes of 8 to 40 pixels, image by image."""
    corner, size = (torch.rand(num, 2, generator=generator).double() for _ in range(2))
    boxes = torch.cat([corner * 50, corner * 50 + 8 + size * 32], dim=1)
    return torch.cat([torch.arange(num).double()[:, None] * images // num, boxes], dim=1)


def head_scene(
    seed: int = 0,
    rows: int = 12,
    positives: int = 4,
    images: int = 2,
    columns: int = CLASSES + 1,
    student_boxes: int = CLASSES,
    teacher_boxes: int = CLASSES,
    rpn_columns: int = 1,
    positive_anchors: int = 3,
    sampled_anchors: int = 20,
) -> Entries:
    """Random outputs in float64 of both sides and the student's targets; a seed, a scene.

    Of ``rows`` sampled RoIs ``positives`` have a box, and the last one label weight 0; of
    ``sampled_anchors`` ``positive_anchors``. ``student_boxes`` and ``teacher_boxes`` are the boxes
    a row of their RoI heads: the classes, or 1; ``rpn_columns`` class logits an anchor.

    Returns:
        ``student`` and ``teacher``, dicts of ``cls_score``, ``bbox_pred``, ``rpn_cls``,
        ``rpn_bbox``; ``rois``, ``roi_targets``, ``anchors``, ``rpn_targets``.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).double()

    def side(boxes: int) -> Entries:
        return dict(
            cls_score=noise(rows, columns),
            bbox_pred=noise(rows, 4 * boxes),
            rpn_cls=[noise(images, ANCHORS * rpn_columns, *size) for size in SIZES],
            rpn_bbox=[noise(images, ANCHORS * 4, *size) for size in SIZES],
        )

    labels = torch.full((rows,), CLASSES)
    labels[:positives] = torch.randint(CLASSES, (positives,), generator=generator)
    weights = torch.ones(rows).double()
    weights[-1:] = 0
    box_weights = torch.zeros(rows, 4).double()
    box_weights[:positives] = 1
    student, teacher = side(student_boxes), side(teacher_boxes)
    return dict(
        student=student,
        teacher=teacher,
        rois=random_rois(generator, rows),
        roi_targets=(labels, weights, noise(rows, 4) * box_weights, box_weights),
        **_rpn_targets(generator, images, positive_anchors, sampled_anchors),
    )


def _rpn_targets(generator: torch.Generator, images: int, positives: int, sampled: int) -> Entries:
    counts = [ANCHORS * height * width for height, width in SIZES]
    total = images * sum(counts)
    chosen = torch.randperm(total, generator=generator)[:sampled]
    weights, box_weights = torch.zeros(total).double(), torch.zeros(total, 4).double()
    weights[chosen] = 1
    box_weights[chosen[:positives]] = 1
    labels = 1 - box_weights[:, 0].long()
    targets = torch.randn(total, 4, generator=generator).double() * box_weights

    anchors = [random_rois(generator, count)[:, 1:] for count in counts]
    flat = (labels, weights, targets, box_weights)
    found = [_by_level(part, counts, images) for part in flat]
    return dict(anchors=[anchors] * images, rpn_targets=(*found, max(sampled, 1)))


def _by_level(flat: Tensor, counts: list[int], images: int) -> list[Tensor]:
    """(sum of B N_l, ...) -> per level (B, N_l, ...)."""
    parts = flat.split([images * count for count in counts])
    return [part.unflatten(0, (images, -1)) for part in parts]


def observe_heads(
    scene: Entries,
    student_coder: Any = None,
    teacher_coder: Any = None,
) -> tuple[Observation, Observation, Batch]:
    """What a method is called with, on a scene of :func:`head_scene`."""

    def observe(side: Entries, box_coder: Any, targets: bool) -> Observation:
        pooled = RoIOutput(
            scene['rois'],
            side['cls_score'],
            side['cls_score'],
            side['bbox_pred'],
            scene['roi_targets'] if targets else None,
        )
        rpn = RPNOutput(
            side['rpn_cls'],
            side['rpn_bbox'],
            scene['anchors'],
            scene['rpn_targets'] if targets else None,
        )
        return Observation(
            roi_head=lambda _: pooled,
            rpn=lambda _: rpn,
            bbox_coder=lambda _: box_coder or coder(),
            rpn_bbox_coder=lambda _: box_coder or coder((1.0,) * 4),
        )

    images = len(scene['anchors'])
    batch = batch_of([torch.zeros(0, 4)] * images, (64, 96))
    student = observe(scene['student'], student_coder, True)
    return student, observe(scene['teacher'], teacher_coder, False), batch


def dense_scene(kind: str, seed: int = 0, images: int = 2, positives: int = 3) -> Entries:
    """Random outputs of a one-stage head in float64, and the student's targets; a seed, a scene.

    ``kind`` is ``'deltas'`` of two anchors a cell, ``'distances'`` or ``'bins'`` of one point;
    ``positives`` rows have a box, two more label weight 0.

    Returns:
        ``student``, ``teacher`` and ``cross``, a ``DenseOutput`` each, the last what the teacher's
        head says of the student's maps.
    """
    generator = torch.Generator().manual_seed(seed)
    anchors = ANCHORS if kind == 'deltas' else 1
    counts = [anchors * height * width for height, width in SIZES]

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).double()

    def maps(columns: int) -> list[Tensor]:
        return [noise(images, columns, *size) for size in SIZES]

    priors = [random_rois(generator, count)[:, 1:] for count in counts]
    numbers = 4 * 5 if kind == 'bins' else 4
    labels = torch.full((images * sum(counts),), CLASSES)
    chosen = torch.randperm(len(labels), generator=generator)
    labels[chosen[:positives]] = torch.arange(positives) % CLASSES
    weights = torch.ones(len(labels)).double()
    weights[chosen[positives : positives + 2]] = 0
    sides = torch.rand(len(labels), 4, generator=generator).double() + 0.5

    def output(**targets: Any) -> DenseOutput:
        boxes = maps(anchors * numbers)
        return DenseOutput(
            cls_score=maps(anchors * CLASSES),
            bbox_pred=[level.exp() for level in boxes] if kind == 'distances' else boxes,
            cls_maps=[maps(3), maps(3)],
            reg_maps=[maps(3), maps(3)],
            priors=priors if kind != 'distances' else [level[:, :2] for level in priors],
            centerness=maps(anchors) if kind != 'bins' else None,
            **targets,
        )

    found = dict(labels=labels, label_weights=weights, bbox_targets=sides)
    targets = {name: _by_level(flat, counts, images) for name, flat in found.items()}
    return dict(
        student=output(**targets, avg_factor=max(positives, 1)), teacher=output(), cross=output()
    )


def observe_dense(scene: Entries, box_coder: Any = None) -> tuple[Observation, Observation, Batch]:
    """What a method is called with, on a scene of :func:`dense_scene`.

    ``scene['given']`` becomes what the teacher's head was applied to.
    """

    def lend(_: Observation, *maps: Any, layer: int) -> DenseOutput:
        scene['given'] = (*maps, layer)
        return scene['cross']

    def observe(side: str, lent: Any = None) -> Observation:
        return Observation(
            lent,
            dense=lambda _: scene[side],
            dense_bbox_coder=lambda _: box_coder or coder(),
        )

    images = len(scene['student'].labels[0])
    batch = batch_of([torch.zeros(0, 4)] * images, (64, 96))
    return observe('student'), observe('teacher', {'dense': lend}), batch
