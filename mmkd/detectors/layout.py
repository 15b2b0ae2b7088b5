"""Channels, strides and levels of a detector, read off one dry run."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mmkd.heads import QuantizedNeck
from mmkd.observation import Layout

from .heads import check_heads, head_kinds
from .recorder import offered_fields
from .spec import class_count

_SIDE = 256
"""Side of the dry run's image, pixels: two cells at the coarsest stride in use, 128."""


@torch.no_grad()
def read_layout(detector: nn.Module, role: str) -> Layout:
    """Runs the feature extractor once on a small noise image.

    Noise and not a blank image, so that a signed map shows negative values. The detector's mode,
    buffers and the global random state are as before afterwards.

    Args:
        detector: A detector of MMDetection.
        role: ``'student'`` or ``'teacher'``, for the error.

    Raises:
        ValueError: The detector has no ``extract_feat`` that takes an image of 256 x 256.
    """
    parameter = next(detector.parameters())
    noise = torch.randn(1, 3, _SIDE, _SIDE, generator=torch.Generator().manual_seed(0))
    training = {module: module.training for module in detector.modules()}
    detector.eval()
    stages: list[Tensor] = []
    keep = lambda module, args, out: stages.extend(_listed(out))  # noqa: E731
    handle = detector.backbone.register_forward_hook(keep)
    try:
        maps = _listed(detector.extract_feat(noise.to(parameter)))
        roi_channels = _roi_channels(detector, maps)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f'{role}: the dry run on a {_SIDE} x {_SIDE} image failed, so its feature levels are '
            f'unknown ({error}).'
        ) from error
    finally:
        handle.remove()
        for module, mode in training.items():
            module.training = mode
    strides = _strides(maps)
    return Layout(
        channels=tuple(level.shape[1] for level in maps),
        strides=strides,
        rectified=_rectified(detector, maps),
        finest_scale=_finest_scale(detector, min(strides)),
        fields=offered_fields(detector),
        backbone_channels=tuple(level.shape[1] for level in stages),
        backbone_strides=_strides(stages),
        num_classes=class_count(detector),
        roi_levels=getattr(_roi_part(detector, 'bbox_roi_extractor'), 'num_inputs', None),
        roi_channels=roi_channels,
        **head_kinds(detector),
    )


def _listed(maps: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [maps] if isinstance(maps, Tensor) else list(maps)


def _strides(maps: list[Tensor]) -> tuple[int, ...]:
    return tuple(round(_SIDE / level.shape[-1]) for level in maps)


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


def _roi_channels(detector: nn.Module, maps: list[Tensor]) -> int | None:
    if 'rois' not in offered_fields(detector):
        return None
    roi = maps[0].new_tensor([[0, 0, 0, _SIDE / 2, _SIDE / 2]])
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
