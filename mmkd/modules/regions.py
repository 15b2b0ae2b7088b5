"""Regions of a map in which a method compares."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mmkd.losses.functional import MAX_OVER, imitation_mask
from mmkd.registry import MODELS
from mmkd.settings import check_number


@MODELS.register_module()
class ImitationRegion:
    """The cells near objects, found by the IoU of anchors with ground-truth boxes.

    Source: Wang et al. 2019, section 3.2.

    Args:
        psi: Threshold factor, in [0, 1]: F_k = psi * M_k.
        max_over: Anchors among which the best IoU M_k of a box is sought: ``'all'`` levels,
            each ``'level'`` alone, or on the ``'assigned'`` level only (FPN rule).

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, psi: float = 0.5, max_over: str = 'assigned') -> None:
        check_number('psi', psi, '[0, 1]')
        if max_over not in MAX_OVER:
            raise ValueError(f'max_over must be one of {MAX_OVER}, got {max_over!r}.')
        self.psi = psi
        self.max_over = max_over

    @torch.no_grad()
    def __call__(
        self,
        gt_bboxes: Sequence[Tensor],
        anchors: Sequence[Tensor],
        valid: Sequence[Tensor],
        grid_sizes: Sequence[tuple[int, int]],
        strides: Sequence[int],
        finest_scale: float,
    ) -> list[Tensor]:
        """Masks of a batch.

        Args:
            gt_bboxes: Per image (G, 4) xyxy pixels of the padded input, without ignored boxes.
            anchors: Per level (H * W * A, 4).
            valid: Per level (B, H * W * A) bool.
            grid_sizes: Per level (H, W).
            strides: Per level, pixels.
            finest_scale: Side, pixels, below twice which a box is assigned to the finest level.

        Returns:
            Per level (B, H, W) bool.
        """
        per_image = [
            imitation_mask(
                boxes,
                anchors,
                [level[i] for level in valid],
                grid_sizes,
                psi=self.psi,
                max_over=self.max_over,
                strides=strides,
                finest_scale=finest_scale,
            )
            for i, boxes in enumerate(gt_bboxes)
        ]
        return [torch.stack(level) for level in zip(*per_image, strict=True)]


def move_priors(
    anchors: Tensor,
    valid: Tensor,
    size: Sequence[int],
    target: Sequence[int],
    *,
    stride: int,
    ratio: float,
) -> tuple[Tensor, Tensor]:
    """The anchors of one level, in the same shapes, on a grid of another stride.

    Args:
        anchors: (H * W * A, 4).
        valid: (B, H * W * A) bool.
        size: (H, W) of the anchors' grid.
        target: (H', W') of the grid to move to.
        stride: Stride of the anchors' grid, pixels.
        ratio: Stride of the target grid over ``stride``.

    Returns:
        (H' * W' * A, 4) and (B, H' * W' * A); the arguments themselves where the grids agree.
    """
    if tuple(size) == tuple(target) and ratio == 1:
        return anchors, valid
    first = anchors.view(*size, -1, 4)[0, 0]  # (A, 4)
    centres = (first[:, :2] + first[:, 2:]) / 2  # (A, 2)
    base = first + (centres * (ratio - 1)).repeat(1, 2)
    rows = torch.arange(target[0], device=anchors.device) * (stride * ratio)
    columns = torch.arange(target[1], device=anchors.device) * (stride * ratio)
    y, x = torch.meshgrid(rows, columns, indexing='ij')
    shifts = torch.stack([x, y, x, y], dim=-1)[:, :, None]  # (H', W', 1, 4)
    moved = (shifts + base).to(anchors.dtype).view(-1, 4)
    flags = valid.view(len(valid), *size, -1).permute(0, 3, 1, 2).float()  # (B, A, H, W)
    flags = functional.interpolate(flags, size=tuple(target), mode='nearest')
    return moved, flags.permute(0, 2, 3, 1).reshape(len(valid), -1) > 0
