"""Checks of the objects of one VOC annotation."""

from collections.abc import Sequence

from .findings import Findings
from .voc_annotation import VOCAnnotation, VOCObject


def check_objects(
    annotation: VOCAnnotation,
    *,
    path: str,
    size: tuple[int, int],
    classes: Sequence[str],
    bad_boxes: str,
    empty_images: str,
    findings: Findings,
) -> list[VOCObject]:
    """The objects to train on: bad ones left out or clipped where that was asked for.

    Args:
        annotation: What the file holds.
        path: The file, for messages.
        size: (width, height) of the image, in pixels.
        classes: Names that have a label.
        bad_boxes: ``'raise'``, ``'drop'`` or ``'clip'``.
        empty_images: ``'raise'`` or ``'keep'``.
        findings: Where problems and dropped boxes are noted.
    """
    for unread in annotation.faults:
        findings.problem(path, unread, 'correct it')
    listed = annotation.objects or annotation.ignored or annotation.faults
    if not listed and empty_images == 'raise':
        findings.problem(path, 'lists no object', "annotate it or set empty_images='keep'")
    kept = []
    for one in annotation.objects:
        fault = box_fault(one.box, size)
        if one.name not in classes:
            findings.problem(
                path,
                f'class {one.name!r} is not among classes={tuple(classes)}',
                f"add it there or set ignore_classes=('{one.name}',)",
            )
        elif fault is None:
            kept.append(one)
        elif bad_boxes == 'raise':
            findings.problem(
                path,
                f'{one.name!r} box (xmin, ymin, xmax, ymax) = {one.box} {fault}',
                "correct it or set bad_boxes='drop' or 'clip'",
            )
        else:
            findings.dropped[path] += 1
            cut = _clipped(one, size)
            if bad_boxes == 'clip' and box_fault(cut.box, size) is None:
                kept.append(cut)
    return kept


def _clipped(one: VOCObject, size: tuple[int, int]) -> VOCObject:
    x1, y1, x2, y2 = (
        min(max(value, 1), limit) for value, limit in zip(one.box, size * 2, strict=True)
    )
    return one._replace(box=(x1, y1, x2, y2))


def box_fault(box: Sequence[int], size: tuple[int, int]) -> str | None:
    """What is wrong with a box, or None.

    Args:
        box: (xmin, ymin, xmax, ymax), 1-based inclusive pixels.
        size: (width, height) of the image.

    A box one pixel wide has ``xmin == xmax`` here. MMDetection takes ``x2 - x1`` for the width when
    it trains, so that such a box would have no area: it counts as degenerate.
    """
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return 'is degenerate (xmax <= xmin or ymax <= ymin)'
    width, height = size
    if x1 < 1 or y1 < 1 or x2 > width or y2 > height:
        return f'is outside its image, x from 1 to {width} and y from 1 to {height}'
    return None
