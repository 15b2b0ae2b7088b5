"""Mimic of region proposals (Li et al., CVPR 2017)."""

from collections.abc import Sequence

from torch import Tensor

from mmkd.losses.functional import assigned_levels
from mmkd.modules import ProposalRegion, Proposals, RegionPool
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_choice
from mmkd.utils.errors import UserError

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting

SOURCES = ('student', 'teacher', 'gt')
UPSAMPLE = {'bilinear': 'mmkd.ConvAdapter', 'deconv': 'mmkd.DeconvAdapter'}
"""The adaptation layer of each way to the teacher's grid."""


@MODELS.register_module()
class ProposalMimic(FeatureMethod):
    """The student's features approach the teacher's inside region proposals.

    Source: Quanquan Li, Shengying Jin, Junjie Yan. Mimicking Very Efficient Network for Object
    Detection. CVPR 2017, L_m. What the paper leaves open is in ``docs/methods/proposal_mimic.md``.

    Args:
        loss_weight: Their lambda_1, or a schedule.
        proposals: Whose boxes: ``'student'`` (its RPN's, as in the paper), ``'teacher'`` (its
            RPN's), ``'gt'``, or a list of these, joined by rank. Detectors without an RPN give
            their predictions.
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
        aligner: Changes or replaces the :class:`FeatureAligner`.
        loss: Changes or replaces the :class:`ProposalMimicLoss`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    loss_takes = ('errors', 'kept')

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
        aligner: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        several = isinstance(proposals, Sequence) and not isinstance(proposals, str)
        self.sources: tuple = tuple(proposals) if several else (proposals,)
        unknown = [source for source in self.sources if source not in SOURCES]
        if not self.sources or unknown or len(set(self.sources)) < len(self.sources):
            raise UserError(f'proposals must name one or more of {SOURCES}, got {proposals!r}.')
        check_choice('upsample', upsample, UPSAMPLE)
        super().__init__(
            loss_weight,
            name,
            aligner=part(
                'aligner',
                aligner,
                type='mmkd.FeatureAligner',
                adapter=dict(type=UPSAMPLE[upsample]),
                levels=levels,
            ),
            loss=part('loss', loss, type='mmkd.ProposalMimicLoss', normalize=normalize),
        )
        self.chosen = ProposalRegion(max_per_image, duplicate_iou, positive_fraction, positive_iou)
        self.cut = RegionPool(region)
        self.student_fields, self.teacher_fields = (
            frozenset({'features'} | ({'proposals'} if role in self.sources else set()))
            for role in ('student', 'teacher')
        )

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Pairs the levels, finest first, and builds one adaptation layer a pair."""
        super().setup(student, teacher)
        info = student.features
        self.finest_scale = info.finest_scale * self.strides[0] / min(info.strides)

    def pair_levels(self, student: DetectorInfo, teacher: DetectorInfo) -> list[tuple[int, int]]:
        """The levels that the RoI extractor reads, or those that are named; one of each stride."""
        pairs = super().pair_levels(student, teacher)
        if self.aligner.levels is None:
            head = student.fields.get('roi_head')
            read = sorted(set(student.strides))[: head and head.levels]
            last = {student.strides[i]: (i, j) for i, j in pairs if student.strides[i] in read}
            return [last[stride] for stride in sorted(last)]
        strides = [student.strides[i] for i, _ in pairs]
        if len(set(strides)) < len(strides):
            raise UserError(
                f'levels={[list(pair) for pair in pairs]} names student levels of strides '
                f'{strides}: a region is compared on one level, so each stride may be named once.'
            )
        return sorted(pairs, key=lambda pair: student.strides[pair[0]])

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>`` and, to watch, ``<name>_regions``: their number an image."""
        rois, kept = self.regions(student, teacher, batch)
        adapted, targets = self.aligned(student, teacher)
        errors = self.cut(
            student=adapted,
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
        return self.chosen(boxes, batch.gt_bboxes)

    def compared(self, level: int, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """What is compared in place of regions (or of maps, for ``region='crop'``).

        Args:
            level: Place of the level among the pairs.
            student: Adapted.
            teacher: In the same shape.
        """
        return student, teacher
