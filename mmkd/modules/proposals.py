"""Proposals as the regions in which a method compares."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import nms

from mmkd.losses.functional import constant, pairwise_iou, wide
from mmkd.registry import MODELS
from mmkd.settings import check_number
from mmkd.utils.errors import UserError


class Proposals(NamedTuple):
    """The regions of a batch."""

    rois: Tensor  # (N, 5) image index and xyxy, pixels
    kept: Tensor  # (N,) bool; rows that are False are there so that N does not depend on the boxes


@MODELS.register_module()
class ProposalRegion:
    """Chooses the regions of each image from one or more lists of boxes.

    The lists are joined by rank: the first box of each list, then the second of each. Boxes that
    repeat an earlier one go, then the balance is made, and the first ones that are left are kept.

    Source: Li et al. 2017 (proposals of the RPN); union, balance and cap are added here.

    Args:
        max_per_image: Regions of an image, at most.
        duplicate_iou: IoU, in (0, 1], above which a box repeats an earlier one; 1 removes equal
            boxes only.
        positive_fraction: Share of positives among the regions, in (0, 1]: the kind of which there
            are too many is cut until it fits, so an image without a positive has no region. None
            takes all kinds as they come.
        positive_iou: IoU with a ground-truth box, in (0, 1], from which a region is positive; None:
            0.5. Means something with ``positive_fraction`` only.

    Raises:
        ValueError: An argument is out of range, or ``positive_iou`` would do nothing.
    """

    def __init__(
        self,
        max_per_image: int = 256,
        duplicate_iou: float = 1.0,
        positive_fraction: float | None = None,
        positive_iou: float | None = None,
    ) -> None:
        check_number('max_per_image', max_per_image, '>= 1', whole=True)
        check_number('duplicate_iou', duplicate_iou, '(0, 1]')
        shares = dict(positive_fraction=positive_fraction, positive_iou=positive_iou)
        for name, share in shares.items():
            if share is not None:
                check_number(name, share, '(0, 1]')
        if positive_iou is not None and positive_fraction is None:
            raise UserError(
                f'positive_iou={positive_iou} does nothing without positive_fraction: set '
                'positive_fraction, the share of positives, or take positive_iou out.'
            )
        self.max_per_image, self.duplicate_iou = max_per_image, duplicate_iou
        self.positive_fraction = positive_fraction
        self.positive_iou = 0.5 if positive_iou is None else positive_iou

    @torch.no_grad()
    def __call__(
        self, sources: Sequence[Sequence[Tensor]], gt_bboxes: Sequence[Tensor]
    ) -> Proposals:
        """Regions of a batch.

        Args:
            sources: Per list and image (P, 4) xyxy pixels, best first; P may be 0.
            gt_bboxes: Per image (G, 4), without ignored boxes; read for the balance.
        """
        rois, flags = [], []
        by_image = zip(zip(*sources, strict=True), gt_bboxes, strict=True)
        for index, (lists, gt) in enumerate(by_image):
            boxes, kept = self._choose(lists, gt)
            rois.append(torch.cat([boxes.new_full((len(boxes), 1), index), boxes], dim=1))
            flags.append(kept)
        return Proposals(torch.cat(rois), torch.cat(flags))

    def _choose(self, lists: Sequence[Tensor], gt: Tensor) -> tuple[Tensor, Tensor]:
        """(P, 4) boxes of one image and (P,) bool, the kept ones first; P <= ``max_per_image``."""
        boxes = _joined_by_rank(lists)
        kept = ~self._repeats(boxes)
        if self.positive_fraction is not None:
            kept = self._balanced(boxes, kept, gt, self.positive_fraction)
        # Sorted and not indexed by the flags: their number would have to reach the host.
        order = kept.logical_not().to(torch.uint8).argsort(stable=True)[: self.max_per_image]
        return boxes[order], kept[order]

    def _repeats(self, boxes: Tensor) -> Tensor:
        """(P,) bool: whether a box repeats an earlier one."""
        if self.duplicate_iou == 1:
            return _equal_to_earlier(boxes)
        ranks = torch.arange(len(boxes), 0, -1, device=boxes.device, dtype=boxes.dtype)
        repeats = torch.ones_like(ranks, dtype=torch.bool)
        # The host waits for a GPU here, as it does in the RPN's own NMS.
        repeats[nms(boxes, ranks, self.duplicate_iou)] = False
        return repeats

    def _balanced(self, boxes: Tensor, kept: Tensor, gt: Tensor, share: float) -> Tensor:
        positive = (pairwise_iou(gt, boxes) >= self.positive_iou).any(dim=0)
        kinds = [(positive & kept, share), (~positive & kept, 1 - share)]
        total = constant(self.max_per_image, boxes, torch.float64)
        for members, fraction in kinds:
            if fraction:
                total = torch.minimum(total, members.sum() / fraction)
        chosen = torch.zeros_like(kept)
        for members, fraction in kinds:
            # The small number mends n / f * f, which may fall short of a whole n.
            chosen |= members & (members.cumsum(dim=0) <= (total * fraction + 1e-6).floor())
        return chosen


def _joined_by_rank(lists: Sequence[Tensor]) -> Tensor:
    boxes = torch.cat([wide(part) for part in lists])
    ranks = [
        torch.arange(len(part), device=part.device) * len(lists) + place
        for place, part in enumerate(lists)
    ]
    return boxes[torch.cat(ranks).argsort()]


def _equal_to_earlier(boxes: Tensor) -> Tensor:
    order = torch.arange(len(boxes), device=boxes.device)
    for column in (3, 2, 1, 0):  # sorted by all four, equal boxes by place
        order = order[boxes[order, column].argsort(stable=True)]
    ordered = boxes[order]
    equal = torch.zeros_like(order, dtype=torch.bool)
    equal[1:] = (ordered[1:] == ordered[:-1]).all(dim=1)
    return torch.zeros_like(equal).scatter(0, order, equal)
