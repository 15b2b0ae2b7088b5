"""A COCO file as the linter sees it: entries that cannot be read are findings, not errors."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...utils.errors import UserError
from ..findings import Findings
from ..reading import LIMIT, read_json
from .records import BROKEN, Box, Record, Split

_LISTS = ('images', 'annotations', 'categories')


def read_coco(
    ann_file: str, images: str, *, name: str, classes: Sequence[str] | None = None
) -> Split:
    """A COCO file; boxes xywh become corners.

    What pycocotools and MMDetection's ``CocoDataset`` read of an entry must be there and of its
    type, or the entry is a finding. A file without annotations, as COCO's of the test images, has
    nothing to find in them.

    Args:
        ann_file: The file.
        images: Folder that its file names start from.
        name: Of the split.
        classes: Allowed names; None for those of the file's categories.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, is not JSON, not COCO's, or lists no image.
    """
    split = _split(ann_file, images, name, classes)
    if not split.records and not split.faults:
        raise UserError(f'{ann_file} is not a COCO annotation file: it lists no image.')
    return split


def _split(
    ann_file: str, images: str, name: str = '', classes: Sequence[str] | None = None
) -> Split:
    content = _content(ann_file)
    split = Split(name, [], source=ann_file)
    names = dict(_categories(content['categories'], split))
    split.classes = tuple(classes or names.values())
    by_id = _read_images(content['images'], images, split)
    if 'annotations' not in content:
        for record in split.records:
            record.boxes = None
        return split
    orphans: Counter[Any] = Counter()
    first: dict[Any, str] = {}
    for place, one in _entries('annotations', content['annotations'], split):
        lacking = _lacking(one, _ANNOTATION)
        if lacking:
            image = by_id.get(one['image_id']) if 'image_id' not in lacking else None
            (image or split).faults.append((BROKEN, f'{place} {_lack(lacking, one)}'))
            continue
        _note_id(first, one, place, split)
        if one['image_id'] not in by_id:
            orphans[one['image_id']] += 1
        else:
            image = by_id[one['image_id']]
            if image is not None and image.boxes is not None:
                image.boxes.append(_box(one, names))
    for image_id, count in orphans.items():
        detail = f'{count} boxes of image id {image_id!r}, which the file does not list'
        split.faults.append(('unknown-image', detail))
    return split


def check_coco_file(ann_file: str, images: str | None = None) -> tuple[str, ...]:
    """Refuses a COCO file that would stop a training, or mislead it; its categories' names.

    Args:
        ann_file: The file.
        images: Folder that its file names start from; None looks for no image.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not COCO's, entries of it cannot be read, or images are missing; up
            to ten are listed.
    """
    split = _split(ann_file, images or '')
    findings = Findings(ann_file)
    for faults in (split.faults, *(record.faults for record in split.records)):
        for kind, detail in faults:
            if kind == BROKEN:
                findings.problem('entry', detail, 'correct it')
    for record in split.records if images is not None else ():
        if not os.path.isfile(record.image):
            findings.problem(record.image, 'no such file', 'add it or take its entry out')
    findings.raise_problems()
    return split.classes or ()


def category_names(ann_file: str) -> tuple[str, ...]:
    """Names of the categories of a metric's file, none where it is not of COCO's kind."""
    try:
        return tuple(entry['name'] for entry in read_json(ann_file)['categories'])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _content(ann_file: str) -> dict[str, list]:
    content = read_json(ann_file)
    if not isinstance(content, dict):
        what = f'it holds a {type(content).__name__}, not an object with {_LISTS}'
    elif not {'images', 'categories'} <= set(content):
        what = f'it has no {[key for key in _LISTS if key not in content]}'
    elif wrong := [key for key in _LISTS if not isinstance(content.get(key, []), list)]:
        what = f'{wrong[0]} is not a list but {content[wrong[0]]!r:.50}'
    else:
        return content
    raise UserError(f'{ann_file} is not a COCO annotation file: {what}.')


def _entries(key: str, entries: list, split: Split) -> Iterator[tuple[str, dict]]:
    """The entries of a list that are objects, each with its name for messages."""
    for index, entry in enumerate(entries):
        place = f'{key}[{index}]'
        if isinstance(entry, dict):
            yield place + (f' (id {entry["id"]!r:.50})' if 'id' in entry else ''), entry
        else:
            split.faults.append((BROKEN, f'{place} is not an object but {entry!r:.50}'))


def _categories(entries: list, split: Split) -> Iterator[tuple[Any, str]]:
    """Id and name of each; one without a name is called by its id."""
    first: dict[Any, str] = {}
    named: dict[str, str] = {}
    for place, entry in _entries('categories', entries, split):
        lacking = _lacking(entry, _CATEGORY)
        if lacking:
            split.faults.append((BROKEN, f'{place} {_lack(lacking, entry)}'))
        if 'id' not in lacking:
            _note_id(first, entry, place, split)
            called = f'category {entry["id"]}' if 'name' in lacking else entry['name']
            if named.setdefault(called, place) != place:
                # CocoDataset gives each a label of its own.
                remedy = 'rename or remove the one without boxes'
                detail = f'{place} is called {called!r}, as {named[called]} is: {remedy}'
                split.faults.append(('class-order', detail))
            yield entry['id'], called


def _note_id(first: dict[Any, str], entry: dict, place: str, split: Split) -> None:
    """An id stands once: pycocotools keeps the last entry for all, CocoDataset refuses the file."""
    if first.setdefault(entry['id'], place) != place:
        split.faults.append((BROKEN, f'{place} has the id of {first[entry["id"]]}'))


def _read_images(entries: list, folder: str, split: Split) -> dict[Any, Record | None]:
    """Adds the records to the split; None stands for an image whose file has no name."""
    by_id: dict[Any, Record | None] = {}
    for place, entry in _entries('images', entries, split):
        lacking = _lacking(entry, _IMAGE)
        record = None
        if 'file_name' not in lacking:
            record = Record(os.path.join(folder, entry['file_name']), f'{split.source}#{place}')
            if 'id' not in lacking:  # else nothing says which boxes are its
                record.annotation, record.boxes = f'{split.source}#{entry["id"]}', []
            if not {'width', 'height'} & set(lacking):
                record.size = (entry['width'], entry['height'])
        if 'id' not in lacking:
            first = by_id.setdefault(entry['id'], record)
            if record is not None and first is not None and first.image != record.image:
                split.faults.append((BROKEN, f'{place} has the id of {first.image}'))
            record = first
        if lacking:
            (record or split).faults.append((BROKEN, f'{place} {_lack(lacking, entry)}'))
        if record is not None:
            split.records.append(record)
    return by_id


def _box(entry: dict, names: dict[Any, str]) -> Box:
    x, y, width, height = entry['bbox']
    category = names.get(entry['category_id'], f'category {entry["category_id"]}')
    return Box(category, (x, y, x + width, y + height))


def _lacking(entry: dict, keys: Sequence[str]) -> list[str]:
    """Keys of an entry that are absent or of another type."""
    return [key for key in keys if not _RULES[key][0](entry.get(key))]


def _lack(lacking: list[str], entry: dict) -> str:
    """What is wrong with some keys of an entry."""
    return '; '.join(
        f'{key} is {entry[key]!r:.50}, not {_RULES[key][1]}' if key in entry else f'has no {key}'
        for key in lacking
    )


def _is_number(value: Any) -> bool:
    """Whether a value of a JSON file is a number that a float can hold."""
    try:
        return isinstance(value, (int, float)) and _no_bool(value) and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _is_length(value: Any) -> bool:
    return _is_number(value) and 0 < value < LIMIT


def _is_box(value: Any) -> bool:
    four = isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))
    return four and all(-LIMIT < number < LIMIT for number in value)


def _is_id(value: Any) -> bool:
    whole = isinstance(value, (int, str)) or (isinstance(value, float) and value.is_integer())
    return whole and _no_bool(value)


def _is_mark(value: Any) -> bool:
    return value is None or value in (0, 1)  # which True and False are, too


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _no_bool(value: Any) -> bool:
    return not isinstance(value, bool)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = dict(
    id=(_is_id, 'a whole number or text'),
    image_id=(_is_id, 'a whole number or text'),
    category_id=(_is_id, 'a whole number or text'),
    file_name=(_is_name, 'a text'),
    name=(_is_name, 'a text'),
    width=(_is_length, 'a number of pixels'),
    height=(_is_length, 'a number of pixels'),
    bbox=(_is_box, 'four numbers of pixels'),
    area=(_is_number, 'a number'),
    iscrowd=(_is_mark, '0 or 1'),
    ignore=(_is_mark, '0 or 1'),
)
_IMAGE = ('id', 'file_name', 'width', 'height')
_CATEGORY = ('id', 'name')
_ANNOTATION = ('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'ignore')
