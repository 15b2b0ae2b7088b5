"""The student's maps as the teacher's: levels paired, resized, adapted."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mmkd.observation import MapsInfo
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries

from .pairing import LevelPairs, pair_levels, resize_like
from .parts import constructor

FEW = 0.3
"""Share of kept cells up to which they are adapted one by one; see ``docs/performance.md``."""


@MODELS.register_module()
class FeatureAligner:
    """Pairs levels and brings the student's map of each pair to the teacher's shape.

    It holds no weights: :meth:`build` returns the adaptation layers, which the method owns, so that
    they are called ``adapters.N`` in its checkpoint.

    Args:
        adapter: Config of the layer that is built once a level pair, with ``in_channels`` and
            ``out_channels`` filled in. ``relu=None`` in it means: where the teacher's map is itself
            rectified. A layer that enlarges maps (:class:`DeconvAdapter`) is given its ``octaves``.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.

    Raises:
        ValueError: ``adapter`` is not a dict with the ``type`` of a layer and its arguments.
    """

    def __init__(
        self,
        adapter: dict | None = None,
        levels: Sequence[Sequence[int]] | None = None,
    ) -> None:
        adapter = dict(type='mmkd.ConvAdapter') if adapter is None else adapter
        if not isinstance(adapter, Mapping) or 'type' not in adapter:
            raise UserError(
                "adapter must be a dict with type, e.g. dict(type='mmkd.ConvAdapter', "
                f'kernel_size=3), got {adapter!r}.'
            )
        self.adapter = constructor(
            'adapter', adapter, forward=(), __init__=('in_channels', 'out_channels')
        )
        self.levels = levels

    def pair(
        self, student: Sequence[int], teacher: Sequence[int], pairing: str | None = None
    ) -> LevelPairs:
        """:func:`pair_levels` of strides in the student's pixels, with ``levels``."""
        return pair_levels(student, teacher, self.levels, pairing)

    def build(self, student: MapsInfo, teacher: MapsInfo, pairs: LevelPairs) -> nn.ModuleList:
        """One adaptation layer a pair.

        Raises:
            ValueError: An argument of the layer is wrong.
        """
        return nn.ModuleList(self._layer(student, teacher, i, j) for i, j in pairs)

    def _layer(self, student: MapsInfo, teacher: MapsInfo, i: int, j: int) -> Any:
        settings: Entries = {}
        if self.adapter.keywords.get('relu', False) is None:
            settings['relu'] = teacher.rectified[j]
        if getattr(self.adapter.func, 'enlarges', False):
            settings['octaves'] = self._octaves(student.strides[i], teacher.strides[j])
        return self.adapter(
            in_channels=student.channels[i], out_channels=teacher.channels[j], **settings
        )

    def _octaves(self, student: int, teacher: int) -> int:
        octaves = math.log2(student / teacher)
        if octaves < 1 or octaves != round(octaves):
            raise UserError(
                self.adapter.func.__name__,
                f"doubles the student's map, but its stride {student} is compared with {teacher} "
                "of the teacher (in the student's pixels)",
                "set student_scale and pairing='upsample' of the DistillDetector, or compare by "
                'bilinear interpolation',
            )
        return round(octaves)

    def __call__(
        self,
        adapters: nn.ModuleList,
        student: Sequence[Tensor],
        teacher: Sequence[Tensor],
        pairs: LevelPairs,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The student's and the teacher's maps to compare, pair by pair, (B, C_T, H_T, W_T) each.

        From maps (B, C_S, H_S, W_S) and (B, C_T, H_T, W_T) of each level, by what :meth:`build` and
        :meth:`pair` returned, or some of the pairs.
        """
        targets = [teacher[j] for _, j in pairs]
        adapted = []
        for adapter, (i, _), target in zip(adapters, pairs, targets, strict=True):
            if getattr(adapter, 'enlarges', False):
                # Only an odd cell of padding is left to mend.
                adapted.append(resize_like(adapter(student[i]), target))
            elif getattr(adapter, 'keeps_grid', False):
                adapted.append(adapter(student[i]))
                _check_grid(adapted[-1], student[i], target)
            else:
                adapted.append(adapter(resize_like(student[i], target)))
        return adapted, targets

    def at_cells(
        self,
        adapters: nn.ModuleList,
        student: Sequence[Tensor],
        teacher: Sequence[Tensor],
        pairs: LevelPairs,
        masks: Sequence[Tensor],
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """As a call, and the masks; of levels whose kept cells are few these alone are computed.

        A level's N kept cells are then (1, C_T, 1, N) of both sides, in the order of images, rows
        and columns, with a mask (1, 1, N). ``masks`` are (B, H_T, W_T) bool, whose values the host
        must know.
        """
        adapted, targets, kept = [], [], []
        for place, (adapter, pair) in enumerate(zip(adapters, pairs, strict=True)):
            mask, target = masks[place], teacher[pair[1]]
            at_cells = getattr(adapter, 'at_cells', None)
            if at_cells is not None and mask.sum() <= FEW * mask.numel():
                own = at_cells(resize_like(student[pair[0]], target), mask.nonzero())
                other = target.permute(0, 2, 3, 1)[mask]
                own, other = (side.t()[None, :, None] for side in (own, other))
                mask = mask.new_ones(1, 1, len(other[0, 0, 0]))
            else:
                (own,), (other,) = self(adapters[place : place + 1], student, teacher, [pair])
            adapted.append(own)
            targets.append(other)
            kept.append(mask)
        return adapted, targets, kept


def _check_grid(adapted: Tensor, student: Tensor, target: Tensor) -> None:
    if adapted.shape[-2:] != target.shape[-2:]:
        needed = [a - b + 1 for a, b in zip(student.shape[-2:], target.shape[-2:], strict=True)]
        raise UserError(
            f'aligner.adapter: a convolution without padding brings the student map of '
            f'{tuple(student.shape[-2:])} cells to {tuple(adapted.shape[-2:])}, the teacher has '
            f'{tuple(target.shape[-2:])}: that needs kernel_size={needed}, or an adapter that '
            'keeps the size (mmkd.ConvAdapter).'
        )
