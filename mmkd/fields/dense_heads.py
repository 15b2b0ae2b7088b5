"""Families of one-stage heads: of each its priors, predictions and targets, in one form.

Letters are those of ``dense.py``.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmdet.models.dense_heads import (
    ATSSHead,
    FCOSHead,
    GFLHead,
    PAAHead,
    RetinaHead,
    RTMDetHead,
    RTMDetSepBNHead,
    TOODHead,
    YOLOXHead,
)
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.utils.types import Coder, Entries, Head, Value

from .field import Recorder, as_tensor

_SMALLEST = 1e-6
"""Distance that a probability keeps from 0 and 1 before its logit is taken."""


class Predictions(NamedTuple):
    """What a head says, by level.

    Attributes:
        cls_score: (B, A * K, H, W) logits.
        bbox_pred: (B, A * D, H, W), distances in strides of the level.
        centerness: (B, A, H, W) logits, of PAA those of the IoU; None for heads without.
    """

    cls_score: list[Tensor]
    bbox_pred: list[Tensor]
    centerness: list[Tensor] | None = None


class Anchors:
    """RetinaNet's: deltas of anchors.

    Attributes:
        kinds: Classes of heads, each with its own forward pass.
        boxes: What ``DenseInfo`` calls them.
        decoded: Whether regression targets are always boxes.
        towers: Attributes with the convolutions of classes and boxes.
        asked: The method that gives the targets.
    """

    kinds: tuple[Any, ...] = (RetinaHead,)
    boxes = 'deltas'
    decoded = False
    towers = ('cls_convs', 'reg_convs')
    asked = 'get_targets'
    _first = 0
    """Place of the labels in what is returned."""

    def reads(self, head: Head) -> bool:
        """Whether a head has the outputs and targets of the family, unchanged by its own."""
        # FreeAnchor is a RetinaNet that assigns within its loss: it never asks for targets.
        return any(
            isinstance(head, kind)
            and self.asked in type(head).loss_by_feat.__code__.co_names
            and all(
                getattr(type(head), name) is getattr(kind, name)
                for name in ('forward', 'forward_single', self.asked)
            )
            for kind in self.kinds
        )

    def coder(self, head: Head) -> Coder:
        """Of its deltas."""
        return head.bbox_coder

    def stacks(self, head: Head) -> list[list[Value]]:
        """Of both towers the stacks of convolutions: one a level, or one that all levels share.

        None for a head without such towers, or whose maps are not those before an activation.
        """
        towers = [getattr(head, name, ()) for name in self.towers]
        found = [list(tower) if is_per_level(tower) else [tower] for tower in towers]
        activated = all(
            len(stack) and all(getattr(conv, 'with_activation', False) for conv in stack)
            for stacks in found
            for stack in stacks
        )
        return found if activated else []

    def priors(self, head: Head, sizes: Sequence[tuple], device: torch.device) -> list[Tensor]:
        """Per level (N, 4) anchors, xyxy pixels, or (N, 2) points, on maps of these (H, W)."""
        return [as_tensor(one) for one in head.prior_generator.grid_priors(sizes, device=device)]

    def predictions(self, head: Head, outputs: Value) -> Predictions:
        """What the head returned, in one form."""
        return Predictions(*(list(kind) for kind in outputs[:3]))

    def record(self, head: Head, recorder: Recorder) -> None:
        """Keeps the targets."""
        recorder.on_method(head, self.asked, lambda args, out: recorder.first('dense_targets', out))

    def targets(self, head: Head, seen: Entries, priors: Sequence[Tensor]) -> Entries:
        """``labels``, ``label_weights``, ``bbox_targets`` and ``avg_factor`` of ``DenseOutput``."""
        found = seen['dense_targets'][self._first :]
        return dict(_named(found), avg_factor=self._divisor(found[3:]))

    def _divisor(self, rest: Sequence) -> float | Tensor:
        """Of what follows labels, weights and boxes."""
        return rest[1]


class ATSS(Anchors):
    """ATSS: as RetinaNet's; the anchors come before the labels."""

    kinds: tuple[Any, ...] = (ATSSHead,)
    _first = 1


class GFL(ATSS):
    """GFL: distributions of distances."""

    kinds = (GFLHead,)
    boxes = 'bins'
    decoded = True


class PAA(Anchors):
    """PAA: candidates of its assigner are told apart by a mixture, within its loss."""

    kinds = (PAAHead,)

    def record(self, head: Head, recorder: Recorder) -> None:
        """Keeps the candidates, and per image what is made of them."""
        super().record(head, recorder)
        kept = recorder.seen.setdefault('dense_reassigned', [])
        recorder.on_method(head, 'paa_reassign', lambda args, out: kept.append(out))

    def targets(self, head: Head, seen: Entries, priors: Sequence[Tensor]) -> Entries:
        """The positives that are left, whose number is the divisor, if there are as many images."""
        labels, weights, _, positives = zip(*seen['dense_reassigned'], strict=True)
        found = _by_level((labels, weights, seen['dense_targets'][2]), priors)
        return dict(_named(found), avg_factor=float(max(sum(positives), len(labels))))


class FCOS(Anchors):
    """FCOS: distances to points."""

    kinds = (FCOSHead,)
    boxes = 'distances'

    def predictions(self, head: Head, outputs: Value) -> Predictions:
        """Distances are in pixels, but in strides while a head with ``norm_on_bbox`` trains."""
        found = super().predictions(head, outputs)
        if head.norm_on_bbox and head.training:
            return found
        levels = zip(found.bbox_pred, head.strides, strict=True)
        return found._replace(bbox_pred=[level / stride for level, stride in levels])

    def targets(self, head: Head, seen: Entries, priors: Sequence[Tensor]) -> Entries:
        """Every point counts; the divisor is the number of those with a box."""
        images = len(seen['outputs'][0][0])
        strides = [1.0] * len(priors) if head.norm_on_bbox else head.strides
        flat_labels, flat_boxes = seen['dense_targets']
        labels = [level.view(images, -1) for level in flat_labels]
        return dict(
            labels=labels,
            label_weights=[torch.ones_like(level, dtype=torch.float) for level in labels],
            bbox_targets=[
                level.view(images, -1, 4) / stride
                for level, stride in zip(flat_boxes, strides, strict=True)
            ],
            avg_factor=torch.stack(
                [((level >= 0) & (level < head.num_classes)).sum() for level in labels]
            ).sum(),
        )


class RTMDet(ATSS):
    """RTMDet: distances to points, whose labels count by how well the box fits."""

    kinds: tuple[Any, ...] = (RTMDetHead, RTMDetSepBNHead)
    boxes = 'distances'
    decoded = True

    def predictions(self, head: Head, outputs: Value) -> Predictions:
        """Distances are in pixels."""
        levels = zip(outputs[1], head.prior_generator.strides, strict=True)
        return Predictions(list(outputs[0]), [level / stride[0] for level, stride in levels])

    def _divisor(self, rest: Sequence) -> Tensor:
        return torch.stack([metrics.sum() for metrics in rest[0]]).sum()


class TOOD(RTMDet):
    """TOOD: it says probabilities and boxes; targets and divisor are like RTMDet's.

    Its layers belong to both tasks, so it has no tower of one.
    """

    kinds = (TOODHead,)

    def priors(self, head: Head, sizes: Sequence[tuple], device: torch.device) -> list[Tensor]:
        """The centres of its anchors."""
        anchors = super().priors(head, sizes, device)
        return [(level[:, :2] + level[:, 2:]) / 2 for level in anchors]

    def predictions(self, head: Head, outputs: Value) -> Predictions:
        """Logits, and distances from the centres to the boxes' sides."""
        scores, boxes = outputs
        sizes = [level.shape[-2:] for level in boxes]
        centers = self.priors(head, sizes, boxes[0].device)
        sides = []
        for level, points, stride in zip(boxes, centers, head.prior_generator.strides, strict=True):
            grid = (points / stride[0]).T.unflatten(1, level.shape[-2:])
            sides.append(torch.cat([grid - level[:, :2], level[:, 2:] - grid], dim=1))
        return Predictions([_in_float32(level).logit(eps=_SMALLEST) for level in scores], sides)


class YOLOX(Anchors):
    """YOLOX: offsets of the centre and log sizes, which are deltas of squares of one stride.

    Its class of a cell is what it detects with, the probability of the class times that of an
    object; every cell counts.
    """

    kinds = (YOLOXHead,)
    decoded = True
    towers = ('multi_level_cls_convs', 'multi_level_reg_convs')
    asked = '_get_targets_single'

    def coder(self, head: Head) -> Coder:
        """Deltas as they are."""
        return DeltaXYWHBBoxCoder(clip_border=False)

    def priors(self, head: Head, sizes: Sequence[tuple], device: torch.device) -> list[Tensor]:
        """Squares of one stride around the points."""
        levels = head.prior_generator.grid_priors(sizes, device=device, with_stride=True)
        return [
            torch.cat([level[:, :2] - level[:, 2:] / 2, level[:, :2] + level[:, 2:] / 2], dim=1)
            for level in levels
        ]

    def predictions(self, head: Head, outputs: Value) -> Predictions:
        """Logits of the products."""
        scores, boxes, objectness = outputs
        products = [
            torch.add(*(F.logsigmoid(_in_float32(part)) for part in pair)).clamp(max=-_SMALLEST)
            for pair in zip(scores, objectness, strict=True)
        ]
        return Predictions([log - (-log.expm1()).log() for log in products], list(boxes))

    def record(self, head: Head, recorder: Recorder) -> None:
        """Keeps per image which of its boxes each positive cell got."""
        kept = recorder.seen.setdefault('dense_targets', [])
        assigned: list[Tensor] = []

        def keep(args: tuple, out: tuple) -> None:
            truth, (positive, _, _, boxes, *_) = args[4], out
            labels = torch.full_like(positive, head.num_classes, dtype=torch.long)
            if len(truth):  # else nothing is sampled
                labels[positive] = truth.labels[assigned.pop()]
            targets = boxes.new_zeros(len(positive), 4)
            targets[positive] = boxes
            kept.append((labels, torch.ones_like(targets[:, 0]), targets))

        recorder.on_method(
            head.sampler, 'sample', lambda args, out: assigned.append(out.pos_assigned_gt_inds)
        )
        recorder.on_method(head, self.asked, keep)

    def targets(self, head: Head, seen: Entries, priors: Sequence[Tensor]) -> Entries:
        """The divisor is the number of positive cells."""
        found = _named(_by_level(zip(*seen['dense_targets'], strict=True), priors))
        positive = [(level < head.num_classes).sum() for level in found['labels']]
        return dict(found, avg_factor=torch.stack(positive).sum())


def _in_float32(level: Tensor) -> Tensor:
    """Or wider, as it is: a probability near 1 is 1 in float16."""
    return level.to(torch.promote_types(level.dtype, torch.float32))


def _named(found: Sequence) -> Entries:
    names = ('labels', 'label_weights', 'bbox_targets')
    return {name: list(levels) for name, levels in zip(names, found, strict=False)}


def _by_level(parts: Value, priors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    """Parts by image (all N, ...) -> parts by level (B, N, ...)."""
    counts = [len(level) for level in priors]
    return [torch.stack(list(images)).split(counts, dim=1) for images in parts]


def is_per_level(tower: Value) -> bool:
    """Whether each level has convolutions of its own."""
    return len(tower) > 0 and isinstance(tower[0], (nn.ModuleList, nn.Sequential))


FAMILIES = (Anchors(), ATSS(), PAA(), TOOD(), RTMDet(), FCOS(), GFL(), YOLOX())


def family_of(head: Head) -> Anchors | None:
    """The family of a head; None for heads of another kind."""
    return next((family for family in FAMILIES if family.reads(head)), None)
