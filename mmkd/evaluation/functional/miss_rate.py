"""Matching and log-average miss rate of the Caltech pedestrian benchmark.

Source: Dollár, Wojek, Schiele and Perona, Pedestrian Detection: An Evaluation of the State of the
Art, PAMI 2012, sections 3.1 to 3.3, and what the benchmark's evaluation code (version 3.2.1) does.
Boxes are xyxy pixels with ``x2 - x1`` as the width.

G annotated boxes and D detections of one image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .overlaps import overlaps

Array = NDArray[np.float64]

FPPI_POINTS = 10.0 ** np.arange(-2.0, 0.25, 0.25)
"""Nine false positives per image, evenly spaced in the logarithm from 0.01 to 1."""

_FLOOR = 1e-10
"""Least miss rate, as the logarithm of 0 is none."""


class Subset(NamedTuple):
    """Which pedestrians count; the others are ignored."""

    min_height: float  # lowest height, pixels, itself included
    max_height: float  # height from which on they no longer count
    min_visible: float  # least visible share; infinity asks for boxes not marked as occluded
    max_visible: float  # greatest visible share; infinity where boxes not marked as occluded count


SUBSETS = {
    'reasonable': Subset(50, np.inf, 0.65, np.inf),
    'all': Subset(20, np.inf, 0.2, np.inf),
    'large': Subset(100, np.inf, np.inf, np.inf),
    'near': Subset(80, np.inf, np.inf, np.inf),
    'medium': Subset(30, 80, np.inf, np.inf),
    'far': Subset(20, 30, np.inf, np.inf),
    'unoccluded': Subset(50, np.inf, np.inf, np.inf),
    'partial': Subset(50, np.inf, 0.65, 1),
    'heavy': Subset(50, np.inf, 0.2, 0.65),
}
"""The benchmark's own, whose names there are Reasonable, All, Scale=large ... Occ=heavy."""


@dataclass(frozen=True)
class PedestrianFrame:
    """Truth and detections of one image."""

    boxes: Array  # (G, 4)
    candidate: NDArray[np.bool_]  # (G,) False where no subset counts it: crowds, other persons
    visible: Array  # (G,) visible share in [0, 1], infinity for boxes not marked as occluded
    detections: Array  # (D, 4)
    scores: Array  # (D,)


class MissRateCurve(NamedTuple):
    """Result over all images."""

    log_average: float  # geometric mean of miss_rate
    miss_rate: Array  # (9,) at FPPI_POINTS
    pedestrians: int  # how many boxes count


def log_average_miss_rate(
    frames: Sequence[PedestrianFrame],
    subset: Subset,
    min_overlap: float = 0.5,
    bounds: Sequence[float] | None = None,
    aspect_ratio: float | None = None,
    expand: float = 1.25,
) -> MissRateCurve:
    """Miss rate at nine rates of false positives per image, and its geometric mean.

    Where a detector never reaches a rate of false positives, the miss rate of its last detection
    stands for it; before the first, everything is missed.

    Args:
        frames: All images.
        subset: Which boxes count.
        min_overlap: IoU of a match; of an ignored box, its share of the detection's area.
        bounds: xyxy; boxes not wholly inside are ignored. None: no bounds.
        aspect_ratio: Width over height that detections and boxes that count are brought to around
            their centre, their height kept. None: they stay as they are.
        expand: Detections lower than the lowest height over this, or as high as the highest times
            this, are left out.
    """
    scores, hits, pedestrians = [], [], 0
    for frame in frames:
        boxes, counted, detections, frame_scores = _prepared(
            frame, subset, bounds, aspect_ratio, expand
        )
        outcome = match_pedestrians(boxes, ~counted, detections, frame_scores, min_overlap)
        judged = outcome >= 0
        scores.append(frame_scores[judged])
        hits.append(outcome[judged])
        pedestrians += int(counted.sum())
    miss_rate = _miss_rates(
        np.concatenate([[], *scores]), np.concatenate([[], *hits]), len(frames), pedestrians
    )
    mean = float(np.exp(np.mean(np.log(np.maximum(miss_rate, _FLOOR)))))
    return MissRateCurve(mean, miss_rate, pedestrians)


def match_pedestrians(
    boxes: Array, ignored: NDArray[np.bool_], detections: Array, scores: Array, min_overlap: float
) -> NDArray[np.int64]:
    """What each detection is: 1 a hit, 0 a false positive, -1 ignored.

    From the highest score on, each takes the free box that counts and overlaps it most (the last
    of several); where there is none, it is ignored if it lies on an ignored box, which may take
    any number.

    Boxes are (G, 4) with (G,) flags of those to ignore, detections (D, 4) with (D,) scores; of
    equal ones the earlier goes first. The outcome is (D,), in the order of ``detections``.
    """
    outcome = np.zeros(len(scores), dtype=np.int64)
    counted = boxes[~ignored]
    common = overlaps(detections, counted)
    on_ignored = overlaps(detections, boxes[ignored], over_union=False)
    excused = np.any(on_ignored >= min_overlap, axis=1)
    free = np.ones(len(counted), dtype=bool)
    for index in np.argsort(-scores, kind='stable'):
        usable = np.where(free, common[index], -1.0)
        best = len(usable) - 1 - int(usable[::-1].argmax()) if len(usable) else -1
        if best >= 0 and usable[best] >= min_overlap:
            free[best] = False
            outcome[index] = 1
        elif excused[index]:
            outcome[index] = -1
    return outcome


def _prepared(
    frame: PedestrianFrame,
    subset: Subset,
    bounds: Sequence[float] | None,
    aspect_ratio: float | None,
    expand: float,
) -> tuple[Array, NDArray[np.bool_], Array, Array]:
    """Boxes, which of them count, detections and scores, as one subset sees them."""
    height = frame.boxes[:, 3] - frame.boxes[:, 1]
    counted = (
        frame.candidate
        & (height >= subset.min_height)
        & (height < subset.max_height)
        & (frame.visible >= subset.min_visible)
        & (frame.visible <= subset.max_visible)
    )
    if bounds is not None:
        inside = (frame.boxes[:, :2] >= bounds[:2]) & (frame.boxes[:, 2:] <= bounds[2:])
        counted &= inside.all(axis=1)
    tall = frame.detections[:, 3] - frame.detections[:, 1]
    kept = (tall >= subset.min_height / expand) & (tall < subset.max_height * expand)
    boxes, detections = frame.boxes, frame.detections[kept]
    if aspect_ratio is not None:
        boxes = np.where(counted[:, None], _with_ratio(boxes, aspect_ratio), boxes)
        detections = _with_ratio(detections, aspect_ratio)
    return boxes, counted, detections, frame.scores[kept]


def _with_ratio(boxes: Array, ratio: float) -> Array:
    """The same heights and centres, with a width of ``ratio`` times the height."""
    centre = (boxes[:, 0] + boxes[:, 2]) / 2
    half = (boxes[:, 3] - boxes[:, 1]) * ratio / 2
    return np.stack([centre - half, boxes[:, 1], centre + half, boxes[:, 3]], axis=1)


def _miss_rates(scores: Array, hits: Array, images: int, pedestrians: int) -> Array:
    """(9,) miss rates from the detections that are judged, pooled over the images."""
    order = np.argsort(-scores, kind='stable')
    hit = hits[order] == 1
    # Before the first detection there is neither a false positive nor a hit.
    false = np.concatenate([[-np.inf], np.cumsum(~hit) / max(images, 1)])
    found = np.concatenate([[0.0], np.cumsum(hit) / max(pedestrians, 1)])
    last = np.searchsorted(false, FPPI_POINTS, side='right') - 1
    return 1 - found[last]
