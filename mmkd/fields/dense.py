"""The field ``dense``: what a one-stage head says on every cell, under one naming of its parts.

Letters: B images, L levels, H x W cells of a level, A priors a cell, N = H * W * A priors of a
level, K classes, C channels of the towers, D numbers that say a box (4, or 4 times the bins).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from mmdet.models.dense_heads import ATSSHead, FCOSHead, GFLHead, RetinaHead
from torch import Tensor, nn

from mmkd.observation import Observation
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Entries, Head

from .field import DryRun, Field, Query, Recorder, recording
from .heads import Outputs, check_anchors, check_classes, is_sigmoid, record_anchors

_BOXES = {RetinaHead: 'deltas', ATSSHead: 'deltas', FCOSHead: 'distances', GFLHead: 'bins'}
_TOWERS = ('cls_convs', 'reg_convs')


@dataclass(frozen=True)
class DenseInfo:
    """Description of the field.

    Attributes:
        sigmoid: Whether classes are sigmoids.
        boxes: ``'deltas'`` of anchors, ``'distances'`` to the four sides, or logits of ``'bins'``
            of such distances.
        decoded: Whether regression targets are boxes, xyxy pixels.
        convs: Convolutions of each tower.
        channels: Of the towers' maps.
        bins: Bins of a distance; None where boxes are numbers.
        strides: Of each level, pixels.
        in_strides: Whether distances are in strides of their level; else they are in pixels.
    """

    sigmoid: bool
    boxes: str
    decoded: bool
    convs: int
    channels: int
    bins: int | None = None
    strides: tuple[int, ...] = ()
    in_strides: bool = False


@dataclass(frozen=True)
class DenseOutput:
    """One head on one batch.

    Attributes:
        cls_score: Per level (B, A * K, H, W) logits.
        bbox_pred: Per level (B, A * D, H, W), in the units that the head is trained in.
        cls_maps: Per convolution of the class tower and per level (B, C, H, W), before the
            activation.
        reg_maps: The same of the box tower.
        priors: Per level (N, 4) anchors, xyxy pixels, or (N, 2) points.
        centerness: Per level (B, A, H, W) logits; None for heads without.
        labels: Per level (B, N), 0 .. K-1, background K; None for the teacher, as what follows.
        label_weights: Per level (B, N).
        bbox_targets: Per level (B, N, 4), as the head is trained on.
        avg_factor: What the head divides its own losses by, in this process.
    """

    cls_score: list[Tensor]
    bbox_pred: list[Tensor]
    cls_maps: list[list[Tensor]]
    reg_maps: list[list[Tensor]]
    priors: list[Tensor]
    centerness: list[Tensor] | None = None
    labels: list[Tensor] | None = None
    label_weights: list[Tensor] | None = None
    bbox_targets: list[Tensor] | None = None
    avg_factor: float | Tensor | None = None


def _family(head: Head) -> type | None:
    """The class whose outputs and targets a head has, unchanged by its own."""
    for family in _BOXES:
        # FreeAnchor is a RetinaNet that assigns within its loss: it never asks for targets.
        if (
            isinstance(head, family)
            and _asks_for_targets(head)
            and all(
                getattr(type(head), name) is getattr(family, name)
                for name in ('forward', 'forward_single', 'get_targets')
            )
        ):
            return family
    return None


def _asks_for_targets(head: Head) -> bool:
    return 'get_targets' in type(head).loss_by_feat.__code__.co_names


@FIELDS.register_module()
class Dense(Field):
    """A :class:`DenseOutput` of a RetinaNet, FCOS, ATSS or GFL head.

    It can be applied: ``teacher.apply('dense', cls_maps, reg_maps, layer=i)`` runs the teacher's
    head from the activation behind convolution ``i`` (0-based) on, on maps (B, C, H, W) a level
    that stand for what that convolution gives, C those of the teacher.
    """

    name = 'dense'
    words = 'dense head'
    of_classes = True
    needs = frozenset({name})

    def offered(self, detector: Detector) -> bool:
        """One-stage detectors with such a head, whose towers are convolutions with activations."""
        head = getattr(detector, 'bbox_head', None)
        towers = [getattr(head, name, ()) for name in _TOWERS]
        return _family(head) is not None and all(
            len(tower) and all(getattr(conv, 'with_activation', False) for conv in tower)
            for tower in towers
        )

    def describe(self, detector: Detector, run: DryRun) -> DenseInfo:
        """What kind of head it is."""
        head = detector.bbox_head
        family = _family(head)
        assert family is not None  # it is offered
        return DenseInfo(
            sigmoid=is_sigmoid(head),
            boxes=_BOXES[family],
            decoded=family is GFLHead or bool(getattr(head, 'reg_decoded_bbox', False)),
            convs=len(head.cls_convs),
            channels=head.feat_channels,
            strides=tuple(stride[0] for stride in head.prior_generator.strides),
            in_strides=family is GFLHead or bool(getattr(head, 'norm_on_bbox', False)),
            bins=head.reg_max + 1 if family is GFLHead else None,
        )

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps outputs, the towers' maps, anchors and targets."""
        head = detector.bbox_head
        Outputs().record(detector, recorder)
        _record_towers(head, recorder)
        record_anchors(detector, recorder)
        recorder.on_method(
            head, 'get_targets', lambda args, out: recorder.first('dense_targets', (args, out))
        )

    def student(self, detector: Detector, seen: Entries) -> DenseOutput:
        """With targets."""
        head = detector.bbox_head
        arguments, targets = seen['dense_targets']
        if _family(head) is FCOSHead:
            points, (flat_labels, flat_boxes) = arguments[0], targets
            images = len(seen['outputs'][0][0])
            labels = [level.view(images, -1) for level in flat_labels]
            found: Entries = dict(
                priors=list(points),
                labels=labels,
                label_weights=[torch.ones_like(level, dtype=torch.float) for level in labels],
                bbox_targets=[level.view(images, -1, 4) for level in flat_boxes],
                avg_factor=torch.stack(
                    [((level >= 0) & (level < head.num_classes)).sum() for level in labels]
                ).sum(),
            )
        else:
            # ATSS and GFL give the anchors first.
            shift = 0 if _family(head) is RetinaHead else 1
            names = ('labels', 'label_weights', 'bbox_targets')
            found = {name: list(targets[shift + i]) for i, name in enumerate(names)}
            found |= dict(priors=seen['anchors'][0][0], avg_factor=targets[shift + 4])
        return _output(seen['outputs'], _towers(head, seen), **found)

    def teacher(self, observation: Observation, query: Query) -> DenseOutput:
        """On the same priors, in the units of training."""
        head = query.model.bbox_head
        with recording() as recorder:
            _record_towers(head, recorder)
            outputs = observation.outputs
            if not recorder.seen[_TOWERS[0], 0]:  # the head had run before
                head(observation.features)
        maps = _towers(head, recorder.seen)
        return _output(_in_training(head, outputs), maps, query.student.dense.priors)

    def lend(
        self,
        observation: Observation,
        query: Query,
        cls_maps: Sequence[Tensor],
        reg_maps: Sequence[Tensor],
        layer: int,
    ) -> DenseOutput:
        """Runs the head from the activation behind convolution ``layer`` on."""
        head = query.model.bbox_head
        if not 0 <= layer < len(head.cls_convs):
            raise UserError(
                f'layer must be one of the {len(head.cls_convs)} convolutions of the teacher, 0 to '
                f'{len(head.cls_convs) - 1}, got {layer}.'
            )
        with recording() as recorder:
            for name, maps in zip(_TOWERS, (cls_maps, reg_maps), strict=True):
                tower = getattr(head, name)
                start = _Start(maps, tower[layer].activate)
                recorder.set_module(head, name, nn.ModuleList([start, *tower[layer + 1 :]]))
            outputs = head(tuple(cls_maps))
        return _output(_in_training(head, outputs), ([], []), query.student.dense.priors)

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Classes, kinds of boxes and priors agree."""
        check_classes(student, teacher)
        heads = [side.bbox_head for side in (student, teacher)]
        kinds = [
            (_BOXES[family], is_sigmoid(head), getattr(head, 'reg_max', None))
            for head in heads
            if (family := _family(head))
        ]
        if kinds[0] != kinds[1]:
            raise UserError(
                'bbox_head differs: (boxes, sigmoid, reg_max) is '
                f'{kinds[0]} for the student and {kinds[1]} for the teacher; outputs are compared '
                'only where they mean the same. Give both one kind of head.'
            )
        check_anchors('bbox_head', heads[0], heads[1], factor)


def _record_towers(head: Head, recorder: Recorder) -> None:
    """Keeps per tower, convolution and level the map before the activation."""
    for name in _TOWERS:
        for place, conv in enumerate(getattr(head, name)):
            # In place it would overwrite what is kept; the numbers are the same.
            if getattr(conv.activate, 'inplace', False):
                recorder.set(conv.activate, 'inplace', False)
            kept: list[Tensor] = recorder.seen.setdefault((name, place), [])
            recorder.on_input(conv.activate, partial(_append, kept))


def _append(kept: list[Tensor], args: tuple) -> None:
    kept.append(args[0])


def _output(outputs: Any, maps: Sequence[list], priors: list[Tensor], **more: Any) -> DenseOutput:
    cls_score, bbox_pred = (list(kind) for kind in outputs[:2])
    centerness = list(outputs[2]) if len(outputs) > 2 else None
    return DenseOutput(cls_score, bbox_pred, maps[0], maps[1], priors, centerness, **more)


def _towers(head: Head, seen: dict) -> list[list]:
    """What :func:`_record_towers` kept: per tower, convolution and level."""
    return [[seen[name, place] for place in range(len(getattr(head, name)))] for name in _TOWERS]


def _in_training(head: Head, outputs: Any) -> Any:
    """Outputs of a head in eval mode, in the units of training."""
    if not getattr(head, 'norm_on_bbox', False) or head.training:
        return outputs
    scaled = [level / stride for level, stride in zip(outputs[1], head.strides, strict=True)]
    return outputs[0], scaled, *outputs[2:]


class _Start(nn.Module):
    """Stands for the first convolutions of a tower: gives maps, a level a call, activated."""

    def __init__(self, maps: Sequence[Tensor], activate: nn.Module) -> None:
        super().__init__()
        self._left = list(maps)
        # An activation in place would change the map that the method handed over.
        self.activate = activate

    def forward(self, _: Tensor) -> Tensor:
        """The activated map of the next level."""
        return self.activate(self._left.pop(0).clone())
