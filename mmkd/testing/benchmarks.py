"""Files as the WIDER FACE and Caltech benchmarks distribute them, of a few objects."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat


def write_wider_face_truth(
    folder: Path,
    events: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    kept: Mapping[str, Mapping[str, Sequence[int]]],
) -> Path:
    """Writes the four ``.mat`` files, nested cells and all, and returns their folder.

    ``events``: event -> image name -> faces, xywh; ``kept``: ``'easy'``, ``'medium'``, ``'hard'``
    -> image name -> places of its faces, from 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = dict(
        event_list=_cells(list(events)),
        file_list=_cells([_cells(list(images)) for images in events.values()]),
    )
    boxes = [
        _cells([np.array(faces, float).reshape(-1, 4) for faces in images.values()])
        for images in events.values()
    ]
    savemat(folder / 'wider_face_val.mat', dict(face_bbx_list=_cells(boxes), **common))
    for level, lists in kept.items():
        rows = [
            _cells([np.array(lists[name], float).reshape(-1, 1) for name in images])
            for images in events.values()
        ]
        savemat(folder / f'wider_{level}_val.mat', dict(gt_list=_cells(rows), **common))
    return folder


def write_vbb(path: Path, labels: Sequence[str], frames: Sequence[Sequence[tuple]]) -> Path:
    """Writes the annotation of one video, and returns its path.

    Labels are by the object's number, from 1; a frame has (number of the object, xywh from 1,
    occluded, visible xywh).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lists = np.empty((1, len(frames)), dtype=object)
    kinds = [(name, object) for name in ('id', 'pos', 'occl', 'lock', 'posv')]
    for index, objects in enumerate(frames):
        lists[0, index] = np.zeros((0, 0))
        if objects:
            lists[0, index] = np.zeros((1, len(objects)), dtype=kinds)
        for place, (number, box, occluded, visible) in enumerate(objects):
            values = [number, np.array([box], float), occluded, 0, np.array([visible], float)]
            lists[0, index][0, place] = tuple(np.atleast_2d(value) for value in values)
    content = dict(
        nFrame=len(frames),
        objLists=lists,
        maxObj=len(labels),
        objInit=np.ones((1, len(labels))),
        objLbl=np.array([list(labels)], dtype=object),
    )
    with path.open('wb') as file:
        savemat(file, dict(A=content, vers=1.4))
    return path


def _cells(items: Sequence[Any]) -> np.ndarray:
    """A column of MATLAB cells."""
    column = np.empty((len(items), 1), dtype=object)
    for index, item in enumerate(items):
        column[index, 0] = item
    return column
