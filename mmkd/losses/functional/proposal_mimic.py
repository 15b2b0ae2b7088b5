"""Mimic of region proposals: Li et al., CVPR 2017, L_m.

Letters: B images, C channels of the teacher's map, H x W cells of a map, N proposals of the batch,
h x w bins of a pooled region. RoIs are (image index, x1, y1, x2, y2) in pixels, without "+1".
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ...settings import check_choice
from .reduction import check_same_shape, constant, squared_difference, wide

NORMALIZE = ('elements', 'positions', 'none')


class RegionErrors(NamedTuple):
    """How far two maps are apart in each region."""

    error: Tensor  # (N,) squared error summed over channels and cells, float32 or wider
    positions: Tensor  # (N,) cells of the region, h_i w_i
    elements: Tensor  # (N,) elements of the region, C h_i w_i


def pooled_errors(student: Tensor, teacher: Tensor, kept: Tensor | None = None) -> RegionErrors:
    """Errors of regions that are pooled to one size, (N, C, h, w) each.

    Regions that are not ``kept``, (N,) bool, have error 0.

    Raises:
        ValueError: The two differ in shape.
    """
    check_same_shape(student=student, teacher=teacher)
    rows = None if kept is None else kept.view(-1, *[1] * (student.dim() - 1))
    error = squared_difference(student, teacher, rows).flatten(1).sum(dim=1)
    channels, *bins = student.shape[1:]
    cells = torch.Size(bins).numel()
    return RegionErrors(
        error, error.new_full((len(error),), cells), error.new_full((len(error),), channels * cells)
    )


def boxes_to_cells(boxes: Tensor, stride: float, size: Sequence[int]) -> Tensor:
    """The cells floor(x1 / s) .. ceil(x2 / s) - 1 of each box, inside the map, at least one.

    A box beside the map, or without area, has the one cell that is nearest to its first corner.

    Boxes (N, 4) xyxy, a stride s of pixels a cell and the map's (H, W) -> (N, 4) long: first
    column, first row, end column, end row; the ends are not included.
    """
    boxes = wide(boxes)
    limit = constant([size[1], size[0]], boxes)
    begin = torch.minimum((boxes[:, :2] / stride).floor().clamp(min=0), limit - 1)
    end = torch.minimum((boxes[:, 2:] / stride).ceil(), limit)
    return torch.cat([begin, torch.maximum(end, begin + 1)], dim=1).long()


def cropped_errors(
    student: Tensor, teacher: Tensor, rois: Tensor, stride: float, kept: Tensor | None = None
) -> RegionErrors:
    """Errors of regions that are cut out and not pooled; see :func:`boxes_to_cells`.

    Sums over boxes are differences of an integral image of the squared error of each cell, so a
    cell counts once for each box that covers it, at the cost of one map. Cells that no box covers
    are left out of these sums, where NaN would spread. Maps are (B, C, H, W), RoIs (N, 5); those
    that are not ``kept``, (N,) bool, have error 0.

    Raises:
        ValueError: The two maps differ in shape.
    """
    check_same_shape(student=student, teacher=teacher)
    x1, y1, x2, y2 = boxes_to_cells(rois[:, 1:], stride, student.shape[-2:]).unbind(dim=1)
    image = rois[:, 0].long()
    kept = torch.ones_like(image, dtype=torch.bool) if kept is None else kept
    images, _, height, width = student.shape
    starts = image.new_zeros(images, height + 1, width + 1)
    for y, x, sign in ((y1, x1, 1), (y1, x2, -1), (y2, x1, -1), (y2, x2, 1)):
        starts.index_put_((image, y, x), sign * kept, accumulate=True)
    covered = starts.cumsum(dim=1).cumsum(dim=2)[:, :-1, :-1] > 0  # (B, H, W)
    cells = squared_difference(student, teacher, covered[:, None]).sum(dim=1)
    # Double, for a small region is the difference of large sums.
    integral = functional.pad(cells.double().cumsum(dim=1).cumsum(dim=2), (1, 0, 1, 0))
    error = (
        integral[image, y2, x2]
        - integral[image, y1, x2]
        - integral[image, y2, x1]
        + integral[image, y1, x1]
    ).to(cells.dtype)
    positions = ((x2 - x1) * (y2 - y1)).to(cells.dtype)
    return RegionErrors(error.masked_fill(~kept, 0), positions, positions * student.shape[1])


def mimic_rows(errors: RegionErrors, normalize: str) -> Tensor:
    """||u_i - r(v_i)||^2 / m_i of N regions, (N,).

    m_i are the ``'elements'`` or the ``'positions'`` of the region, or ``'none'``, 1.

    Raises:
        ValueError: ``normalize`` is none of them.
    """
    check_choice('normalize', normalize, NORMALIZE)
    return errors.error if normalize == 'none' else errors.error / getattr(errors, normalize)
