"""Images of other splits that are, or nearly are, training images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmkd.engine.diagnose.check import Check, judge
from mmkd.utils.errors import UserImportError

_SIDE = 16
_NEAR = 64
"""Differing bits of 256, at most. The nearest of two images that only look alike are 90 apart or
more, of two that have nothing in common half of the bits differ; frames of one scene are below."""


@dataclass(frozen=True)
class Copy:
    """An image, the training image that is nearest to it, and how many of 256 bits differ."""

    image: str
    original: str
    bits: int


def near_copies(
    train: Sequence[str], others: Sequence[str], progress: Callable[[str], None]
) -> list[Copy]:
    """Those of ``others`` that a perceptual hash can hardly tell from a training image.

    Args:
        train: Image files.
        others: Image files of another split.
        progress: Is told how many files have been read.

    Returns:
        The nearest first.

    Raises:
        ImportError: The package imagehash is missing.
    """
    try:
        from imagehash import phash
    except ImportError as error:
        raise UserImportError(
            f"near-copies need the package imagehash ({error}): pip install 'mmkd[diagnose]'"
        ) from error
    paths = [*train, *others]
    bits = np.zeros((len(paths), _SIDE * _SIDE // 8), np.uint8)
    for index, path in enumerate(paths):
        with Image.open(path) as image:
            bits[index] = np.packbits(phash(image, hash_size=_SIDE).hash)
        if index % 50 == 0:
            progress(f'hashes of the images: {index} of {len(paths)}')
    found = []
    for path, own in zip(others, bits[len(train) :], strict=True):
        apart = np.unpackbits(bits[: len(train)] ^ own, axis=1).sum(axis=1)
        nearest = int(apart.argmin())
        if apart[nearest] <= _NEAR:
            found.append(Copy(path, train[nearest], int(apart[nearest])))
    return sorted(found, key=lambda copy: copy.bits)


def check_copies(found: Mapping[str, Sequence[Copy]], sizes: Mapping[str, int]) -> Check:
    """Whether a split has near-copies; ``sizes`` are the numbers of its images."""
    parts = [
        f'{len(some)} of {sizes[split]} {split} images are near-copies of training images, such as '
        f'{Path(some[0].image).name} of {Path(some[0].original).name}'
        for split, some in found.items()
        if some
    ]
    remedy = 'split by scene, source or time; until then the scores flatter what learns by heart'
    return judge('train and test', not parts, '; '.join(parts), remedy)
