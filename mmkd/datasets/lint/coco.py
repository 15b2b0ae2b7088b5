"""A COCO file as the linter sees it: entries that cannot be read are findings, not errors."""

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from .records import Box, Record, Split
from .text import read_text

_LISTS = ('images', 'annotations', 'categories')
_BROKEN = 'broken-annotation'


def read_coco(
    ann_file: str, images: str, *, name: str, classes: Sequence[str] | None = None
) -> Split:
    """A COCO file; boxes xywh become corners.

    What pycocotools and MMDetection's ``CocoDataset`` read of an entry must be there and of its
    type, or the entry is a finding.

    Args:
        ann_file: The file.
        images: Folder that its file names start from.
        name: Of the split.
        classes: Allowed names; None for those of the file's categories.

    Raises:
        ValueError: The file cannot be read, is no JSON, not COCO's, or lists no image.
    """
    content = _content(ann_file)
    split = Split(name, [], source=ann_file)
    names = dict(_categories(content['categories'], split))
    split.classes = tuple(classes or names.values())
    by_id = _read_images(content['images'], images, split)
    orphans: Counter[Any] = Counter()
    first: dict[Any, str] = {}
    for place, one in _entries('annotations', content['annotations'], split):
        lacking = [key for key, fits in _ANNOTATION.items() if not fits(one.get(key))]
        if lacking:
            fault = (_BROKEN, f'{place} {_lack(lacking, one)}')
            record = by_id.get(one['image_id']) if 'image_id' not in lacking else None
            (record or split).faults.append(fault)
            continue
        if first.setdefault(one['id'], place) != place:
            # pycocotools keeps the last one for both, CocoDataset refuses the file.
            split.faults.append((_BROKEN, f'{place} has the id of {first[one["id"]]}'))
        if one['image_id'] not in by_id:
            orphans[one['image_id']] += 1
        else:
            record = by_id[one['image_id']]
            if record is not None and record.boxes is not None:
                record.boxes.append(_box(one, names))
    for image_id, count in orphans.items():
        detail = f'{count} boxes of image id {image_id!r}, which the file does not list'
        split.faults.append((_BROKEN, detail))
    return split


def _content(ann_file: str) -> dict[str, list]:
    text = read_text(ann_file)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{ann_file} is no JSON: {error}.') from None
    if not isinstance(content, dict):
        what = f'it holds a {type(content).__name__}, not an object with {_LISTS}'
    elif missing := [key for key in _LISTS if key not in content]:
        what = f'it has no {missing}'
    elif wrong := [key for key in _LISTS if not isinstance(content[key], list)]:
        what = f'{wrong[0]} is no list but {content[wrong[0]]!r:.50}'
    elif not content['images']:
        what = 'it lists no image'
    else:
        return content
    raise ValueError(f'{ann_file} is no COCO annotation file: {what}.')


def _entries(key: str, entries: list, split: Split) -> Iterator[tuple[str, dict]]:
    """The entries of a list that are objects, each with its name for messages."""
    for index, entry in enumerate(entries):
        place = f'{key}[{index}]'
        if isinstance(entry, dict):
            yield place + (f' (id {entry["id"]!r:.50})' if 'id' in entry else ''), entry
        else:
            split.faults.append((_BROKEN, f'{place} is no object but {entry!r:.50}'))


def _categories(entries: list, split: Split) -> Iterator[tuple[Any, str]]:
    """Id and name of each; one without a name is called by its id."""
    first: dict[str, str] = {}
    for place, entry in _entries('categories', entries, split):
        lacking = [key for key, fits in _CATEGORY.items() if not fits(entry.get(key))]
        if lacking:
            split.faults.append((_BROKEN, f'{place} {_lack(lacking, entry)}'))
        if 'id' not in lacking:
            called = f'category {entry["id"]}' if 'name' in lacking else entry['name']
            if first.setdefault(called, place) != place:
                # CocoDataset gives each a label of its own.
                remedy = 'rename or remove the one without boxes'
                detail = f'{place} is called {called!r}, as {first[called]} is: {remedy}'
                split.faults.append(('class-order', detail))
            yield entry['id'], called


def _read_images(entries: list, folder: str, split: Split) -> dict[Any, Record | None]:
    """Adds the records to the split; None stands for an image whose file has no name."""
    by_id: dict[Any, Record | None] = {}
    for place, entry in _entries('images', entries, split):
        lacking = [key for key, fits in _IMAGE.items() if not fits(entry.get(key))]
        record = None
        if 'file_name' not in lacking:
            record = Record(os.path.join(folder, entry['file_name']), f'{split.source}#{place}')
            if 'id' not in lacking:  # else nothing says which boxes are its
                record.annotation, record.boxes = f'{split.source}#{entry["id"]}', []
            if not {'width', 'height'} & set(lacking):
                record.size = (entry['width'], entry['height'])
        if 'id' not in lacking:
            record = by_id.setdefault(entry['id'], record)
        if lacking:
            (record or split).faults.append((_BROKEN, f'{place} {_lack(lacking, entry)}'))
        if record is not None:
            split.records.append(record)
    return by_id


def _box(entry: dict, names: dict[Any, str]) -> Box:
    x, y, width, height = entry['bbox']
    category = names.get(entry['category_id'], f'category {entry["category_id"]}')
    return Box(category, (x, y, x + width, y + height))


def _lack(lacking: list[str], entry: dict) -> str:
    """What is wrong with some keys of an entry."""
    return '; '.join(
        f'{key} is {entry[key]!r:.50}, not {_WANTED[key]}' if key in entry else f'has no {key}'
        for key in lacking
    )


def _is_number(value: Any) -> bool:
    """Whether a value of a JSON file is a number that a float can hold."""
    try:
        return isinstance(value, (int, float)) and _no_bool(value) and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and _no_bool(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


def _no_bool(value: Any) -> bool:
    return not isinstance(value, bool)


_IMAGE = dict(id=_is_id, file_name=_is_name, width=_is_number, height=_is_number)
_CATEGORY = dict(id=_is_id, name=_is_name)
_ANNOTATION = dict(id=_is_id, image_id=_is_id, category_id=_is_id, bbox=_is_box, area=_is_number)
_WANTED = dict(
    id='a number or text', file_name='a text', width='a number', height='a number', name='a text',
    image_id='a number or text', category_id='a number or text', area='a number',
    bbox='four numbers',
)  # fmt: skip
