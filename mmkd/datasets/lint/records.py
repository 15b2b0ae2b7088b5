"""What the linter reads of a data set, whatever its format, and what it says of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ...utils.errors import UserError

KINDS = {
    'missing-image': 'the image is not there',
    'unreadable-image': 'the file is not an image, or damaged',
    'wrong-size': 'the annotation states another size than the image has',
    'missing-annotation': 'there is no annotation of the image',
    'broken-annotation': 'the annotation cannot be read',
    'no-boxes': 'the annotation holds no box',
    'degenerate-box': 'the box has no area',
    'outside-image': 'the box reaches out of its image',
    'class-order': "classes are not the file's categories in the file's order: labels are wrong",
    'unknown-image': 'the box belongs to an image that the file does not list',
    'unknown-class': 'the class is not among those of the data set',
    'duplicate-box': 'two boxes of one class are equal',
    'near-duplicate-box': 'two boxes of one class overlap with IoU 0.9 or more',
    'duplicate-id': 'the split lists an image twice',
    'duplicate-image': 'two images hold the same bytes',
    'shared-image': 'an image is in two splits that should have none in common',
}
"""Kinds of findings, in the order of the report."""

BROKEN = 'broken-annotation'
"""The kind of what a reader of a format cannot make sense of."""


Fault = tuple[str, str]
"""The kind of a finding and what exactly is wrong."""


class Box(NamedTuple):
    """One annotated box, as written, in the format's own convention."""

    name: str
    corners: tuple[float, float, float, float]  # x1, y1, x2, y2


class Finding(NamedTuple):
    """One mistake."""

    kind: str  # one of KINDS
    split: str  # where it was met first
    file: str  # image or annotation
    detail: str = ''  # what exactly


@dataclass
class Record:
    """One image of a split."""

    image: str  # path of the image
    annotation: str  # path of the file that describes it
    size: tuple[int, int] | None = None  # (width, height) that the annotation states, or None
    boxes: list[Box] | None = None  # None where there is no annotation
    ignored: int = 0  # how many others the config leaves out
    faults: list[Fault] = field(default_factory=list)  # what was wrong while reading


@dataclass
class Split:
    """A list of images and how its boxes are to be read."""

    name: str  # 'train', 'val', ...
    records: list[Record]
    classes: tuple[str, ...] | None = None  # names that boxes may have; None: any
    origin: int = 0  # lowest coordinate: 1 for VOC, 0 for the others
    source: str = ''  # file or folder that it comes from
    faults: list[Fault] = field(default_factory=list)  # what is wrong with it as a whole


@dataclass
class Report:
    """All findings of a data set."""

    splits: dict[str, int]  # name and number of images of each split
    boxes: int  # number of boxes looked at
    findings: list[Finding]  # what was wrong
    turned: int = 0  # images that EXIF turns or mirrors as they are loaded
    seconds: float = 0.0  # how long it took

    @property
    def counts(self) -> dict[str, int]:
        """Kind -> how often, in the order of :data:`KINDS`; absent kinds left out."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def without(self, kinds: Sequence[str]) -> 'Report':
        """The report without findings of some of :data:`KINDS`."""
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise UserError(f'there are no findings of kind {unknown}; kinds are {tuple(KINDS)}.')
        kept = [finding for finding in self.findings if finding.kind not in kinds]
        return replace(self, findings=kept)

    def to_dict(self) -> dict:
        """For JSON."""
        shown = dict(splits=self.splits, boxes=self.boxes, turned=self.turned, counts=self.counts)
        return {**shown, 'findings': [finding._asdict() for finding in self.findings]}
