"""Mimic of region proposals (Li et al., CVPR 2017)."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from mmkd.losses import ProposalMimicLoss
from mmkd.losses.functional import assigned_levels
from mmkd.modules import (
    ConvAdapter,
    DeconvAdapter,
    ProposalRegion,
    Proposals,
    RegionCut,
    pair_levels,
    resize_like,
)
from mmkd.observation import Batch, Layout, Observation
from mmkd.registry import MODELS

from .base import DistillMethod
from .schedule import ScheduleSetting

SOURCES = ('student', 'teacher', 'gt')
UPSAMPLE = ('bilinear', 'deconv')


@MODELS.register_module()
class ProposalMimic(DistillMethod):
    """The student's features approach the teacher's inside region proposals.

    Source: Quanquan Li, Shengying Jin, Junjie Yan. Mimicking Very Efficient Network for Object
    Detection. CVPR 2017, L_m. What the paper leaves open is in ``docs/methods/proposal_mimic.md``.

    Args:
        loss_weight: Their lambda_1, or a schedule.
        proposals: Whose boxes: ``'student'`` (its RPN's, as in the paper), ``'teacher'`` (its
            RPN's), ``'gt'``, or a list of these, joined by rank. Detectors without an RPN give
            their best decoded boxes.
        max_per_image: Regions of an image, at most: the best.
        duplicate_iou: IoU, in (0, 1], above which a box repeats an earlier one and is left out; 1
            leaves out equal boxes only.
        positive_fraction: Share of regions, in (0, 1], that overlap ground truth; None: as it
            comes.
        positive_iou: IoU from which they do; None: 0.5. An error without ``positive_fraction``.
        region: ``'roi_align'``: both maps pooled to 7 x 7 on the level of MMDetection's RoI
            extractor. ``'crop'``: the cells that the box touches, without pooling.
        normalize: Size m_i of a region: its ``'elements'``, its ``'positions'``, or ``'none'``, 1.
        upsample: How a student's map on a coarser grid comes to the teacher's: ``'bilinear'``, or
            ``'deconv'``, learned, for a teacher on larger images (mimic over scales).
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
            By default the levels that the RoI extractor reads; of maps of one stride the last.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 1.0,
        proposals: str | Sequence[str] = 'student',
        max_per_image: int = 256,
        duplicate_iou: float = 1.0,
        positive_fraction: float | None = None,
        positive_iou: float | None = None,
        region: str = 'roi_align',
        normalize: str = 'elements',
        upsample: str = 'bilinear',
        levels: Sequence[Sequence[int]] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        several = isinstance(proposals, Sequence) and not isinstance(proposals, str)
        self.sources: tuple = tuple(proposals) if several else (proposals,)
        unknown = [source for source in self.sources if source not in SOURCES]
        if not self.sources or unknown or len(set(self.sources)) < len(self.sources):
            raise ValueError(f'proposals must name one or more of {SOURCES}, got {proposals!r}.')
        if upsample not in UPSAMPLE:
            raise ValueError(f'upsample must be one of {UPSAMPLE}, got {upsample!r}.')
        self.region = ProposalRegion(
            max_per_image, duplicate_iou, positive_fraction, positive_iou
        )  # fmt: skip
        self.cut = RegionCut(region)
        self.loss = ProposalMimicLoss(self.loss_weight, normalize)
        self.upsample = upsample
        self.levels = levels
        self.student_reads, self.teacher_reads = (
            frozenset({'features'} | ({'proposals'} if role in self.sources else set()))
            for role in ('student', 'teacher')
        )

    def setup(self, student: Layout, teacher: Layout) -> None:
        """Pairs the levels, finest first, and builds one adaptation layer a pair."""
        self.pairs = _compared(student, teacher, self.levels)
        self.strides = [student.strides[i] for i, _ in self.pairs]
        self.target_strides = [teacher.strides[j] for _, j in self.pairs]
        self.finest_scale = student.finest_scale * self.strides[0] / min(student.strides)
        self.adapters = nn.ModuleList(
            self._adapter(student.channels[i], teacher.channels[j], ours / own)
            for (i, j), ours, own in zip(
                self.pairs, self.strides, self.target_strides, strict=True
            )
        )  # fmt: skip

    def _adapter(self, channels: int, target: int, ratio: float) -> nn.Module:
        if self.upsample == 'bilinear':
            return ConvAdapter(channels, target)
        octaves = math.log2(ratio)
        if octaves < 1 or octaves != round(octaves):
            raise ValueError(
                f"upsample='deconv' doubles the student's map, but its strides {self.strides} are "
                f"compared with {self.target_strides} of the teacher (in the student's pixels): "
                "set student_scale and pairing='upsample' of the DistillDetector, or "
                "upsample='bilinear'."
            )
        return DeconvAdapter(channels, target, round(octaves))

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>`` and, to watch, ``<name>_regions``: their number an image."""
        rois, kept = self.regions(student, teacher, batch)
        targets = [teacher.features[j] for _, j in self.pairs]
        errors = self.cut(
            student=[
                self._adapted(adapter, student.features[i], target)
                for adapter, (i, _), target in zip(self.adapters, self.pairs, targets, strict=True)
            ],
            teacher=targets,
            rois=rois,
            levels=assigned_levels(rois[:, 1:], self.strides, self.finest_scale),
            strides=self.target_strides,
            kept=kept,
            transform=self.compared,
        )
        return {
            f'loss_{self.name}': self.loss(errors=errors, kept=kept),
            f'{self.name}_regions': kept.sum() / len(batch.gt_bboxes),
        }

    def regions(self, student: Observation, teacher: Observation, batch: Batch) -> Proposals:
        """The regions of the batch, in pixels of the student's images."""
        boxes = [
            {'student': student, 'teacher': teacher}[source].proposals
            if source != 'gt'
            else batch.gt_bboxes
            for source in self.sources
        ]
        return self.region(boxes, batch.gt_bboxes)

    def compared(self, level: int, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """What is compared in place of regions (or of maps, for ``region='crop'``).

        Args:
            level: Place of the level among the pairs.
            student: Adapted.
            teacher: In the same shape.
        """
        return student, teacher

    def _adapted(self, adapter: nn.Module, level: Tensor, target: Tensor) -> Tensor:
        if self.upsample == 'bilinear':
            return adapter(resize_like(level, target))
        return resize_like(adapter(level), target)  # an odd cell of padding


def _compared(
    student: Layout, teacher: Layout, levels: Sequence[Sequence[int]] | None
) -> list[tuple[int, int]]:
    pairs = pair_levels(student.strides, teacher.strides, levels, teacher.pairing)
    if levels is None:
        read = sorted(set(student.strides))[: student.roi_levels]
        last = {student.strides[i]: (i, j) for i, j in pairs if student.strides[i] in read}
        return [last[stride] for stride in sorted(last)]
    strides = [student.strides[i] for i, _ in pairs]
    if len(set(strides)) < len(strides):
        raise ValueError(
            f'levels={[list(pair) for pair in pairs]} names student levels of strides {strides}: '
            'a region is compared on one level, so no stride may stand there twice.'
        )
    return sorted(pairs, key=lambda pair: student.strides[pair[0]])
