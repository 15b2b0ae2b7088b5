"""The WIDER FACE benchmark's own ground truth files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from ..utils.errors import UserError, UserFileNotFoundError
from .base import xyxy

DIFFICULTIES = ('easy', 'medium', 'hard')
_FACES = 'wider_face_val.mat'


@dataclass(frozen=True)
class FaceTruth:
    """One image's faces."""

    boxes: np.ndarray  # (G, 4) xyxy pixels of every face, in the order of the file
    counted: Mapping[str, np.ndarray]  # (G,) for each difficulty: the others are ignored


def read_wider_face_truth(folder: str | Path) -> dict[str, FaceTruth]:
    """Reads ``wider_face_val.mat`` and the lists of easy, medium and hard faces beside it.

    They are part of the benchmark's evaluation code (``eval_tools/ground_truth``). Hard includes
    medium, and medium easy.

    Returns:
        Truth by the image's file name without suffix.

    Raises:
        FileNotFoundError, ValueError: One is missing, or names a face that its image lacks.
    """
    folder = Path(folder)
    names = [_FACES, *(f'wider_{level}_val.mat' for level in DIFFICULTIES)]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UserFileNotFoundError(
            f'ground_truth={str(folder)!r} lacks {missing}: unpack eval_tools/ground_truth of the '
            "benchmark's evaluation code there."
        )
    content = loadmat(folder / _FACES)
    lists = {level: loadmat(folder / f'wider_{level}_val.mat')['gt_list'] for level in DIFFICULTIES}
    truth = {}
    for event, files in enumerate(content['file_list'][:, 0]):
        for index, file in enumerate(files[:, 0]):
            boxes = xyxy(content['face_bbx_list'][event, 0][index, 0])
            kept = {level: lists[level][event, 0][index, 0] for level in DIFFICULTIES}
            name = str(file[0])
            flags = {level: _flags(rows, boxes, name) for level, rows in kept.items()}
            truth[name] = FaceTruth(boxes, flags)
    return truth


def _flags(rows: np.ndarray, boxes: np.ndarray, name: str) -> np.ndarray:
    """Row numbers from 1 -> (G,) bool."""
    places = np.asarray(rows, dtype=np.int64).reshape(-1) - 1
    flags = np.zeros(len(boxes), dtype=bool)
    if len(places) and not (0 <= places.min() and places.max() < len(boxes)):
        raise UserError(f'{name}: a list names face {places.max() + 1} of {len(boxes)}.')
    flags[places] = True
    return flags
