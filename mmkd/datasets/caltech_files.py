"""The two formats of the Caltech pedestrian benchmark: ``.vbb`` annotations and ``.seq`` videos."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from ..utils.errors import UserError

Box = tuple[float, float, float, float]

_JPEG = b'\xff\xd8\xff'
_HEADER = 1024
_GAPS = (8, 12, 16)


@dataclass(frozen=True)
class CaltechObject:
    """One object in one frame; boxes are xywh pixels, 0-based (files count from 1)."""

    label: str  # person, person?, people or ignore
    box: Box
    visible: Box | None  # None where none is given, so that the object counts as wholly visible


def read_vbb(path: str | Path) -> list[list[CaltechObject]]:
    """The objects of each frame of a video, from a ``.vbb`` file: MATLAB's by another name.

    Raises:
        ValueError: The file is no such annotation.
    """
    try:
        with Path(path).open('rb') as file:
            content = loadmat(file)['A'][0, 0]
        labels = [str(label[0]) for label in content['objLbl'][0]]
        return [_frame(objects, labels) for objects in content['objLists'][0]]
    except (KeyError, IndexError, ValueError, MatReadError) as error:
        raise UserError(f'{path} is no .vbb annotation ({error}).') from error


def _frame(objects: np.ndarray, labels: list[str]) -> list[CaltechObject]:
    if not objects.size:
        return []
    found = []
    for entry in objects.reshape(-1):
        label = labels[int(entry['id'].item()) - 1]
        visible = _box(entry['posv']) if np.any(entry['posv']) else None
        found.append(CaltechObject(label, _box(entry['pos']), visible))
    return found


def _box(values: np.ndarray) -> Box:
    """An xywh box of the file, counted from 0."""
    x, y, width, height = (float(value) for value in values.reshape(-1))
    return x - 1, y - 1, width, height


def read_seq(path: str | Path) -> Iterator[bytes]:
    """The frames of a video, each the bytes of a JPEG file.

    Every frame is its length (4 bytes, themselves included), the JPEG and a time stamp, whose
    length differs between the writers; it is found by where the next JPEG begins.

    Raises:
        ValueError: The file is something else, or ends within a frame.
    """
    content = Path(path).read_bytes()
    place = _HEADER
    while place + 4 < len(content):
        end = place + int.from_bytes(content[place : place + 4], 'little')
        if content[place + 4 : place + 7] != _JPEG or end > len(content):
            raise UserError(f'{path}: there is no whole JPEG at byte {place}.')
        yield content[place + 4 : end]
        following = [end + gap for gap in _GAPS if content[end + gap + 4 : end + gap + 7] == _JPEG]
        if not following and len(content) - end > max(_GAPS) + 4:
            raise UserError(f'{path}: no frame follows the one that ends at byte {end}.')
        place = following[0] if following else len(content)
