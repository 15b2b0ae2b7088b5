"""Tiny data sets written to a folder in a moment."""

import json
from pathlib import Path

import cv2
import torch

from .batches import random_boxes


def write_tiny_coco(
    root: str | Path,
    num_images: int = 6,
    size: tuple[int, int] = (64, 96),
    num_classes: int = 3,
    seed: int = 0,
) -> Path:
    """Writes noise images with two boxes each in COCO's format, and returns their folder.

    ``annotations.json`` has categories ``class0``, ``class1``, ...; images, of ``size`` (height,
    width), lie in ``images/``. The same seed writes the same files.
    """
    root, (height, width) = Path(root), size
    generator = torch.Generator().manual_seed(seed)
    (root / 'images').mkdir(parents=True, exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    for index in range(num_images):
        pixels = torch.randint(256, (height, width, 3), generator=generator, dtype=torch.uint8)
        cv2.imwrite(str(root / 'images' / f'{index}.png'), pixels.numpy())
        images.append(dict(id=index, file_name=f'{index}.png', height=height, width=width))
        for x1, y1, x2, y2 in random_boxes(2, height, width, generator).tolist():
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index,
                    category_id=len(annotations) % num_classes,
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    iscrowd=0,
                )
            )
    categories = [dict(id=i, name=f'class{i}') for i in range(num_classes)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / 'annotations.json').write_text(json.dumps(content))
    return root
