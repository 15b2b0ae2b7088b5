"""Small folders in the KITTI benchmark's layout."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

# type, truncation, occlusion, x1, y1, x2, y2
KITTIRow = tuple[str, float, int, float, float, float, float]


def write_kitti_folder(
    folder: Path,
    frames: Mapping[str, Sequence[KITTIRow]],
    *,
    size: tuple[int, int] = (124, 37),
    split: str = 'train',
) -> Path:
    """Writes a data set whose images are plain grey, and returns its folder.

    Objects are by frame, all of which ``split`` lists; ``size`` is (width, height).
    """
    for name in ('ImageSets', 'training/image_2', 'training/label_2'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    grey = np.full((size[1], size[0], 3), 128, np.uint8)
    for frame, rows in frames.items():
        cv2.imwrite(str(folder / f'training/image_2/{frame}.png'), grey)
        lines = [kitti_line(*row) for row in rows]
        (folder / f'training/label_2/{frame}.txt').write_text('\n'.join(lines) + '\n')
    (folder / f'ImageSets/{split}.txt').write_text('\n'.join(frames) + '\n')
    return folder


def kitti_line(kind: str, truncation: float, occlusion: int, *box: float) -> str:
    """One line of a label file; the columns of the 3D benchmark hold its "unknown"."""
    corners = ' '.join(f'{value:.2f}' for value in box)
    return f'{kind} {truncation:.2f} {occlusion} -10 {corners} -1 -1 -1 -1000 -1000 -1000 -10'
