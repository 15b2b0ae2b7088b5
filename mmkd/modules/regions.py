"""Regions of a map in which a method compares."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mmkd.losses.functional import MAX_OVER, imitation_mask
from mmkd.observation import Batch, DetectorInfo, Observation, Priors
from mmkd.registry import MODELS, TASK_UTILS
from mmkd.settings import check_choice, check_number
from mmkd.utils.errors import UserError


@MODELS.register_module()
class ImitationRegion:
    """The cells near objects, found by the IoU of anchors with ground-truth boxes.

    Source: Wang et al. 2019, section 3.2.

    Args:
        psi: Threshold factor, in [0, 1]: F_k = psi * M_k.
        max_over: Anchors among which the best IoU M_k of a box is sought: ``'all'`` levels,
            each ``'level'`` alone, or on the ``'assigned'`` level only (FPN rule).
        anchor_generator: Config of the anchors that define "near", over all student levels. By
            default those of the student's RPN or dense head; one square of 8 strides a cell for
            heads that have points.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        psi: float = 0.5,
        max_over: str = 'assigned',
        anchor_generator: dict | None = None,
    ) -> None:
        check_number('psi', psi, '[0, 1]')
        check_choice('max_over', max_over, MAX_OVER)
        if anchor_generator is not None and not isinstance(anchor_generator, Mapping):
            raise UserError(
                'anchor_generator must be a dict of its settings, e.g. dict(scales=[8], '
                f'ratios=[1.0], strides=[8, 16]), got {anchor_generator!r}.'
            )
        self.psi = psi
        self.max_over = max_over
        self.anchor_generator = anchor_generator

    def setup(
        self, student: DetectorInfo, strides: Sequence[int], target_strides: Sequence[int]
    ) -> frozenset[str]:
        """Gets ready for the level pairs of a method; called once.

        Args:
            student: Description of the student.
            strides: Of the student's level of each pair, pixels.
            target_strides: Of the grids that masks are wanted on, in the same pixels.

        Returns:
            The fields of the student that are read.

        Raises:
            ValueError: ``anchor_generator`` has another number of levels.
        """
        self.strides, self.target_strides = list(strides), list(target_strides)
        info = student.features
        self.finest_scale = info.finest_scale * min(target_strides) / min(info.strides)
        self.generator = self._build_generator(student)
        return frozenset({'features', 'priors'} if self.generator is None else {'features'})

    def _build_generator(self, student: DetectorInfo) -> Any:
        if self.anchor_generator is None and 'priors' in student.fields:
            return None
        square = dict(
            type='mmdet.AnchorGenerator', ratios=[1.0], octave_base_scale=8, scales_per_octave=1
        )
        config = dict(self.anchor_generator or dict(square, strides=list(student.strides)))
        config.setdefault('type', 'mmdet.AnchorGenerator')
        generator = TASK_UTILS.build(config)
        if generator.num_levels != len(student.strides):
            raise UserError(
                f'anchor_generator has {generator.num_levels} levels, the student has '
                f'{len(student.strides)}: give it strides={list(student.strides)}.'
            )
        return generator

    @torch.no_grad()
    def __call__(
        self,
        student: Observation,
        batch: Batch,
        levels: Sequence[int],
        sizes: Sequence[tuple[int, int]],
    ) -> list[Tensor]:
        """Masks of a batch, one a level pair.

        Args:
            student: The student's observation.
            batch: Ground truth.
            levels: The student's level of each pair.
            sizes: (H, W) of the grid that each mask is wanted on.

        Returns:
            Per pair (B, H, W) bool.
        """
        priors = student.priors if self.generator is None else self._grid(student, batch)
        moved = [
            move_priors(
                priors.anchors[level],
                priors.valid[level],
                student.features[level].shape[-2:],
                size,
                stride=stride,
                ratio=target / stride,
            )
            for level, size, stride, target in zip(
                levels, sizes, self.strides, self.target_strides, strict=True
            )
        ]
        anchors, valid = zip(*moved, strict=True)
        self._first_anchor = anchors[0][0]
        return self.near(
            batch.gt_bboxes, anchors, valid, sizes, self.target_strides, self.finest_scale
        )

    @property
    def cell_offset(self) -> float:
        """Centre of the first cell's anchors of the last batch, in strides of its grid."""
        left, _, right, _ = self._first_anchor.tolist()
        return (left + right) / 2 / self.target_strides[0]

    def _grid(self, student: Observation, batch: Batch) -> Priors:
        sizes = [tuple(level.shape[-2:]) for level in student.features]
        device = student.features[0].device
        flags = [
            self.generator.valid_flags(sizes, meta['pad_shape'], device) for meta in batch.metas
        ]
        return Priors(
            anchors=self.generator.grid_priors(sizes, device=device),
            valid=[torch.stack(level) for level in zip(*flags, strict=True)],
        )

    @torch.no_grad()
    def near(
        self,
        gt_bboxes: Sequence[Tensor],
        anchors: Sequence[Tensor],
        valid: Sequence[Tensor],
        grid_sizes: Sequence[tuple[int, int]],
        strides: Sequence[int],
        finest_scale: float,
    ) -> list[Tensor]:
        """Masks of anchors and boxes that are given.

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
