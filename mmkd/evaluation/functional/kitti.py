"""Matching and average precision of the KITTI object benchmark, for boxes in the image.

Source: Geiger, Lenz and Urtasun, Are we ready for Autonomous Driving? The KITTI Vision Benchmark
Suite, CVPR 2012, and the rules that the benchmark's devkit states and applies. Boxes are xyxy
pixels, 0-based, with ``x2 - x1`` as the width; every comparison with an overlap is strict.

G annotated boxes and D detections of one image, T score thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...settings import check_choice
from .overlaps import overlaps

Array = NDArray[np.float64]

DONT_CARE = -1
"""Label of a region in which detections count neither as hit nor as miss."""

RECALL_STEPS = 41
"""Recalls 0, 1/40, ..., 1 at which the devkit samples precision."""

POINTS = (11, 40)
"""Rules of averaging over recall."""

MIN_OVERLAP = {'Car': 0.7, 'Pedestrian': 0.5, 'Cyclist': 0.5}
"""IoU that a detection of each class must exceed to be a hit."""


class Difficulty(NamedTuple):
    """Which annotated boxes count; the others of the class are ignored."""

    name: str  # 'easy', 'moderate' or 'hard'
    min_height: float  # boxes must be higher than this, in pixels; detections at least as high
    max_occlusion: int  # highest level: 0 fully visible, 1 partly occluded, 2 largely occluded
    max_truncation: float  # highest share of the object outside the image


DIFFICULTIES = (
    Difficulty('easy', 40, 0, 0.15),
    Difficulty('moderate', 25, 1, 0.30),
    Difficulty('hard', 25, 2, 0.50),
)


@dataclass(frozen=True)
class KITTIFrame:
    """Truth and detections of one image.

    ``labels`` are the classes of boxes; a neighbour (Van, Person_sitting) has that of the class
    beside which it stands, a region :data:`DONT_CARE`.
    """

    boxes: Array  # (G, 4), in the order of the file, which decides who is matched first
    labels: NDArray[np.int64]  # (G,)
    neighbour: NDArray[np.bool_]  # (G,) detections on it are neither hits nor misses
    truncation: Array  # (G,) share outside the image, in [0, 1]
    occlusion: NDArray[np.int64]  # (G,) level 0 to 3, 3 being unknown
    detections: Array  # (D, 4)
    scores: Array  # (D,)
    detected: NDArray[np.int64]  # (D,) class of each detection


class _Case(NamedTuple):
    """One frame as one class and difficulty see it; detections that cannot matter are gone."""

    overlaps: Array  # (G, D) IoU
    allowed: NDArray[np.bool_]  # (G, D) overlap high enough
    counted: NDArray[np.bool_]  # (G,) a truth that must be found; the others are ignored
    scores: Array  # (D,)
    small: NDArray[np.bool_]  # (D,) too low to count, whatever its class
    excused: NDArray[np.bool_]  # (D,) in a DontCare region, so no false positive


def kitti_precision(
    frames: Sequence[KITTIFrame], label: int, difficulty: Difficulty, min_overlap: float
) -> tuple[Array, int]:
    """Precision of one class at the devkit's recall steps, made monotone from the right.

    The devkit takes one score threshold for each step of recall and matches anew at each: truths
    in file order, each with the free detection of highest overlap. A step that no threshold stands
    for has precision 0, so that n < 41 objects, all found, fill n steps of 41 and no more.
    ``min_overlap`` is the IoU that a hit must exceed, and the share of a detection's own area that
    must lie in a DontCare region for it to be excused.

    Returns:
        (41,) precisions, and the number of boxes that count.
    """
    cases = [_case(frame, label, difficulty, min_overlap) for frame in frames]
    cases = [case for case in cases if case.counted.any() or len(case.scores)]
    num_objects = int(sum(case.counted.sum() for case in cases))
    hits = [score for case in cases for score in _scores_of_hits(case)]
    thresholds = recall_thresholds(hits, num_objects)
    true, false = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    for case in cases if len(thresholds) else ():
        found, wrong = _count(case, thresholds)
        true, false = true + found, false + wrong
    precision = np.zeros(RECALL_STEPS)
    precision[: len(thresholds)] = true / np.maximum(true + false, 1)
    return np.maximum.accumulate(precision[::-1])[::-1], num_objects


def kitti_average_precision(precision: Array, points: int) -> float:
    """Mean of precision, (41,) of :func:`kitti_precision`, over steps of recall.

    ``points`` are 11 for recalls 0, 0.1, ..., 1 (until 2019) or 40 for 1/40, ..., 1 (since then).
    """
    check_choice('points', points, POINTS)
    return float((precision[::4] if points == 11 else precision[1:]).mean())


def recall_thresholds(hits: Sequence[float], num_objects: int) -> Array:
    """Scores at which recall comes closest to each step of 1/40, from high to low.

    ``hits`` are the scores of detections that hit; ``num_objects`` is the divisor of recall.
    """
    ordered = sorted(hits, reverse=True)
    kept: list[float] = []
    recall = 0.0  # the step sought; summed up as the devkit does, as rounding decides ties
    for index, score in enumerate(ordered):
        here, following = (index + 1) / num_objects, (index + 2) / num_objects
        last = index == len(ordered) - 1
        if last or following - recall >= recall - here:
            kept.append(score)
            recall += 1 / (RECALL_STEPS - 1)
    return np.asarray(kept)


def _case(frame: KITTIFrame, label: int, difficulty: Difficulty, min_overlap: float) -> _Case:
    """Sorts one frame's boxes into those that count, are ignored, or do not matter."""
    height = frame.boxes[:, 3] - frame.boxes[:, 1]
    counted = (
        ~frame.neighbour
        & (frame.occlusion <= difficulty.max_occlusion)
        & (frame.truncation <= difficulty.max_truncation)
        & (height > difficulty.min_height)
    )
    of_class = frame.labels == label
    low = np.abs(frame.detections[:, 3] - frame.detections[:, 1]) < difficulty.min_height
    # The devkit asks for the height before the class: a low detection of any class may be matched,
    # and then excuses the truth that it lies on.
    usable = (frame.detected == label) | low
    detections = frame.detections[usable]
    common = overlaps(frame.boxes[of_class], detections)
    regions = frame.boxes[frame.labels == DONT_CARE]
    inside = overlaps(detections, regions, over_union=False)
    return _Case(
        overlaps=common,
        allowed=common > min_overlap,
        counted=counted[of_class],
        scores=frame.scores[usable],
        small=low[usable],
        excused=np.any(inside > min_overlap, axis=1),
    )


def _scores_of_hits(case: _Case) -> list[float]:
    """Scores of hits when each truth takes the free detection of highest score."""
    free = np.ones(len(case.scores), dtype=bool)
    hits = []
    for allowed, counted in zip(case.allowed, case.counted, strict=True):
        candidates = allowed & free
        if not candidates.any():
            continue
        best = int(np.where(candidates, case.scores, -np.inf).argmax())
        free[best] = False
        if counted and not case.small[best]:
            hits.append(float(case.scores[best]))
    return hits


def _count(case: _Case, thresholds: Array) -> tuple[Array, Array]:
    """Hits and false positives of one frame at each threshold, (T,) each."""
    free = case.scores >= thresholds[:, None]  # (T, D)
    true = np.zeros(len(thresholds))
    if not len(case.scores):
        return true, true
    for common, allowed, counted in zip(case.overlaps, case.allowed, case.counted, strict=True):
        candidates = free & allowed
        # The highest overlap wins, but a low detection only where there is no other.
        rank = np.where(candidates, np.where(case.small, 0.0, common), -1.0)
        best, found = rank.argmax(axis=1), candidates.any(axis=1)
        free[np.flatnonzero(found), best[found]] = False
        if counted:
            true += found & ~case.small[best]
    return true, (free & ~case.small & ~case.excused).sum(axis=1).astype(float)
