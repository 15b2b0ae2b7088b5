"""Label files of the KITTI object benchmark: one object per line, fifteen columns."""

from collections.abc import Iterator
from typing import NamedTuple

from ..utils.errors import UserError
from .reading import read_number, read_whole

KITTI_TYPES = (
    'Car',
    'Van',
    'Truck',
    'Pedestrian',
    'Person_sitting',
    'Cyclist',
    'Tram',
    'Misc',
    'DontCare',
)
"""Every type that a label file may hold."""

KITTI_NEIGHBOURS = {'Car': ('Van',), 'Pedestrian': ('Person_sitting',)}
"""Types so like a class that a detection on them is not an error."""

_COLUMNS = 15


class KITTIObject(NamedTuple):
    """One line of a label file, the columns of the 2D benchmark.

    Attributes:
        type: One of :data:`KITTI_TYPES`.
        truncation: Share outside the image, in [0, 1]; -1 for DontCare.
        occlusion: 0 fully visible, 1 partly, 2 largely occluded, 3 unknown; -1 for DontCare.
        box: xyxy, 0-based float pixels; the width is ``x2 - x1``.
    """

    type: str
    truncation: float
    occlusion: int
    box: tuple[float, float, float, float]

    @property
    def height(self) -> float:
        """Of the box, in pixels: what the benchmark's difficulties ask for."""
        return self.box[3] - self.box[1]


def parse_kitti_labels(text: str) -> Iterator[KITTIObject]:
    """Objects of one label file.

    Args:
        text: Its content; blank lines are allowed.

    Raises:
        ValueError: A line that is not an object; the message names line and column.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield _parse(line.split(), f'line {number}')


def _parse(columns: list[str], place: str) -> KITTIObject:
    if len(columns) != _COLUMNS:
        kind = ': sixteen are a detection with its score' if len(columns) == 16 else ''
        raise UserError(f'{place} has {len(columns)} columns, a label has {_COLUMNS}{kind}')
    if columns[0] not in KITTI_TYPES:
        raise UserError(f'{place}: type {columns[0]!r} is none of {KITTI_TYPES}')
    truncation = read_number(columns[1], f'{place}: truncation')
    occlusion = read_whole(columns[2], f'{place}: occlusion')
    x1, y1, x2, y2 = (read_number(text, f'{place}: the box') for text in columns[4:8])
    return KITTIObject(columns[0], truncation, occlusion, (x1, y1, x2, y2))
