"""What is known of a detector when it is built, read off one dry run."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from mmkd.fields import (
    DryRun,
    as_tuple,
    class_count,
    dense_head,
    evaluating,
    offered_fields,
    recording,
)
from mmkd.observation import DetectorInfo
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector

ImageSize: TypeAlias = int | tuple[int, int]
"""Side of a square image, or (height, width), pixels."""

_SIDE = 256
"""Side of the dry run's image, pixels: two cells at the coarsest stride in use, 128."""

_LARGER = (512, 1024)
"""Sides to try where the network needs more."""


@torch.no_grad()
def describe(detector: Detector, role: str, dry_run_size: ImageSize | None = None) -> DetectorInfo:
    """Runs the feature extractor once on a small noise image, and asks each field.

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
            takes an image of any of these sizes; or a student trains on several maps of an image.
    """
    branches = getattr(getattr(detector, 'backbone', None), 'num_branch', 1)  # TridentNet's
    if role == 'student' and branches > 1:
        raise UserError(
            f'the student, {type(detector).__name__},',
            f'trains on {branches} maps of each image, and a teacher gives one',
            'choose a student whose backbone has one branch',
        )
    tried = []
    with evaluating(detector):
        for height, width in _sizes(detector, dry_run_size):
            try:
                run = _dry_run(detector, height, width)
                break
            except Exception as error:  # networks of every origin raise what they like
                tried.append(f'{height} x {width}')
                reason = error
        else:
            raise UserError(
                f'{role}: the dry run',
                f'failed on images of {", ".join(tried)} pixels, so its feature levels are unknown '
                f'({reason})',
                'give the DistillDetector a dry_run_size that the network reads, a side or '
                '(height, width)',
            ) from reason
        fields = offered_fields(detector)
        described = {name: field.describe(detector, run) for name, field in fields.items()}
        return DetectorInfo(described, class_count(detector), name=type(detector).__name__)


def _dry_run(detector: Detector, height: int, width: int) -> DryRun:
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    with recording() as recorder:
        recorder.on_forward(
            detector.backbone, lambda args, out: recorder.first('stages', as_tuple(out))
        )
        maps = as_tuple(detector.extract_feat(noise.to(next(detector.parameters()))))
    return DryRun(width, recorder.seen['stages'], maps)


def _sizes(detector: Detector, dry_run_size: ImageSize | None) -> dict[tuple[int, int], None]:
    """(height, width) of the images to try, in this order, each once."""
    if dry_run_size is not None and not _is_size(dry_run_size):
        raise UserError(
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
