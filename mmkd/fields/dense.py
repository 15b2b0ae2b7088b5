"""The field ``dense``: what a one-stage head says on every cell, under one naming of its parts.

Letters: B images, L levels, H x W cells of a level, A priors a cell, N = H * W * A priors of a
level, K classes, C channels of the towers, D numbers that say a box (4, or 4 times the bins).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from mmkd.observation import Observation
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Entries, Head

from .dense_heads import Anchors, family_of, is_per_level
from .field import DryRun, Field, Query, Recorder, recording
from .heads import Outputs, check_anchors, check_classes, is_sigmoid


@dataclass(frozen=True)
class DenseInfo:
    """Description of the field.

    Attributes:
        sigmoid: Whether classes are sigmoids.
        boxes: ``'deltas'`` of anchors, ``'distances'`` to the four sides, or logits of ``'bins'``
            of such distances.
        decoded: Whether regression targets are boxes, xyxy pixels.
        convs: Convolutions of each tower; 0 for a head without towers of the two tasks, or whose
            layers give no map before an activation: the field has no maps, and is not applied.
        channels: Of the towers' maps.
        bins: Bins of a distance; None where boxes are numbers.
        strides: Of each level, pixels.
    """

    sigmoid: bool
    boxes: str
    decoded: bool
    convs: int
    channels: int
    bins: int | None = None
    strides: tuple[int, ...] = ()


@dataclass(frozen=True)
class DenseOutput:
    """One head on one batch.

    Attributes:
        cls_score: Per level (B, A * K, H, W) logits.
        bbox_pred: Per level (B, A * D, H, W) deltas, distances in strides of the level, or bins.
        cls_maps: Per convolution of the class tower and per level (B, C, H, W), before the
            activation.
        reg_maps: The same of the box tower.
        priors: Per level (N, 4) anchors, xyxy pixels, or (N, 2) points.
        centerness: Per level (B, A, H, W) logits, of PAA those of the IoU; None for heads without.
        labels: Per level (B, N), 0 .. K-1, background K; None for the teacher, as what follows.
        label_weights: Per level (B, N).
        bbox_targets: Per level (B, N, 4), boxes where ``DenseInfo.decoded``, else as ``bbox_pred``.
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


@FIELDS.register_module()
class Dense(Field):
    """A :class:`DenseOutput` of a head of one of the families of ``dense_heads.py``.

    It can be applied: ``teacher.apply('dense', cls_maps, reg_maps, layer=i)`` runs the teacher's
    head from the activation behind convolution ``i`` (0-based) on, on maps (B, C, H, W) a level
    that stand for what that convolution gives, C those of the teacher.
    """

    name = 'dense'
    words = 'dense head'
    of_classes = True
    needs = frozenset({name})

    def offered(self, detector: Detector) -> bool:
        """One-stage detectors with such a head."""
        return family_of(getattr(detector, 'bbox_head', None)) is not None

    def describe(self, detector: Detector, run: DryRun) -> DenseInfo:
        """What kind of head it is."""
        head = detector.bbox_head
        family = _family(head)
        stacks = family.stacks(head)
        return DenseInfo(
            sigmoid=is_sigmoid(head),
            boxes=family.boxes,
            decoded=family.decoded or bool(getattr(head, 'reg_decoded_bbox', False)),
            convs=len(stacks[0][0]) if stacks else 0,
            channels=head.feat_channels,
            strides=tuple(stride[0] for stride in head.prior_generator.strides),
            bins=head.reg_max + 1 if family.boxes == 'bins' else None,
        )

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps outputs, the towers' maps and targets."""
        head = detector.bbox_head
        Outputs().record(detector, recorder)
        _record_towers(head, recorder)
        _family(head).record(head, recorder)

    def student(self, detector: Detector, seen: Entries) -> DenseOutput:
        """With targets."""
        head = detector.bbox_head
        scores = seen['outputs'][0]
        sizes = [level.shape[-2:] for level in scores]
        priors = _family(head).priors(head, sizes, scores[0].device)
        targets = _family(head).targets(head, seen, priors)
        return _output(head, seen['outputs'], seen, priors, **targets)

    def teacher(self, observation: Observation, query: Query) -> DenseOutput:
        """On the same priors."""
        head = query.model.bbox_head
        with recording() as recorder:
            _record_towers(head, recorder)
            outputs = observation.outputs
            if not all(recorder.seen.values()):  # the head had run before
                head(observation.features)
        return _output(head, outputs, recorder.seen, query.student.dense.priors)

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
        family = _family(head)
        towers = family.stacks(head)
        convs = len(towers[0][0])
        if not 0 <= layer < convs:
            raise UserError(
                f'layer must be one of the {convs} convolutions of the teacher, 0 to {convs - 1}, '
                f'got {layer}.'
            )
        with recording() as recorder:
            for name, stacks, maps in zip(family.towers, towers, (cls_maps, reg_maps), strict=True):
                per_level = is_per_level(getattr(head, name))
                given = [[level] for level in maps] if per_level else [maps]
                parts = [
                    nn.Sequential(_Start(own, stack[layer].activate), *stack[layer + 1 :])
                    for own, stack in zip(given, stacks, strict=True)
                ]
                recorder.set_module(head, name, nn.ModuleList(parts) if per_level else parts[0])
            outputs = head(tuple(cls_maps))
        return _output(head, outputs, {}, query.student.dense.priors)

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Classes, kinds of boxes and priors agree."""
        check_classes(student, teacher)
        heads = [side.bbox_head for side in (student, teacher)]
        kinds = [
            (_family(head).boxes, is_sigmoid(head), getattr(head, 'reg_max', None))
            for head in heads
        ]
        if kinds[0] != kinds[1]:
            raise UserError(
                'bbox_head differs: (boxes, sigmoid, reg_max) is '
                f'{kinds[0]} for the student and {kinds[1]} for the teacher; outputs are compared '
                'only where they mean the same. Give both one kind of head.'
            )
        check_anchors('bbox_head', heads[0], heads[1], factor)


def _family(head: Head) -> Anchors:
    found = family_of(head)
    assert found is not None  # the field is offered
    return found


def _record_towers(head: Head, recorder: Recorder) -> None:
    """Keeps per tower, convolution and level the map before the activation."""
    for tower, stacks in enumerate(_family(head).stacks(head)):
        for place, convs in enumerate(zip(*stacks, strict=True)):
            kept: list[Tensor] = recorder.seen.setdefault((tower, place), [])
            for conv in convs:
                # In place it would overwrite what is kept; the numbers are the same.
                if getattr(conv.activate, 'inplace', False):
                    recorder.set(conv.activate, 'inplace', False)
                recorder.on_input(conv.activate, partial(_append, kept))


def _append(kept: list[Tensor], args: tuple) -> None:
    kept.append(args[0])


def _output(
    head: Head, outputs: Any, seen: dict, priors: list[Tensor], **targets: Any
) -> DenseOutput:
    """One head's, with the maps that :func:`_record_towers` kept."""
    said = _family(head).predictions(head, outputs)
    cls_maps, reg_maps = (
        [maps for key, maps in seen.items() if isinstance(key, tuple) and key[0] == tower]
        for tower in (0, 1)
    )
    return DenseOutput(
        said.cls_score, said.bbox_pred, cls_maps, reg_maps, priors, said.centerness, **targets
    )


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
