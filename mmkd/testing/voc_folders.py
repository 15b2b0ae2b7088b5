"""Small folders in VOC layout, and where real ones are."""

import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmkd.datasets.voc_annotation import CORNERS, add_texts

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
    """Writes a data set whose images are plain grey, and returns its folder.

    Objects are by image id, all of which ``split`` lists, those of the classes ``difficult`` marked
    so; ``size`` is (width, height).
    """
    for name in ('Annotations', 'ImageSets/Main', 'JPEGImages'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    width, height = size
    for image_id, objects in images.items():
        grey = np.full((height, width, 3), 128, np.uint8)
        cv2.imwrite(str(folder / f'JPEGImages/{image_id}.jpg'), grey)
        entries = [
            dict(
                name=name,
                difficult=int(name in difficult),
                bndbox=dict(zip(CORNERS, box, strict=True)),
            )
            for name, *box in objects
        ]
        root = ET.Element('annotation')
        add_texts(root, size=dict(width=width, height=height, depth=3), object=entries)
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
