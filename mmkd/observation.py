"""What a detector saw and said on one batch: the record that methods compare.

Letters: B images of one padded size, L levels, C channels, H x W cells of a level, A anchors a
cell, R sampled RoIs of the batch, K classes, P proposals of an image. Boxes are xyxy pixels of the
padded network input; encoded deltas are in the units of the head's own ``bbox_coder``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmkd.utils import warn_renamed
from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries, Setting


@dataclass(frozen=True)
class Batch:
    """The part of a batch that does not depend on a detector.

    Attributes:
        gt_bboxes: Per image (G, 4), ignored ones left out.
        gt_labels: Per image (G,) long, 0 .. K-1.
        gt_ignored: Per image (I, 4): crowd, difficult or ignored boxes.
        metas: Per image the metainfo of its data sample (``img_shape``, ``pad_shape``, ...).
        step: Iterations trained so far; 0 in the first one, also outside a runner.
        epoch: Epochs trained so far, likewise.
        max_steps: Iterations of the whole training; 0 outside a runner.
        max_epochs: Epochs of the whole training; 0 outside a runner.
    """

    gt_bboxes: list[Tensor]
    gt_labels: list[Tensor]
    gt_ignored: list[Tensor]
    metas: list[dict]
    step: int = 0
    epoch: int = 0
    max_steps: int = 0
    max_epochs: int = 0


@dataclass(frozen=True)
class Priors:
    """The anchors of a dense head or RPN on the feature maps of this batch.

    Attributes:
        anchors: Per level (H * W * A, 4), the A anchors of a cell adjacent, cells row-major.
        valid: Per level (B, H * W * A) bool; False in the padding of an image.
    """

    anchors: list[Tensor]
    valid: list[Tensor]


@dataclass(frozen=True)
class RPNOutput:
    """Outputs of the region proposal network, and on the student's side its targets.

    Attributes:
        cls_score: Per level (B, A, H, W) objectness logits.
        bbox_pred: Per level (B, 4 * A, H, W) encoded deltas.
        anchors: Per image and level (H * W * A, 4); the teacher's are the student's.
        targets: ``(labels, label_weights, bbox_targets, bbox_weights, avg_factor)`` as
            MMDetection's ``get_targets`` gives them, per level (B, H * W * A[, 4]); None for the
            teacher.
    """

    cls_score: list[Tensor]
    bbox_pred: list[Tensor]
    anchors: list[list[Tensor]]
    targets: tuple | None = None


@dataclass(frozen=True)
class RoIOutput:
    """Outputs of the RoI head on the RoIs that the student sampled.

    Attributes:
        rois: (R, 5) image index and xyxy; the same tensor on both sides.
        bbox_feats: (R, C, h, w) pooled features, what the box head reads.
        cls_score: (R, K + 1) logits, background last.
        bbox_pred: (R, 4 * K) or (R, 4) encoded deltas.
        targets: ``(labels, label_weights, bbox_targets, bbox_weights)``, labels (R,) with
            background K, weights (R,) and (R, 4), targets (R, 4); None for the teacher.
        loss_weight: Of a stage in its cascade's loss.
    """

    rois: Tensor
    bbox_feats: Tensor
    cls_score: Tensor
    bbox_pred: Tensor
    targets: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
    loss_weight: float = 1.0


class Members(tuple):
    """The head outputs of each teacher of an ensemble.

    An ensemble has no logits: a method averages probabilities at its own temperature, and boxes.
    """

    field: str

    def __new__(cls, values: Sequence[Any], field: str) -> 'Members':
        """Values of one field, one a teacher."""
        members = super().__new__(cls, values)
        members.field = field
        return members

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_') or name == 'field':
            raise AttributeError(name)
        raise UserError(
            f"teacher='ensemble' has no {self.field}.{name}: this method compares the outputs of "
            'one teacher. Name one.'
        )


def members(value: object) -> tuple[Any, ...]:
    """The values of an ensemble's teachers, or the one of a single teacher."""
    return tuple(value) if isinstance(value, Members) else (value,)


class Observation:
    """One detector on one batch: fields by name, each computed when it is first read.

    ``observation.features`` reads the field ``features``. What the fields are is in
    ``mmkd/fields``, one file per field.

    Args:
        lent: For each field whose head a method may apply to its own features, a function of the
            observation and of what :meth:`apply` is given.
        sources: For each field a function of the observation that returns it. The student's return
            what was recorded; the teacher's run the part of it that the field needs. They must not
            hold the observation otherwise: in a cycle activations would outlive the step.
    """

    def __init__(
        self,
        lent: Mapping[str, Callable[..., Any]] | None = None,
        **sources: Callable[['Observation'], Any],
    ) -> None:
        self._lent = lent or {}
        self._sources = sources
        self._values: Entries = {}

    def __getattr__(self, field: str) -> Any:
        if field.startswith('_'):
            raise AttributeError(field)
        field = renamed_field(field)
        if field not in self._values:
            if field not in self._sources:
                raise AttributeError(
                    f'{field!r} was not observed, only {sorted(self._sources)}: a method names the '
                    'fields that it reads in student_fields and teacher_fields.'
                )
            self._values[field] = self._sources[field](self)
        return self._values[field]

    def __contains__(self, field: str) -> bool:
        return field in self._sources

    @property
    def computed(self) -> frozenset[str]:
        """The fields that were read so far."""
        return frozenset(self._values)

    def apply(self, field: str, *features: Any, **settings: Any) -> Any:
        """Runs this detector's frozen head on features that a method hands to it.

        Gradients flow to the features and to no weight of the head; batch norms keep their
        statistics.

        Args:
            field: The head's, e.g. ``'roi_head'``.
            features: What the field says that it can be applied to.
            settings: Likewise.

        Returns:
            The value that the field would have for these features.

        Raises:
            AttributeError: The field is not lent by this detector.
        """
        if field not in self._lent:
            raise AttributeError(
                f'{field!r} cannot be applied, only {sorted(self._lent)}: heads are lent by a '
                'teacher that has them.'
            )
        return self._lent[field](self, *features, **settings)


_RENAMED_FIELDS = {'rois': 'roi_head'}


def renamed_field(field: str) -> str:
    """The name that a field has today; an old one warns once."""
    if field in _RENAMED_FIELDS:
        warn_renamed(f'the field {field!r}', repr(_RENAMED_FIELDS[field]))
        return _RENAMED_FIELDS[field]
    return field


@dataclass(frozen=True)
class MapsInfo:
    """Feature maps of a detector, by level or stage.

    Attributes:
        channels: Of each map.
        strides: Of each map, pixels.
        rectified: For each map whether it is >= 0 everywhere (the output of a ReLU).
        finest_scale: Side of a box, pixels, below twice which it belongs to the first map.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    rectified: tuple[bool, ...]
    finest_scale: float


@dataclass(frozen=True)
class HeadInfo:
    """A head of a detector.

    Attributes:
        sigmoid: Whether its classes are sigmoids, not a softmax.
        decoded: Whether its regression targets are boxes, xyxy pixels (``reg_decoded_bbox``), not
            encoded deltas.
        channels: Of the pooled features that it reads; None for an RPN.
        levels: How many levels, the finest ones, its features are pooled from; None for an RPN or
            an extractor that does not say.
        bins: (h, w) of the pooled features; None for an RPN.
    """

    sigmoid: bool
    decoded: bool
    channels: int | None = None
    levels: int | None = None
    bins: tuple[int, ...] | None = None


@dataclass(frozen=True)
class DetectorInfo:
    """What is known of a detector when it is built, read off one dry run.

    ``info.roi_head`` is the description of the field ``roi_head``.

    Attributes:
        fields: The description of each field that the detector offers, by the field's name; None
            for fields without one.
        num_classes: Foreground classes; None where no head says.
        pairing: Of a teacher on larger images: ``'shift'`` pairs levels of one stride in the
            student's pixels, ``'upsample'`` levels of one index. Strides of such a teacher are in
            the student's pixels. None where both see the same images.
        name: What messages call it, e.g. ``'RetinaNet'``.
    """

    fields: Setting
    num_classes: int | None = None
    pairing: str | None = None
    name: str = 'the detector'

    def __getattr__(self, name: str) -> Any:
        if name == 'fields' or name.startswith('_'):
            raise AttributeError(name)
        if name in self.fields:
            return self.fields[name]
        if name in _FORMER_LAYOUT:
            new, read = _FORMER_LAYOUT[name]
            warn_renamed(f'{name} of a detector', new)
            return read(self)
        raise AttributeError(f'The detector has no {name!r}, only {sorted(self.fields)}.')

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each level of ``features``."""
        return self.fields['features'].channels

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each level of ``features``, pixels."""
        return self.fields['features'].strides


def _of_roi_head(entry: str) -> Callable[[DetectorInfo], int | None]:
    return lambda info: getattr(info.fields.get('roi_head'), entry, None)


def _former_kinds(kind: str) -> Callable[[DetectorInfo], frozenset[str]]:
    places = {'rpn': 'rpn', 'roi_head': 'rois'}
    return lambda info: frozenset(
        old for new, old in places.items() if getattr(info.fields.get(new), kind, False)
    )


_FORMER_LAYOUT: dict[str, tuple[str, Callable[[DetectorInfo], Any]]] = {
    'rectified': ('features.rectified', lambda info: info.features.rectified),
    'finest_scale': ('features.finest_scale', lambda info: info.features.finest_scale),
    'backbone_channels': ('backbone.channels', lambda info: info.backbone.channels),
    'backbone_strides': ('backbone.strides', lambda info: info.backbone.strides),
    'roi_channels': ('roi_head.channels', _of_roi_head('channels')),
    'roi_levels': ('roi_head.levels', _of_roi_head('levels')),
    'sigmoid': ('rpn.sigmoid and roi_head.sigmoid', _former_kinds('sigmoid')),
    'decoded': ('rpn.decoded and roi_head.decoded', _former_kinds('decoded')),
}


def __getattr__(name: str) -> Any:
    if name == 'Layout':
        warn_renamed('mmkd.observation.Layout', 'mmkd.observation.DetectorInfo')
        return DetectorInfo
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


@dataclass(frozen=True)
class Seen:
    """What a training step shows: the student's losses, and what methods are handed.

    Attributes:
        losses: The student's own, by name, before any method scales them.
        student: The student's observation.
        teachers: Each teacher's, by its name.
        batch: Ground truth and metas.
    """

    losses: Entries
    student: Observation
    teachers: Mapping[str, Observation]
    batch: Batch

    def by(self, teacher: str) -> tuple[Observation, Observation, Batch]:
        """The arguments of a method that reads one teacher."""
        return self.student, self.teachers[teacher], self.batch


def total_loss(losses: Setting) -> Tensor:
    """The scalar that MMEngine trains on: the sum of the entries whose key contains ``loss``.

    Args:
        losses: Tensors, or lists of them; each counts by its mean.
    """
    parts = [value for key, value in losses.items() if 'loss' in key]
    flat = [t for part in parts for t in (part if isinstance(part, list) else [part])]
    return torch.stack([tensor.float().mean() for tensor in flat]).sum()


def gradient_norm(loss: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """L2 norm of the gradient of ``loss`` with respect to all ``maps`` together, a scalar.

    Nothing is accumulated in any ``.grad`` and the graph stays; 0 where no map is in the graph. At
    maps in float16, which ends at 6e-8, the gradient is that of the loss times 1024.
    """
    return _norm(_gradients(loss, maps), loss)


def gradient_cosine(first: Tensor, second: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """Cosine between the gradients of two losses with respect to all ``maps`` together, a scalar.

    In [-1, 1], and 0 where one of them is 0; see :func:`gradient_norm`.
    """
    sides = [_gradients(loss, maps) for loss in (first, second)]
    products = [
        (a * b).sum() for a, b in zip(*sides, strict=False) if a is not None and b is not None
    ]
    norms = _norm(sides[0], first) * _norm(sides[1], second)
    return torch.stack(products).sum() / norms if products and norms else norms


def _gradients(loss: Tensor, maps: Sequence[Tensor]) -> list[Tensor | None]:
    """Float32 gradient at each of ``maps`` that can have one; None where the loss lacks it."""
    maps = [level for level in maps if level.requires_grad]
    if not loss.requires_grad or not maps:
        return []
    scale = 1024.0 if any(level.dtype == torch.float16 for level in maps) else 1.0
    found = torch.autograd.grad(loss * scale, maps, retain_graph=True, allow_unused=True)
    return [None if grad is None else grad.float() / scale for grad in found]


def _norm(gradients: Sequence[Tensor | None], loss: Tensor) -> Tensor:
    squares = [grad.square().sum() for grad in gradients if grad is not None]
    return torch.stack(squares).sum().sqrt() if squares else loss.new_zeros(())
