"""Regions that a teacher draws: where it is sure of an object, and where it proposes one."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mmkd.losses.functional import assigned_levels, boxes_to_cells, constant, wide
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_number
from mmkd.utils.errors import UserError

SOURCES = ('student', 'teacher')


@MODELS.register_module()
class ConfidenceRegion:
    """Every cell, weighted by how sure the teacher is that an object is there.

    The weight of a cell is the largest probability that the teacher's dense head gives there, over
    the classes and the anchors of the cell; of an RPN the largest objectness. On pooled features
    every bin of a RoI has the RoI's largest foreground probability.
    """

    reads_teacher = True
    on_rois = True

    def setup(
        self,
        student: DetectorInfo,
        strides: Sequence[int],
        target_strides: Sequence[int],
        teacher: DetectorInfo,
    ) -> frozenset[str]:
        """As :meth:`ImitationRegion.setup`; ``strides`` are empty on pooled features.

        Raises:
            ValueError: The teacher has no such head, or its outputs are a softmax on every cell.
        """
        heads = ('dense', 'rpn') if strides else ('roi_head',)
        self.head = next((head for head in heads if head in teacher.fields), '')
        if not self.head:
            raise UserError(
                f'ConfidenceRegion reads one of {list(heads)} of the teacher, which offers only '
                f'{sorted(teacher.fields)}: choose another region or another teacher.'
            )
        self.sigmoid = teacher.fields[self.head].sigmoid
        if strides and not self.sigmoid:
            raise UserError(
                f'ConfidenceRegion reads sigmoids, but {self.head} of the teacher has a softmax: '
                'choose another region or a teacher whose loss_cls has use_sigmoid=True.'
            )
        self.teacher_fields = frozenset({self.head})
        return frozenset({self.head})

    @torch.no_grad()
    def __call__(
        self,
        student: Observation,
        batch: Batch,
        levels: Sequence[int],
        sizes: Sequence[tuple[int, int]],
        teacher: Observation,
    ) -> list[Tensor]:
        """Per pair (B, H, W) in [0, 1]; on pooled features one (R, h, w).

        Called as :class:`ImitationRegion` is, and with the teacher's observation.
        """
        scores = getattr(teacher, self.head).cls_score
        if self.head == 'roi_head':
            logits = wide(scores)
            probs = logits.sigmoid() if self.sigmoid else logits.softmax(dim=1)[:, :-1]
            return [probs.amax(dim=1)[:, None, None].expand(-1, *sizes[0])]
        # An RPN may read one map of several, which then have one grid.
        chosen = [scores[level if len(scores) > 1 else 0] for level in levels]
        return [
            functional.interpolate(
                wide(level).sigmoid().amax(dim=1, keepdim=True), size, mode='bilinear'
            )[:, 0]
            for level, size in zip(chosen, sizes, strict=True)
        ]


@MODELS.register_module()
class ProposalCells:
    """The cells that the best proposals of an image touch, each on the level of its size.

    Args:
        source: Whose proposals: the ``'teacher'``'s or the ``'student'``'s.
        max_per_image: Proposals of an image, at most: the best.
    """

    reads_teacher = True
    on_rois = False

    def __init__(self, source: str = 'teacher', max_per_image: int = 32) -> None:
        check_choice('source', source, SOURCES)
        check_number('max_per_image', max_per_image, '>= 1', whole=True)
        self.source, self.max_per_image = source, max_per_image

    def setup(
        self,
        student: DetectorInfo,
        strides: Sequence[int],
        target_strides: Sequence[int],
        teacher: DetectorInfo,
    ) -> frozenset[str]:
        """As :meth:`ConfidenceRegion.setup`.

        Raises:
            ValueError: The detector that is named has no proposals.
        """
        info = {'student': student, 'teacher': teacher}[self.source]
        if 'proposals' not in info.fields:
            raise UserError(
                f'ProposalCells reads proposals of the {self.source}, which offers only '
                f'{sorted(info.fields)}: choose another region or another source.'
            )
        self.strides, self.target_strides = list(strides), list(target_strides)
        finest = student.features
        self.finest_scale = finest.finest_scale * min(strides) / min(finest.strides)
        fields = frozenset({'proposals'})
        self.teacher_fields = fields if self.source == 'teacher' else frozenset()
        return fields if self.source == 'student' else frozenset()

    @torch.no_grad()
    def __call__(
        self,
        student: Observation,
        batch: Batch,
        levels: Sequence[int],
        sizes: Sequence[tuple[int, int]],
        teacher: Observation,
    ) -> list[Tensor]:
        """Per pair (B, H, W) bool, from what :class:`ConfidenceRegion` is called with."""
        observed = {'student': student, 'teacher': teacher}[self.source].proposals
        images = [boxes[: self.max_per_image] for boxes in observed]
        stride_of = [
            constant(self.strides, boxes)[assigned_levels(boxes, self.strides, self.finest_scale)]
            for boxes in images
        ]
        return [
            torch.stack(
                [
                    touched(boxes, own == stride, target, size)
                    for boxes, own in zip(images, stride_of, strict=True)
                ]
            )
            for stride, target, size in zip(self.strides, self.target_strides, sizes, strict=True)
        ]


def touched(boxes: Tensor, kept: Tensor, stride: float, size: Sequence[int]) -> Tensor:
    """(H, W) bool: the cells, of ``stride`` pixels, that one of the boxes that are kept touches.

    Of P boxes (P, 4) xyxy, pixels, with (P,) flags; (H, W) is ``size``.
    """
    x1, y1, x2, y2 = boxes_to_cells(boxes, stride, size).t()[:, :, None]  # each (P, 1)
    columns, rows = (torch.arange(side, device=boxes.device) for side in (size[1], size[0]))
    across = (columns >= x1) & (columns < x2) & kept[:, None]
    along = (rows >= y1) & (rows < y2)
    return along.float().t() @ across.float() > 0
