"""Cuts the same regions out of the student's and the teacher's maps and compares them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from mmkd.losses.functional import (
    RegionErrors,
    check_same_shape,
    cropped_errors,
    pooled_errors,
    wide,
)
from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_number

REGIONS = ('roi_align', 'crop')
Transform = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(level, student, teacher) -> what is compared in their place, in the same shapes."""


@MODELS.register_module()
class RegionPool(nn.Module):
    """Squared errors of maps in regions, each region on one level.

    Source: Li et al. 2017: regions pooled to one size (the SPP form), or cut out as they are.

    Args:
        region: ``'roi_align'``, both maps pooled to ``output_size``, or ``'crop'``, the cells
            that the box touches, at least one.
        output_size: Bins a side of a pooled region.
        sampling_ratio: Samples a side of a bin; 0 takes as many as the region has cells.
    """

    def __init__(
        self, region: str = 'roi_align', output_size: int = 7, sampling_ratio: int = 2
    ) -> None:
        super().__init__()
        check_choice('region', region, REGIONS)
        check_number('output_size', output_size, '>= 1', whole=True)
        check_number('sampling_ratio', sampling_ratio, '>= 0', whole=True)
        self.region, self.output_size, self.sampling_ratio = region, output_size, sampling_ratio

    def forward(
        self,
        *,
        student: Sequence[Tensor],
        teacher: Sequence[Tensor],
        rois: Tensor,
        levels: Tensor,
        strides: Sequence[float],
        kept: Tensor | None = None,
        transform: Transform | None = None,
    ) -> RegionErrors:
        """Errors of N regions.

        Maps are (B, C, H, W), the student's adapted; gradients flow into these alone. Regions are
        (N, 5), each on a level of its own, (N,); those that are not ``kept``, (N,) bool, have error
        0. ``transform`` is applied to pooled regions, or to the maps where regions are cut out.

        Raises:
            ValueError: Two maps of a level differ in shape.
        """
        maps = []
        for student_map, teacher_map in zip(student, teacher, strict=True):
            check_same_shape(student=student_map, teacher=teacher_map)
            maps.append((wide(student_map), wide(teacher_map.detach())))
        rois = rois.detach().to(maps[0][0].dtype)
        kept = torch.ones_like(levels, dtype=torch.bool) if kept is None else kept
        cut = self._pooled if self.region == 'roi_align' else self._cropped
        return cut(maps, rois, levels, kept, strides, transform or _unchanged)

    def _pooled(
        self,
        maps: Sequence[tuple[Tensor, Tensor]],
        rois: Tensor,
        levels: Tensor,
        kept: Tensor,
        strides: Sequence[float],
        transform: Transform,
    ) -> RegionErrors:
        order = levels.argsort(stable=True)
        counts = [len(rois)]
        if len(maps) > 1:
            # The host waits for a GPU once here; pooling each region on every level costs more.
            everywhere = torch.arange(len(maps), device=levels.device)
            counts = (levels[:, None] == everywhere).sum(dim=0).tolist()
        found = []
        # A level without a region is pooled as well: its adapter stays in the graph.
        parts = zip(rois[order].split(counts), kept[order].split(counts), strict=True)
        for level, (part, counted) in enumerate(parts):
            sizes = self.output_size, 1 / strides[level], self.sampling_ratio
            regions = [roi_align(side, part, *sizes, aligned=True) for side in maps[level]]
            found.append(pooled_errors(*transform(level, *regions), counted))
        back = order.argsort()
        return RegionErrors(*(torch.cat(field)[back] for field in zip(*found, strict=True)))

    @staticmethod
    def _cropped(
        maps: Sequence[tuple[Tensor, Tensor]],
        rois: Tensor,
        levels: Tensor,
        kept: Tensor,
        strides: Sequence[float],
        transform: Transform,
    ) -> RegionErrors:
        parts = []
        for level, pair in enumerate(maps):
            here = levels == level
            found = cropped_errors(*transform(level, *pair), rois, strides[level], here & kept)
            parts.append([field.masked_fill(~here, 0) for field in found])
        return RegionErrors(*(torch.stack(field).sum(dim=0) for field in zip(*parts, strict=True)))


def _unchanged(level: int, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    return student, teacher
