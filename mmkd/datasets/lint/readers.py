"""Splits of VOC and KITTI as the linter sees them: read leniently, nothing left out."""

import os
from collections.abc import Container, Sequence

from ..kitti_labels import KITTI_TYPES, parse_kitti_labels
from ..reading import read_bytes, read_lines, read_text
from ..voc_annotation import parse_voc
from .records import BROKEN, Box, Record, Split


def read_voc(
    root: str,
    split_file: str,
    *,
    name: str,
    classes: Sequence[str] | None = None,
    ignore_classes: Sequence[str] = (),
    img_subdir: str = 'JPEGImages',
    ann_subdir: str = 'Annotations',
    img_suffix: str = '.jpg',
) -> Split:
    """One split of a folder in VOC layout; boxes are 1-based inclusive pixels.

    ``split_file`` has an image id a line, which may hold blanks; ``classes`` None allows any name,
    and objects of ``ignore_classes`` are not looked at.
    """
    records = []
    for image_id in read_lines(split_file):
        image = os.path.join(root, img_subdir, image_id + img_suffix)
        annotation = os.path.join(root, ann_subdir, f'{image_id}.xml')
        records.append(_voc_record(image, annotation, ignore_classes))
    return Split(name, records, tuple(classes) if classes else None, origin=1, source=split_file)


def _voc_record(image: str, annotation: str, ignore_classes: Container[str]) -> Record:
    record = Record(image, annotation)
    try:
        found = parse_voc(read_bytes(annotation), ignore=ignore_classes)
    except FileNotFoundError:
        record.faults.append(('missing-annotation', ''))
    except ValueError as error:
        record.faults.append((BROKEN, str(error)))
    else:
        record.size = found.size
        record.faults += [(BROKEN, fault) for fault in found.faults]
        record.boxes = [Box(one.name, one.box) for one in found.objects]
        record.ignored = found.ignored
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
    """Frames of KITTI, listed in ``source``; boxes are 0-based float pixels.

    ``images`` and ``labels`` are folders; the test set has no labels.
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
            kind = 'unknown-class' if ' type ' in str(error) else BROKEN
            record.faults.append((kind, str(error)))
    return Split(name, records, KITTI_TYPES, source=source)
