"""Splits of VOC, COCO and KITTI as the linter sees them: read leniently, nothing left out."""

import json
import math
import os
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..kitti_labels import KITTI_TYPES, parse_kitti_labels
from ..voc_checks import CORNERS
from .records import Box, Record, Split


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
    except ET.ParseError as error:
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
            text = Path(record.annotation).read_text(encoding='utf-8')
            record.boxes = [Box(one.type, one.box) for one in parse_kitti_labels(text)]
        except FileNotFoundError:
            record.faults.append(('missing-annotation', ''))
        except ValueError as error:
            kind = 'unknown-class' if ' type ' in str(error) else 'broken-annotation'
            record.faults.append((kind, str(error)))
    return Split(name, records, KITTI_TYPES, source=source)


def read_coco(
    ann_file: str, images: str, *, name: str, classes: Sequence[str] | None = None
) -> Split:
    """A COCO file; boxes xywh become corners.

    Args:
        ann_file: The file.
        images: Folder that its file names start from.
        name: Of the split.
        classes: Allowed names; None for those of the file's categories.

    Raises:
        ValueError: The file is no JSON, or not COCO's.
    """
    content = _coco_content(ann_file)
    names = {category['id']: category['name'] for category in content['categories']}
    records: dict[Any, Record] = {}
    listed: list[Record] = []
    for image in content['images']:
        record = Record(os.path.join(images, image['file_name']), ann_file, boxes=[])
        record.annotation = f'{ann_file}#{image["id"]}'
        record.size = (image['width'], image['height']) if 'width' in image else None
        listed.append(records.setdefault(image['id'], record))
    orphans: dict[Any, int] = defaultdict(int)
    for one in content['annotations']:
        if one.get('image_id') not in records:
            orphans[one.get('image_id')] += 1
            continue
        record = records[one['image_id']]
        box = one.get('bbox')
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            detail = f'annotation {one.get("id")} has no bbox of four numbers'
            record.faults.append(('broken-annotation', detail))
            continue
        category = names.get(one.get('category_id'), f'category {one.get("category_id")}')
        assert record.boxes is not None
        record.boxes.append(
            Box(category, (box[0], box[1], box[0] + box[2], box[1] + box[3]))
        )
    for image_id, count in orphans.items():
        detail = f'{count} boxes of image id {image_id!r}, which the file does not list'
        listed[0].faults.append(('broken-annotation', detail))
    return Split(name, listed, _names(classes) or tuple(names.values()), source=ann_file)


def _coco_content(ann_file: str) -> dict:
    try:
        content = json.loads(Path(ann_file).read_text(encoding='utf-8'))
    except ValueError as error:  # not decoded, or not JSON
        raise ValueError(f'{ann_file} is no JSON: {error}.') from None
    missing = {'images', 'annotations', 'categories'} - set(
        content if isinstance(content, dict) else ()
    )
    if missing or not content['images']:
        what = f'it has no {sorted(missing)}' if missing else 'it lists no image'
        raise ValueError(f'{ann_file} is no COCO annotation file: {what}.')
    return content


def _lines(split_file: str) -> list[str]:
    """First column of every line that is not blank."""
    if not os.path.isfile(split_file):
        raise FileNotFoundError(f'split file {split_file} does not exist.')
    lines = Path(split_file).read_text(encoding='utf-8').splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _number(text: str | None) -> float:
    """The number, NaN where there is none."""
    try:
        return float(text or '')
    except ValueError:
        return math.nan


def _is_number(value: Any) -> bool:
    """Whether a value of a JSON file is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def _names(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    return tuple(classes) if classes else None
