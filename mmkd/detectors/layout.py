"""Channels, strides and levels of a detector, read off one dry run."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from mmkd.heads import QuantizedNeck
from mmkd.observation import Layout

from .heads import check_heads, head_kinds
from .recorder import dense_head, offered_fields
from .spec import class_count

ImageSize: TypeAlias = int | tuple[int, int]
"""Side of a square image, or (height, width), pixels."""

_SIDE = 256
"""Side of the dry run's image, pixels: two cells at the coarsest stride in use, 128."""

_LARGER = (512, 1024)
"""Sides to try where the network needs more."""


@torch.no_grad()
def read_layout(detector: nn.Module, role: str, dry_run_size: ImageSize | None = None) -> Layout:
    """Runs the feature extractor once on a small noise image.

    Noise and not a blank image, so that a signed map shows negative values. The detector's mode,
    buffers and the global random state are as before afterwards.

    The image has the size that the network names (``input_size`` of SSD's anchors, ``img_size`` of
    a transformer), else 256 pixels a side; where it cannot be read, the next larger one is tried.

    Args:
        detector: A detector of MMDetection.
        role: ``'student'`` or ``'teacher'``, for the error.
        dry_run_size: What to try first.

    Raises:
        ValueError: ``dry_run_size`` is not a size, or the detector has no ``extract_feat`` that
            takes an image of any of these sizes.
    """
    training = {module: module.training for module in detector.modules()}
    detector.eval()
    try:
        width, stages, maps, roi_channels = _dry_run(detector, role, dry_run_size)
    finally:
        for module, mode in training.items():
            module.training = mode
    # Of anchors: a width of 300 has 10 cells of 32 pixels, the last in the padding, and not of 30.
    anchors = getattr(dense_head(detector), 'prior_generator', None)
    strides = _strides(maps, width, [stride[0] for stride in getattr(anchors, 'strides', ())])
    return Layout(
        channels=tuple(level.shape[1] for level in maps),
        strides=strides,
        rectified=_rectified(detector, maps),
        finest_scale=_finest_scale(detector, min(strides)),
        fields=offered_fields(detector),
        backbone_channels=tuple(level.shape[1] for level in stages),
        backbone_strides=_strides(stages, width),
        num_classes=class_count(detector),
        roi_levels=getattr(_roi_part(detector, 'bbox_roi_extractor'), 'num_inputs', None),
        roi_channels=roi_channels,
        **head_kinds(detector),
    )


def _dry_run(
    detector: Any, role: str, dry_run_size: ImageSize | None
) -> tuple[int, list[Tensor], list[Tensor], int | None]:
    """The image's width, maps of the backbone, feature levels and channels of pooled RoIs."""
    parameter = next(detector.parameters())
    tried = []
    for height, width in _sizes(detector, dry_run_size):
        noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        stages: list[Tensor] = []
        keep = lambda module, args, out, to=stages: to.extend(_listed(out))  # noqa: E731
        handle = detector.backbone.register_forward_hook(keep)
        try:
            maps = _listed(detector.extract_feat(noise.to(parameter)))
            return width, stages, maps, _roi_channels(detector, maps, width)
        except Exception as error:  # networks of every origin raise what they like
            tried.append(f'{height} x {width}')
            reason = error
        finally:
            handle.remove()
    raise ValueError(
        f'{role}: the dry run failed on images of {", ".join(tried)} pixels, so its feature levels '
        f'are unknown ({reason}). Give the DistillDetector a dry_run_size that the network reads: '
        'a side, or (height, width).'
    ) from reason


def _sizes(detector: Any, dry_run_size: ImageSize | None) -> dict[tuple[int, int], None]:
    """(height, width) of the images to try, in this order, each once."""
    if dry_run_size is not None and not _is_size(dry_run_size):
        raise ValueError(
            f'dry_run_size must be a side in pixels or (height, width), got {dry_run_size!r}.'
        )
    preprocessor = detector.data_preprocessor
    divisor = getattr(preprocessor, 'pad_size_divisor', 1)
    generator = getattr(dense_head(detector), 'prior_generator', None)
    named = [getattr(generator, 'input_size', None)]
    named += [getattr(module, 'img_size', None) for module in detector.modules()]
    padded = [getattr(p, 'size', None) for p in getattr(preprocessor, 'batch_augments', None) or ()]
    usual, *larger = (math.ceil(side / divisor) * divisor for side in (_SIDE, *_LARGER))
    sizes = filter(_is_size, [dry_run_size, *named, usual, *padded, *larger])
    return dict.fromkeys((size, size) if isinstance(size, int) else tuple(size) for size in sizes)


def _is_size(size: Any) -> bool:
    sides = size if isinstance(size, Sequence) and len(size) == 2 else (size,)
    return all(type(side) is int and side > 0 for side in sides)


def _listed(maps: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [maps] if isinstance(maps, Tensor) else list(maps)


def _strides(maps: list[Tensor], width: int, stated: Sequence[int] = ()) -> tuple[int, ...]:
    """Pixels a cell: as ``stated`` where that gives maps of these widths, else as measured."""
    cells = [level.shape[-1] for level in maps]
    if [math.ceil(width / stride) for stride in stated] == cells:
        return tuple(stated)
    return tuple(round(width / count) for count in cells)


def _rectified(detector: nn.Module, maps: list[Tensor]) -> tuple[bool, ...]:
    neck = getattr(detector, 'neck', None)
    if isinstance(neck, QuantizedNeck) and neck.quantizer.signed:
        # A coarse step rounds what an untrained network says to 0, and hides its signs.
        return (False,) * len(maps)
    return tuple(bool((level >= 0).all()) for level in maps)


def _finest_scale(detector: nn.Module, stride: int) -> float:
    # Without an RoI extractor: a side of 224 belongs to stride 16 (Lin et al. 2017).
    extractor = _roi_part(detector, 'bbox_roi_extractor')
    return float(getattr(extractor, 'finest_scale', 14 * stride))


def _roi_channels(detector: Any, maps: list[Tensor], width: int) -> int | None:
    if 'rois' not in offered_fields(detector):
        return None
    roi = maps[0].new_tensor([[0, 0, 0, width / 2, width / 2]])
    return detector.roi_head._bbox_forward(tuple(maps), roi)['bbox_feats'].shape[1]


def _roi_part(detector: nn.Module, name: str) -> nn.Module | None:
    return getattr(getattr(detector, 'roi_head', None), name, None)


def check_comparable(
    student: nn.Module, teacher: nn.Module, fields: frozenset[str], factor: int = 1
) -> None:
    """Refuses pairs that cannot answer the same question.

    Args:
        student: The student.
        teacher: The teacher.
        fields: What the methods read of the teacher.
        factor: Side of the teacher's images over that of the student's.

    Raises:
        ValueError: Names the setting that differs, with both values.
    """
    ours, theirs = class_count(student), class_count(teacher)
    if ours != theirs:
        raise ValueError(
            f'num_classes is {ours} for the student and {theirs} for the teacher: both must be '
            'trained on the same class list.'
        )
    check_heads(student, teacher, fields, factor)
