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
    """

    rois: Tensor
    bbox_feats: Tensor
    cls_score: Tensor
    bbox_pred: Tensor
    targets: tuple[Tensor, Tensor, Tensor, Tensor] | None = None


class Observation:
    """One detector on one batch; a field is computed when it is first read.

    Args:
        sources: For each field a function of the observation that returns it. The student's return
            what was recorded; the teacher's run the part of it that the field needs. They must not
            hold the observation otherwise: in a cycle activations would outlive the step.
    """

    def __init__(self, **sources: Callable[['Observation'], Any]) -> None:
        self._sources = sources
        self._values: dict[str, Any] = {}

    def _read(self, field: str) -> Any:
        if field not in self._values:
            if field not in self._sources:
                raise AttributeError(
                    f'This detector has no {field!r} to observe; it offers {sorted(self._sources)}.'
                )
            self._values[field] = self._sources[field](self)
        return self._values[field]

    @property
    def backbone(self) -> Sequence[Tensor]:
        """Per stage (B, C, H, W)."""
        return self._read('backbone')

    @property
    def features(self) -> Sequence[Tensor]:
        """Per level (B, C, H, W): neck outputs, or the backbone's where there is no neck."""
        return self._read('features')

    @property
    def priors(self) -> Priors:
        """Anchors on ``features``, for detectors that have any."""
        return self._read('priors')

    @property
    def dense(self) -> Any:
        """What the RPN, or a one-stage detector's head, returned: by kind and level, as it does."""
        return self._read('dense')

    @property
    def rpn(self) -> RPNOutput:
        """Region proposal network, for two-stage detectors."""
        return self._read('rpn')

    @property
    def proposals(self) -> list[Tensor]:
        """Per image (P, 4), best first: the detector's own proposals after NMS, no gradient.

        Those of the RPN, before sampling and without the ground truth that training adds to them;
        of a one-stage detector its best decoded boxes, whatever their score. The student's come
        from its training settings, the teacher's from its test settings, both in pixels of the
        student's images.
        """
        return self._read('proposals')

    @property
    def rois(self) -> RoIOutput:
        """RoI head on the student's sampled RoIs, for two-stage detectors."""
        return self._read('rois')

    @property
    def losses(self) -> dict[str, Any]:
        """The student's own losses by name, before any method scales them."""
        return self._read('losses')

    @property
    def rpn_bbox_coder(self) -> Any:
        """The coder that encodes ``rpn`` deltas."""
        return self._read('rpn_bbox_coder')

    @property
    def bbox_coder(self) -> Any:
        """The coder that encodes ``rois`` deltas."""
        return self._read('bbox_coder')


@dataclass(frozen=True)
class Layout:
    """What is known of a detector when it is built, read off one dry run.

    Attributes:
        channels: Channels of each level of ``features``.
        strides: Stride of each level of ``features``, pixels.
        rectified: For each level whether the map is >= 0 everywhere (the output of a ReLU).
        finest_scale: Side of a box, pixels, below twice which it belongs to the finest level.
        fields: Names of the fields of :class:`Observation` that the detector offers.
        backbone_channels: Channels of each stage of ``backbone``.
        backbone_strides: Stride of each stage of ``backbone``, pixels.
        num_classes: Foreground classes; None where the head does not say.
        sigmoid: Which of ``'rpn'`` and ``'rois'`` have one sigmoid a class, not a softmax.
        decoded: Which of ``'rpn'`` and ``'rois'`` have boxes, xyxy pixels, as regression targets
            (``reg_decoded_bbox``), not encoded deltas.
        roi_levels: How many levels the RoI extractor reads, the finest ones; None without one.
        roi_channels: Channels of ``rois.bbox_feats``; None without an RoI head.
        pairing: Of a teacher on larger images: ``'shift'`` pairs levels of one stride in the
            student's pixels, ``'upsample'`` levels of one index. Strides of such a teacher are in
            the student's pixels. None where both see the same images.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    rectified: tuple[bool, ...]
    finest_scale: float
    fields: frozenset[str]
    backbone_channels: tuple[int, ...] = ()
    backbone_strides: tuple[int, ...] = ()
    num_classes: int | None = None
    sigmoid: frozenset[str] = frozenset()
    decoded: frozenset[str] = frozenset()
    roi_levels: int | None = None
    roi_channels: int | None = None
    pairing: str | None = None


def total_loss(losses: Mapping[str, Any]) -> Tensor:
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
    maps = [level for level in maps if level.requires_grad]
    if not loss.requires_grad or not maps:
        return loss.new_zeros(())
    scale = 1024.0 if any(level.dtype == torch.float16 for level in maps) else 1.0
    found = torch.autograd.grad(loss * scale, maps, retain_graph=True, allow_unused=True)
    squares = [(grad.float() / scale).square().sum() for grad in found if grad is not None]
    return torch.stack(squares).sum().sqrt() if squares else loss.new_zeros(())
