"""Images of other splits that are, or nearly are, training images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmkd.engine.diagnose.check import Check, State
from mmkd.utils.errors import UserImportError

_SIDE = 16
_NEAR = 64
"""Differing bits of 256, at most. Frames of one scene are below; images that only look alike differ
in 90 or more, and those that have nothing in common in half."""

_FEW = 0.02
"""Share of a split up to which near-copies hardly move its score."""


@dataclass(frozen=True)
class Copy:
    """An image, the training image that is nearest to it, and how many of 256 bits differ."""

    image: str
    original: str
    bits: int


def near_copies(
    train: Sequence[str], splits: Mapping[str, Sequence[str]], progress: Callable[[str], None]
) -> dict[str, list[Copy]]:
    """Images that a perceptual hash can hardly tell from a training image.

    Args:
        train: Image files.
        splits: Image files of each other split.
        progress: Is told how many files have been read.

    Returns:
        Those of each split, the nearest first.

    Raises:
        ImportError: The package imagehash is missing.
    """
    try:
        from imagehash import phash
    except ImportError as error:
        raise UserImportError(
            f"near-copies need the package imagehash ({error}): pip install 'mmkd[diagnose]'"
        ) from error
    paths = sorted({*train, *(path for others in splits.values() for path in others)})
    hashes = {}
    for index, path in enumerate(paths):
        with Image.open(path) as image:
            hashes[path] = np.packbits(phash(image, hash_size=_SIDE).hash)
        if index % 50 == 0:
            progress(f'hashes of the images: {index} of {len(paths)}')
    known = np.stack([hashes[path] for path in train])
    found: dict[str, list[Copy]] = {split: [] for split in splits}
    for split, path in [(split, path) for split, others in splits.items() for path in others]:
        apart = np.unpackbits(known ^ hashes[path], axis=1).sum(axis=1)
        nearest = int(apart.argmin())
        if apart[nearest] <= _NEAR:
            found[split].append(Copy(path, train[nearest], int(apart[nearest])))
    return {split: sorted(some, key=lambda one: one.bits) for split, some in found.items()}


def check_copies(found: Mapping[str, Sequence[Copy]], sizes: Mapping[str, int]) -> Check:
    """Whether a split has near-copies; ``sizes`` are the numbers of its images."""
    parts = [
        f'{len(some)} of {sizes[split]} images of {split} nearly equal training images, such as '
        f'{Path(some[0].image).name} and {Path(some[0].original).name}'
        for split, some in found.items()
        if some
    ]
    if not parts:
        return Check('train and test', State.OK, 'no image of one is in the other')
    many = any(len(some) > _FEW * sizes[split] for split, some in found.items())
    remedy = 'split by scene, source or time; until then the scores flatter what learns by heart'
    return Check('train and test', State.FINDING if many else State.INFO, '; '.join(parts), remedy)
