"""One annotation file of Pascal VOC, read once for training and for the linter."""

import xml.etree.ElementTree as ET
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..utils.errors import UserError
from .reading import read_number, read_whole

CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


class VOCObject(NamedTuple):
    """One object; fractions of its box are cut off, as MMDetection does."""

    name: str
    box: tuple[int, int, int, int]  # xmin, ymin, xmax, ymax: 1-based inclusive pixels
    difficult: bool


@dataclass
class VOCAnnotation:
    """What one file holds."""

    size: tuple[int, int] | None = None  # (width, height) that it states, or None
    objects: list[VOCObject] = field(default_factory=list)  # those that can be read
    ignored: int = 0  # how many were left out
    faults: list[str] = field(default_factory=list)  # what cannot be read, and why


def parse_voc(
    content: bytes, *, ignore: Container[str] = (), names: Mapping[str, str] | None = None
) -> VOCAnnotation:
    """Reads an annotation.

    ``content`` is in the encoding that it names; objects of the classes ``ignore`` are left out,
    whatever they hold; ``names`` gives a class its name where the file calls it otherwise.

    Raises:
        ValueError: It is not XML.
    """
    try:
        root = ET.fromstring(content)
    except (ET.ParseError, LookupError, ValueError) as error:  # or an encoding that is unknown
        raise UserError(f'not valid XML ({error})') from None
    annotation = VOCAnnotation()
    try:
        annotation.size = _size(root.find('size'))
    except ValueError as error:
        annotation.faults.append(str(error))
    for number, entry in enumerate(root.iterfind('object'), start=1):
        name = entry.findtext('name', '').strip()
        name = (names or {}).get(name, name)
        if name in ignore:
            annotation.ignored += 1
            continue
        try:
            annotation.objects.append(_object(entry, name, f'object {number}'))
        except ValueError as error:
            annotation.faults.append(str(error))
    return annotation


def add_texts(parent: ET.Element, **texts: object) -> None:
    """Writes elements: of a text, of others (a dict), or several of one name (a list)."""
    for tag, content in texts.items():
        for one in content if isinstance(content, list) else [content]:
            element = ET.SubElement(parent, tag)
            if isinstance(one, dict):
                add_texts(element, **one)
            else:
                element.text = str(one)


def _size(element: ET.Element | None) -> tuple[int, int] | None:
    """The image's size; one that is empty is absent."""
    sides = [element.findtext(side) for side in ('width', 'height')] if element is not None else []
    if not any(sides):
        return None
    width, height = (read_whole(text, 'size') for text in sides)
    if width < 0 or height < 0:
        raise UserError(f'size is {width}x{height}')
    return width, height


def _object(entry: ET.Element, name: str, place: str) -> VOCObject:
    if not name:
        raise UserError(f'{place} has no name')
    place = f'{place} {name!r}'
    x1, y1, x2, y2 = (
        int(read_number(entry.findtext(f'bndbox/{corner}'), f'{place}: {corner}'))
        for corner in CORNERS
    )
    difficult = entry.findtext('difficult', '').strip()
    marked = bool(difficult) and read_whole(difficult, f'{place}: difficult') != 0
    return VOCObject(name, (x1, y1, x2, y2), marked)
