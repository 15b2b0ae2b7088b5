"""Splits of VOC and KITTI as the linter sees them: read leniently, nothing left out."""

import math
import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from ..kitti_labels import KITTI_TYPES, parse_kitti_labels
from ..voc_checks import CORNERS
from .records import Box, Record, Split
from .text import read_text


def read_voc(
    root: str,
    split_file: str,
    *,
    name: str,
    classes: Sequence[str] | None = None,
    img_subdir: str = 'JPEGImages',
    ann_subdir: str = 'Annotations',
    img_suffix: str = '.jpg',
) -> Split:
    """One split of a folder in VOC layout; boxes are 1-based inclusive pixels.

    Args:
        root: Folder that holds images and annotations.
        split_file: File with an image id a line; columns after the first are not read.
        name: Of the split.
        classes: Allowed names, None for any.
        img_subdir: Folder of the images.
        ann_subdir: Folder of the annotations.
        img_suffix: Suffix of the images.

    Raises:
        FileNotFoundError: The split file does not exist.
    """
    records = []
    for image_id in _lines(split_file):
        image = os.path.join(root, img_subdir, image_id + img_suffix)
        records.append(_voc_record(image, os.path.join(root, ann_subdir, f'{image_id}.xml')))
    return Split(name, records, _names(classes), origin=1, source=split_file)


def _voc_record(image: str, annotation: str) -> Record:
    record = Record(image, annotation)
    if not os.path.isfile(annotation):
        record.faults.append(('missing-annotation', ''))
        return record
    try:
        root = ET.parse(annotation).getroot()
    except (ET.ParseError, LookupError, ValueError, OSError) as error:  # or an unknown encoding
        record.faults.append(('broken-annotation', str(error)))
        return record
    size = root.find('size')
    if size is not None:
        sides = [_number(size.findtext(side)) for side in ('width', 'height')]
        if all(map(math.isfinite, sides)):
            record.size = (int(sides[0]), int(sides[1]))
        else:
            record.faults.append(('broken-annotation', 'size holds no two numbers'))
    record.boxes = []
    for thing in root.findall('object'):
        name = thing.findtext('name', '')
        if not name:
            record.faults.append(('broken-annotation', 'an object has no name'))
            continue
        corners = [_number(thing.findtext(f'bndbox/{corner}')) for corner in CORNERS]
        if all(map(math.isfinite, corners)):
            record.boxes.append(Box(name, (corners[0], corners[1], corners[2], corners[3])))
        else:
            record.faults.append(('broken-annotation', f'{name!r} has no box of four numbers'))
    return record


def read_kitti(
    images: str,
    labels: str,
    frames: Sequence[str],
    *,
    name: str,
    source: str,
    img_suffix: str = '.png',
    with_labels: bool = True,
) -> Split:
    """Frames of KITTI; boxes are 0-based float pixels.

    Args:
        images: Folder of the images.
        labels: Folder of the label files.
        frames: Their names.
        name: Of the split.
        source: Where the frames are listed.
        img_suffix: Suffix of the images.
        with_labels: False for the test set, which has none.
    """
    records = []
    for frame in frames:
        record = Record(
            os.path.join(images, frame + img_suffix), os.path.join(labels, f'{frame}.txt')
        )
        records.append(record)
        if not with_labels:
            continue
        try:
            text = read_text(record.annotation)
            record.boxes = [Box(one.type, one.box) for one in parse_kitti_labels(text)]
        except FileNotFoundError:
            record.faults.append(('missing-annotation', ''))
        except ValueError as error:
            kind = 'unknown-class' if ' type ' in str(error) else 'broken-annotation'
            record.faults.append((kind, str(error)))
    return Split(name, records, KITTI_TYPES, source=source)


def _lines(split_file: str) -> list[str]:
    """First column of every line that is not blank."""
    if not os.path.isfile(split_file):
        raise FileNotFoundError(f'split file {split_file} does not exist.')
    lines = read_text(split_file).splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _number(text: str | None) -> float:
    """The number, NaN where there is none."""
    try:
        return float(text or '')
    except ValueError:
        return math.nan


def _names(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    return tuple(classes) if classes else None
