"""Checks of one VOC annotation, and the collected findings of a whole split."""

import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence

SHOWN = 10
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


class Findings:
    """What a split's files got wrong, and which boxes were dropped or cut on the user's word.

    Args:
        split: Split file, named in the messages.
    """

    def __init__(self, split: str) -> None:
        self.split = split
        self.problems: list[str] = []
        self.dropped: Counter[str] = Counter()

    def problem(self, path: str, what: str, remedy: str) -> None:
        """Note one mistake in the file ``path``."""
        self.problems.append(f'{path}: {what}; {remedy}.')

    def raise_problems(self) -> None:
        """Raise a ValueError that lists the first ten problems, if there is any."""
        if not self.problems:
            return
        lines = self.problems[:SHOWN]
        if len(self.problems) > SHOWN:
            lines.append(f'... and {len(self.problems) - SHOWN} more.')
        count = f'{len(self.problems)} problem' + 's' * (len(self.problems) > 1)
        raise ValueError(f'{self.split}: {count} in its files\n  ' + '\n  '.join(lines))

    def dropped_summary(self) -> str:
        """One sentence: how many boxes were dropped or cut, and in which files."""
        files = [f'{path} ({count})' for path, count in list(self.dropped.items())[:SHOWN]]
        if len(self.dropped) > SHOWN:
            files.append(f'and {len(self.dropped) - SHOWN} more files')
        total = sum(self.dropped.values())
        return f'{self.split}: {total} bad box(es) dropped or clipped: ' + ', '.join(files)


def check_objects(
    root: ET.Element,
    *,
    path: str,
    size: tuple[int, int],
    classes: Sequence[str],
    ignore_classes: Sequence[str],
    bad_boxes: str,
    empty_images: str,
    findings: Findings,
) -> None:
    """Check the objects of one annotation; ignored and dropped ones are removed from ``root``.

    Args:
        root: The file's ``annotation`` element, changed in place.
        path: The file, for messages.
        size: (width, height) of the image, in pixels.
        classes: Names that have a label.
        ignore_classes: Names to leave out.
        bad_boxes: ``'raise'``, ``'drop'`` or ``'clip'``.
        empty_images: ``'raise'`` or ``'keep'``.
        findings: Where problems and dropped boxes are noted.
    """
    objects = root.findall('object')
    if not objects and empty_images == 'raise':
        findings.problem(path, 'lists no object', "annotate it or set empty_images='keep'")
    for obj in objects:
        name = obj.findtext('name', '')
        if name in ignore_classes:
            root.remove(obj)
        elif name not in classes:
            findings.problem(
                path,
                f'class {name!r} is not among classes={tuple(classes)}',
                f"add it there or set ignore_classes=('{name}',)",
            )
        else:
            _check_box(root, obj, name, path, size, bad_boxes, findings)


def _check_box(
    root: ET.Element,
    obj: ET.Element,
    name: str,
    path: str,
    size: tuple[int, int],
    bad_boxes: str,
    findings: Findings,
) -> None:
    """Note, drop or clip one object's box if it is not inside the image with some area."""
    corners = [obj.find(f'bndbox/{corner}') for corner in CORNERS]
    if any(corner is None for corner in corners):
        findings.problem(path, f'{name!r} lacks one of bndbox/{CORNERS}', 'write the box anew')
        return
    box = [_number(corner) for corner in corners]
    if not all(map(math.isfinite, box)):
        text = [corner.text for corner in corners if corner is not None]
        findings.problem(path, f'{name!r} box {text} is not four numbers', 'write the box anew')
        return
    fault = box_fault(box, size)
    if fault is None:
        return
    if bad_boxes == 'raise':
        findings.problem(
            path,
            f'{name!r} box (xmin, ymin, xmax, ymax) = {tuple(map(int, box))} {fault}',
            "correct it or set bad_boxes='drop' or 'clip'",
        )
        return
    findings.dropped[path] += 1
    cut = [min(max(value, 1), limit) for value, limit in zip(box, size * 2, strict=True)]
    if bad_boxes == 'drop' or box_fault(cut, size) is not None:
        root.remove(obj)
        return
    for corner, value in zip(corners, cut, strict=True):
        if corner is not None:
            corner.text = str(int(value))


def box_fault(box: Sequence[float], size: tuple[int, int]) -> str | None:
    """What is wrong with a box, or None.

    Args:
        box: (xmin, ymin, xmax, ymax), 1-based inclusive pixels; fractions are cut off first, as
            MMDetection does.
        size: (width, height) of the image.

    A box one pixel wide has ``xmin == xmax`` here. MMDetection takes ``x2 - x1`` for the width when
    it trains, so that such a box would have no area: it counts as degenerate.
    """
    x1, y1, x2, y2 = map(int, box)
    if x2 <= x1 or y2 <= y1:
        return 'is degenerate (xmax <= xmin or ymax <= ymin)'
    width, height = size
    if x1 < 1 or y1 < 1 or x2 > width or y2 > height:
        return f'is outside its image, x from 1 to {width} and y from 1 to {height}'
    return None


def _number(element: ET.Element | None) -> float:
    """The element's number, NaN where there is none."""
    try:
        return float(element.text or '') if element is not None else math.nan
    except ValueError:
        return math.nan
