"""What methods on feature maps share."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmkd.losses.functional import NORMALIZATIONS, normalize_maps
from mmkd.modules import FeatureAligner, constructor, named_class
from mmkd.observation import Batch, DetectorInfo, MapsInfo, Observation
from mmkd.settings import check_choice
from mmkd.utils.errors import UserError
from mmkd.utils.host import host_knows

from .base import DistillMethod
from .schedule import ScheduleSetting

STAGES = ('features', 'backbone', 'roi_head')


class FeatureMethod(DistillMethod):
    """Compares maps, level by level: alignment, region and formula are parts of their own.

    A method is the three configs that it passes to this constructor. Each part can be replaced, or
    an argument of it changed, by the setting of its name in a config.

    Args:
        loss_weight: Factor on the loss, >= 0, or a schedule; handed to the ``loss``.
        name: Name in the log and the checkpoint.
        stage: ``'features'``, what the heads see (neck outputs, or the backbone's where there is
            no neck), ``'backbone'``, its stages, or ``'roi_head'``, the pooled features of the RoIs
            that the student sampled, (R, C, h, w), in place of a level.
        aligner: Config of a :class:`FeatureAligner`.
        region: Config of the region that is compared, e.g. :class:`ImitationRegion`; None: the
            whole maps. One with ``reads_teacher`` is handed the teacher as well; one with
            ``on_rois`` knows pooled features.
        normalize: ``'none'``, ``'standardize'`` or ``'batch_norm'``; see :func:`normalize_maps`.
        loss: Config of the formula: a module that is called with ``student`` and ``teacher``, per
            level (B, C, H, W), and with the ``mask`` of each level, (B, H, W) bool, if there is a
            region.

    Raises:
        ValueError: An argument is out of range, or a part does not fit its place.
    """

    loss_takes: tuple[str, ...] = ('student', 'teacher')
    """What the formula is called with, besides the ``mask`` of a region."""

    aligner: FeatureAligner

    def __init__(
        self,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
        *,
        stage: str = 'features',
        aligner: dict | None = None,
        region: dict | None = None,
        loss: dict,
        normalize: str = 'none',
    ) -> None:
        super().__init__(loss_weight, name)
        check_choice('normalize', normalize, NORMALIZATIONS)
        self.normalize = normalize
        check_choice('stage', stage, STAGES)
        self.stage = stage
        self.student_fields = self.teacher_fields = frozenset({stage})
        aligner = part('aligner', aligner, type='mmkd.FeatureAligner')
        self.aligner = constructor('aligner', aligner, pair=(), build=())()
        self.region: Any = None if region is None else constructor('region', region, setup=())()
        drawn = region is not None and stage != 'roi_head'
        self.has_masks = drawn or type(self).masks is not FeatureMethod.masks
        loss = {'loss_weight': self.loss_weight, **loss}
        takes = (*self.loss_takes, 'mask') if region is not None else self.loss_takes
        self.loss = constructor('loss', loss, forward=takes)()

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Pairs the levels and builds one adaptation layer a pair."""
        if self.stage == 'roi_head':
            self._setup_rois(student, teacher)
            return
        first, second = (getattr(side, self.stage) for side in (student, teacher))
        self.pairs = self.pair_levels(student, teacher)
        self.strides = [first.strides[i] for i, _ in self.pairs]
        self.target_strides = [second.strides[j] for _, j in self.pairs]
        self.adapters = self.aligner.build(first, second, self.pairs)
        if self.region is not None:
            # Anchors lie on the grids of `features`: a stage takes those of the nearest stride.
            known = student.features.strides
            self.region_levels = [
                i if self.stage == 'features' else _nearest(known, stride)
                for (i, _), stride in zip(self.pairs, self.strides, strict=True)
            ]
            strides = [known[level] for level in self.region_levels]
            self._setup_region(student, teacher, strides)

    def _setup_rois(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        if self.aligner.levels is not None:
            raise UserError(
                f"levels={self.aligner.levels} does nothing with stage='roi_head', which has no "
                'levels: take it out.'
            )
        first, second = (
            MapsInfo((side.roi_head.channels,), (1,), (False,), 1.0) for side in (student, teacher)
        )
        self.adapters = self.aligner.build(first, second, _POOLED)
        if self.region is not None:
            if not getattr(self.region, 'on_rois', False):
                raise UserError(
                    f"region: {type(self.region).__name__} draws on maps, and stage='roi_head' has "
                    'none: use ConfidenceRegion, or leave region out.'
                )
            self.region_levels = []
            self._setup_region(student, teacher, [])

    def _setup_region(
        self, student: DetectorInfo, teacher: DetectorInfo, strides: Sequence[int]
    ) -> None:
        more = {'teacher': teacher} if self._region_reads_teacher else {}
        self.student_fields |= self.region.setup(student, strides, self.target_strides, **more)
        self.teacher_fields |= getattr(self.region, 'teacher_fields', frozenset())

    @property
    def _region_reads_teacher(self) -> bool:
        return getattr(self.region, 'reads_teacher', False)

    def pair_levels(self, student: DetectorInfo, teacher: DetectorInfo) -> list[tuple[int, int]]:
        """(student index, teacher index) of the levels that are compared.

        Raises:
            ValueError: They do not fit.
        """
        first, second = (getattr(side, self.stage).strides for side in (student, teacher))
        return self.aligner.pair(first, second, teacher.pairing)

    def aligned(
        self, student: Observation, teacher: Observation
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The student's adapted maps and the teacher's, pair by pair."""
        first, second = (self._maps(side) for side in (student, teacher))
        return self.aligner(self.adapters, first, second, self.pairs or _POOLED)

    def _maps(self, side: Observation) -> Sequence[Tensor]:
        return [side.roi_head.bbox_feats] if self.stage == 'roi_head' else getattr(side, self.stage)

    def masks(self, student: Observation, teacher: Observation, batch: Batch) -> list[Tensor]:
        """The compared cells of each level pair, (B, H, W) bool; none for whole maps.

        Of a region of weights the cells that count half or more.
        """
        weights = self.weights(student, teacher, batch)
        return [level if level.dtype == torch.bool else level >= 0.5 for level in weights]

    @property
    def cell_offset(self) -> float:
        """Where the first cell lies, for pictures: see :attr:`ImitationRegion.cell_offset`."""
        return getattr(self.region, 'cell_offset', 0.5)

    def weights(self, student: Observation, teacher: Observation, batch: Batch) -> list[Tensor]:
        """What the region says: per level pair (B, H, W) bool or weights; none for whole maps."""
        if self.region is None:
            return []
        maps = self._maps(teacher)
        sizes = [tuple(maps[j].shape[-2:]) for _, j in self.pairs or _POOLED]
        more = {'teacher': teacher} if self._region_reads_teacher else {}
        return self.region(student, batch, self.region_levels, sizes, **more)

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>`` and, to watch, ``<name>_cells``: the compared share of cells.

        Of a region of weights it is their mean.
        """
        if self.region is None:
            return {
                f'loss_{self.name}': self.loss(**self._normalized(*self.aligned(student, teacher)))
            }
        weights = self.weights(student, teacher, batch)
        kept = torch.stack([level.sum() for level in weights]).sum()
        if self._apart(weights):
            first, second = (self._maps(side) for side in (student, teacher))
            found = self.aligner.at_cells(self.adapters, first, second, self.pairs, weights)
        else:
            found = (*self.aligned(student, teacher), weights)
        loss = self.loss(**self._normalized(*found), mask=found[2])
        return {
            f'loss_{self.name}': loss,
            f'{self.name}_cells': kept / max(sum(level.numel() for level in weights), 1),
        }

    def _apart(self, weights: Sequence[Tensor]) -> bool:
        """Whether kept cells can be computed without the others."""
        return (
            type(self).aligned is FeatureMethod.aligned
            and bool(self.pairs)
            and self.normalize == 'none'
            and getattr(self.loss, 'by_cell', False)
            and all(level.dtype == torch.bool and host_knows(level) for level in weights)
        )

    def _normalized(
        self,
        student: Sequence[Tensor],
        teacher: Sequence[Tensor],
        weights: Sequence[Tensor] | None = None,
    ) -> dict[str, list[Tensor]]:
        """Both sides' maps, ``student`` and ``teacher``, in the units that are compared."""
        kept = [None] * len(student) if weights is None else [level > 0 for level in weights]
        return {
            role: [
                normalize_maps(level, self.normalize, cells)
                for level, cells in zip(maps, kept, strict=True)
            ]
            for role, maps in (('student', student), ('teacher', teacher))
        }


_POOLED = [(0, 0)]
"""The one pair of pooled features."""


def _nearest(strides: Sequence[int], stride: int) -> int:
    """Index of the stride that is nearest, octaves counting."""
    return min(range(len(strides)), key=lambda level: abs(math.log(strides[level] / stride)))


def part(name: str, setting: dict | None, **default: Any) -> dict:
    """The config of a part: its default, changed by what a user sets, or another type.

    Args:
        name: Of the setting.
        setting: What the user sets; None: nothing.
        default: Of the method, with ``type``.

    Raises:
        ValueError: The setting is not a dict.
    """
    if setting is None:
        return default
    if not isinstance(setting, Mapping):
        raise UserError(
            f'{name} must be a dict, e.g. dict(type={default["type"]!r}, ...), got {setting!r}.'
        )
    kind = named_class(default['type'])
    other = named_class(setting.get('type', kind)) is not kind
    return dict(setting) if other else {**default, **setting}
