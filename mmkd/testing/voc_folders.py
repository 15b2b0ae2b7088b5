"""Small folders in VOC layout, and where real ones are."""

import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

# A class name, then xmin, ymin, xmax, ymax as the file holds them: 1-based, inclusive.
VOCObject = tuple[str, float, float, float, float]


def write_voc_folder(
    folder: Path,
    images: Mapping[str, Sequence[VOCObject]],
    *,
    size: tuple[int, int] = (64, 48),
    difficult: Sequence[str] = (),
    split: str = 'train',
) -> Path:
    """Write a data set whose images are plain grey.

    Args:
        folder: Where.
        images: Image id -> its objects.
        size: (width, height) of every image, in pixels.
        difficult: Class names whose objects are marked so.
        split: Name of the split that lists all images.

    Returns:
        ``folder``.
    """
    for name in ('Annotations', 'ImageSets/Main', 'JPEGImages'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    width, height = size
    for image_id, objects in images.items():
        grey = np.full((height, width, 3), 128, np.uint8)
        cv2.imwrite(str(folder / f'JPEGImages/{image_id}.jpg'), grey)
        root = ET.Element('annotation')
        _add(ET.SubElement(root, 'size'), width=width, height=height, depth=3)
        for name, *box in objects:
            entry = ET.SubElement(root, 'object')
            _add(entry, name=name, difficult=int(name in difficult))
            corners = zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True)
            _add(ET.SubElement(entry, 'bndbox'), **dict(corners))
        ET.ElementTree(root).write(folder / f'Annotations/{image_id}.xml')
    (folder / f'ImageSets/Main/{split}.txt').write_text('\n'.join(images) + '\n')
    return folder


def shared_data(name: str) -> Path:
    """The real data set ``name``; the test is skipped where it is absent."""
    root = os.environ.get('MMKD_TEST_DATA') or Path(__file__).parents[2] / '../shared/data'
    folder = Path(root).resolve() / name
    if not folder.is_dir():
        pytest.skip(f'no data set {folder}: set MMKD_TEST_DATA to the folder that holds {name}')
    return folder


def _add(parent: ET.Element, **texts: object) -> None:
    for tag, text in texts.items():
        ET.SubElement(parent, tag).text = str(text)
