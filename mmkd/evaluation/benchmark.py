"""How long COCO's evaluation takes by each backend, on synthetic images."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mmkd.utils.types import Entries

from .coco_backends import CocoCurves, coco_curves

MAX_DETS = (1, 10, 100)


class Timing(NamedTuple):
    """One backend's evaluation."""

    seconds: float  # from dictionaries to curves
    cpu: float  # seconds of that in which the process computed; others share the machine
    curves: CocoCurves  # what it found


def synthetic_coco(
    images: int, detections: int, *, boxes: int = 7, classes: int = 80, seed: int = 0
) -> tuple[Entries, list[dict]]:
    """A truth and its detections: some near a box, some of the wrong class, the others anywhere.

    Images are 640x480; ``boxes`` and ``detections`` are numbers an image (COCO has 7.3 boxes). Both
    are as COCO has them.
    """
    rng = np.random.default_rng(seed)
    truth = _random_boxes(rng, images * boxes)
    labels = rng.integers(1, classes + 1, images * boxes)
    sides = truth[:, 2] * truth[:, 3]
    rows = zip(truth.tolist(), labels.tolist(), sides.tolist(), strict=True)
    annotations = [
        dict(id=i + 1, image_id=i // boxes, category_id=name, bbox=box, area=area, iscrowd=0)
        for i, (box, name, area) in enumerate(rows)
    ]
    found = []
    for image in range(images):
        near = rng.integers(0, boxes, detections // 2) + image * boxes
        moved = truth[near] * rng.uniform(0.85, 1.15, (len(near), 4))
        rows = np.vstack([moved, _random_boxes(rng, detections - len(near))]).tolist()
        names = rng.integers(1, classes + 1, detections)
        names[: len(near)] = np.where(rng.random(len(near)) < 0.8, labels[near], names[: len(near)])
        scores = rng.random(detections).tolist()
        for box, name, score in zip(rows, names.tolist(), scores, strict=True):
            found.append(dict(image_id=image, category_id=name, bbox=box, score=score))
    dataset = dict(
        images=[dict(id=index, width=640, height=480, file_name='') for index in range(images)],
        annotations=annotations,
        categories=[dict(id=index, name=str(index)) for index in range(1, classes + 1)],
    )
    return dataset, found


def time_backends(
    dataset: Entries,
    found: Sequence[dict],
    backends: Sequence[str],
    after: Callable[[str], None] = lambda name: None,
) -> dict[str, Timing]:
    """Evaluates the same detections by each backend, one after the other; ``after`` hears which."""
    timings = {}
    for backend in backends:
        start, cpu = time.perf_counter(), time.process_time()
        curves = coco_curves(
            dataset,
            found,
            backend=backend,
            cat_ids=[category['id'] for category in dataset['categories']],
            img_ids=[image['id'] for image in dataset['images']],
            iou_thrs=np.linspace(0.5, 0.95, 10),
            max_dets=MAX_DETS,
        )
        seconds = time.perf_counter() - start
        timings[backend] = Timing(seconds, time.process_time() - cpu, curves)
        after(backend)
    return timings


def largest_difference(first: CocoCurves, second: CocoCurves) -> float:
    """The largest difference in any precision or recall."""
    pairs = ((first.precision, second.precision), (first.recall, second.recall))
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def _random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) xywh inside 640x480, of all three of COCO's sizes."""
    sides = np.exp(rng.uniform(np.log(12), np.log(240), (count, 2)))
    corner = rng.uniform(0, 1, (count, 2)) * (np.array([640, 480]) - sides)
    return np.hstack([corner, sides])
