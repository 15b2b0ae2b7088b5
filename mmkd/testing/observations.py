"""Observations made by hand, so that a method can be tested without a detector."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmkd.observation import Batch, DetectorInfo, HeadInfo, MapsInfo, Observation, Priors


def info_of(
    maps: Sequence[Tensor],
    strides: Sequence[int],
    *,
    priors: bool = True,
    num_classes: int | None = None,
    pairing: str | None = None,
    heads: Mapping[str, HeadInfo] | None = None,
    **changes: object,
) -> DetectorInfo:
    """The description of a detector whose levels, and stages, are these maps, (B, C, H, W) each.

    ``priors`` says whether it has anchors, ``pairing`` that it is a teacher on larger images;
    ``heads`` are those of ``rpn`` and ``roi_head``, plain ones by default, and ``changes`` replace
    entries of its :class:`MapsInfo`.
    """
    entries: dict = dict(
        channels=tuple(level.shape[1] for level in maps),
        strides=tuple(strides),
        rectified=tuple(bool((level >= 0).all()) for level in maps),
        finest_scale=14.0 * min(strides, default=4),
    )
    info = MapsInfo(**{**entries, **changes})
    fields: dict = {'features': info, 'backbone': info}
    fields |= {'rpn': HeadInfo(True, False), 'roi_head': HeadInfo(False, False), **(heads or {})}
    return DetectorInfo(fields | ({'priors': None} if priors else {}), num_classes, pairing)


def square_priors(
    sizes: Sequence[tuple[int, int]], strides: Sequence[int], images: int, side: float = 2.0
) -> Priors:
    """One anchor a cell, centred on (j, i) * stride, of ``side`` strides; all valid."""
    anchors = []
    for (height, width), stride in zip(sizes, strides, strict=True):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
        centre = torch.stack([x, y, x, y], dim=-1).double() * stride
        half = torch.tensor([-1, -1, 1, 1]) * side * stride / 2
        anchors.append((centre + half).view(-1, 4))
    valid = [torch.ones(images, len(level), dtype=torch.bool) for level in anchors]
    return Priors(anchors, valid)


def observe_maps(maps: Sequence[Tensor], strides: Sequence[int]) -> Observation:
    """An observation of given features, with one square anchor a cell."""
    sizes = [tuple(level.shape[-2:]) for level in maps]
    priors = square_priors(sizes, strides, len(maps[0]))
    return Observation(features=lambda _: maps, priors=lambda _: priors)


def batch_of(
    boxes: Sequence[Tensor], shape: tuple[int, int], step: int = 0, **progress: int
) -> Batch:
    """Ground truth of class 0 in images that fill ``shape``; ``progress``: see :class:`Batch`."""
    return Batch(
        gt_bboxes=list(boxes),
        gt_labels=[torch.zeros(len(image), dtype=torch.long) for image in boxes],
        gt_ignored=[image[:0] for image in boxes],
        metas=[dict(img_shape=shape, pad_shape=shape) for _ in boxes],
        step=step,
        **progress,
    )
