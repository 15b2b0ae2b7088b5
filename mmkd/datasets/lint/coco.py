"""A COCO file as the linter sees it: entries that cannot be read are findings, not errors."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeGuard

from ...utils.errors import UserError
from ...utils.types import Entries
from ..findings import Findings
from ..reading import LIMIT, read_json
from .records import BROKEN, Box, Fault, Record, Split

Id = int | float | str

_LISTS = ('images', 'annotations', 'categories')


def read_coco(
    ann_file: str, images: str, *, name: str, classes: Sequence[str] | None = None
) -> Split:
    """A COCO file; boxes xywh become corners.

    What pycocotools and MMDetection's ``CocoDataset`` read of an entry must be there and of its
    type, or the entry is a finding. A file without annotations, as COCO's of the test images, has
    nothing to find in them.

    File names start from the folder ``images``; ``classes`` None allows those of the file's
    categories.

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
    orphans: Counter[Id] = Counter()
    first: dict[Id, str] = {}
    for place, one in _entries('annotations', content['annotations'], split):
        lacking, fault = _lacking(one, _ANNOTATION, place)
        if lacking:
            image = by_id.get(one['image_id']) if 'image_id' not in lacking else None
            (image or split).faults.append(fault)
            continue
        _note_id(first, one, place, split)
        if one['image_id'] not in by_id:
            orphans[one['image_id']] += 1
        elif (image := by_id[one['image_id']]) is not None and image.boxes is not None:
            image.boxes.append(_box(one, names))
    for image_id, count in orphans.items():
        detail = f'{count} boxes of image id {image_id!r}, which the file does not list'
        split.faults.append(('unknown-image', detail))
    return split


def check_coco_file(ann_file: str, images: str | None = None) -> tuple[str, ...]:
    """Refuses a COCO file that would stop a training, or mislead it; its categories' names.

    Up to ten entries that cannot be read, or images that the folder lacks, are listed; None in
    place of the folder looks for no image.
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


def _entries(key: str, entries: list, split: Split) -> Iterator[tuple[str, Entries]]:
    """The entries of a list that are objects, each with its name for messages."""
    for index, entry in enumerate(entries):
        place = f'{key}[{index}]'
        if isinstance(entry, dict):
            yield place + (f' (id {entry["id"]!r:.50})' if 'id' in entry else ''), entry
        else:
            split.faults.append((BROKEN, f'{place} is not an object but {entry!r:.50}'))


def _categories(entries: list, split: Split) -> Iterator[tuple[Id, str]]:
    """Id and name of each; one without a name is called by its id."""
    first: dict[Id, str] = {}
    named: dict[str, str] = {}
    for place, entry in _entries('categories', entries, split):
        lacking, fault = _lacking(entry, _CATEGORY, place)
        if lacking:
            split.faults.append(fault)
        if 'id' not in lacking:
            _note_id(first, entry, place, split)
            called = f'category {entry["id"]}' if 'name' in lacking else entry['name']
            if named.setdefault(called, place) != place:
                # CocoDataset gives each a label of its own.
                remedy = 'rename or remove the one without boxes'
                detail = f'{place} is called {called!r}, as {named[called]} is: {remedy}'
                split.faults.append(('class-order', detail))
            yield entry['id'], called


def _note_id(first: dict[Id, str], entry: Entries, place: str, split: Split) -> None:
    """An id stands once: pycocotools keeps the last entry for all, CocoDataset refuses the file."""
    if first.setdefault(entry['id'], place) != place:
        split.faults.append((BROKEN, f'{place} has the id of {first[entry["id"]]}'))


def _read_images(entries: list, folder: str, split: Split) -> dict[Id, Record | None]:
    """Adds the records to the split; None stands for an image whose file has no name."""
    by_id: dict[Id, Record | None] = {}
    for place, entry in _entries('images', entries, split):
        lacking, fault = _lacking(entry, _IMAGE, place)
        record = None
        if 'file_name' not in lacking:
            record = Record(os.path.join(folder, entry['file_name']), f'{split.source}#{place}')
            if 'id' not in lacking:  # else nothing says which boxes are its
                record.annotation, record.boxes = f'{split.source}#{entry["id"]}', []
            if not {'width', 'height'} & lacking:
                record.size = (entry['width'], entry['height'])
        if 'id' not in lacking:
            first = by_id.setdefault(entry['id'], record)
            if record is not None and first is not None and first.image != record.image:
                split.faults.append((BROKEN, f'{place} has the id of {first.image}'))
            record = first
        if lacking:
            (record or split).faults.append(fault)
        if record is not None:
            split.records.append(record)
    return by_id


def _box(entry: Entries, names: dict[Id, str]) -> Box:
    x, y, width, height = entry['bbox']
    category = names.get(entry['category_id'], f'category {entry["category_id"]}')
    return Box(category, (x, y, x + width, y + height))


def _lacking(entry: Entries, keys: Sequence[str], place: str) -> tuple[set[str], Fault]:
    """Keys of an entry that are absent or of another type, and what is wrong with them."""
    lacking = [key for key in keys if not _RULES[key][0](entry.get(key))]
    said = '; '.join(
        f'{key} is {entry[key]!r:.50}, not {_RULES[key][1]}' if key in entry else f'has no {key}'
        for key in lacking
    )
    return set(lacking), (BROKEN, f'{place} {said}')


def _is_number(value: object) -> TypeGuard[float]:
    """Whether a value of a JSON file is a number that a float can hold."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _is_box(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    return all(_is_number(one) and -LIMIT < one < LIMIT for one in value)


def _is_id(value: object) -> bool:
    whole = isinstance(value, (int, str)) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool)


_ID = (_is_id, 'a whole number or text')
_MARK = (lambda value: value in (None, 0, 1), '0 or 1')  # and True and False
_NAME = (lambda value: isinstance(value, str) and value != '', 'a text')
_LENGTH = (lambda value: _is_number(value) and 0 < value < LIMIT, 'a number of pixels')
_RULES: dict[str, tuple[Callable[[object], bool], str]] = dict(
    id=_ID,
    image_id=_ID,
    category_id=_ID,
    file_name=_NAME,
    name=_NAME,
    width=_LENGTH,
    height=_LENGTH,
    bbox=(_is_box, 'four numbers of pixels'),
    area=(_is_number, 'a number'),
    iscrowd=_MARK,
    ignore=_MARK,
)
_IMAGE = ('id', 'file_name', 'width', 'height')
_CATEGORY = ('id', 'name')
_ANNOTATION = ('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'ignore')
