"""Matching and average precision of the WIDER FACE benchmark.

Source: Yang, Luo, Loy and Tang, WIDER FACE: A Face Detection Benchmark, CVPR 2016, and what the
benchmark's evaluation code does. Boxes are xyxy pixels; as in that code, a box from 0 to 9 is 10
wide.

G annotated faces and D detections of one image, T score thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .overlaps import overlaps

Array = NDArray[np.float64]

THRESHOLDS = 1000
"""Scores 0.999, 0.998, ..., 0 at which the benchmark samples the curve."""


@dataclass(frozen=True)
class FaceMatches:
    """What the detections of one image lie on, from the highest score to the lowest."""

    scores: Array  # (D,) descending
    face: NDArray[np.int64]  # (D,) index of the face that each overlaps most; the first of several
    hit: NDArray[np.bool_]  # (D,) whether it overlaps it enough
    faces: int  # G


def match_faces(
    faces: Array, detections: Array, scores: Array, min_overlap: float = 0.5
) -> FaceMatches:
    """Looks up the face under each detection; which faces count is not asked here.

    Faces are (G, 4), detections (D, 4) with (D,) scores, in any order; of equal scores the earlier
    goes first. From an IoU of ``min_overlap`` on a detection is a hit.
    """
    order = np.argsort(-scores, kind='stable')
    if not len(faces):
        nothing = np.zeros(len(scores), dtype=np.int64)
        return FaceMatches(scores[order], nothing, nothing > 0, 0)
    common = overlaps(detections[order], faces, border=1)  # (D, G)
    hit = common.max(axis=1) >= min_overlap
    return FaceMatches(scores[order], common.argmax(axis=1), hit, len(faces))


def wider_face_curve(
    images: Sequence[FaceMatches], counted: Sequence[NDArray[np.bool_]]
) -> tuple[Array, Array, int]:
    """Precision and recall at the benchmark's thresholds.

    Scores are stretched over [0, 1] by the lowest and the highest of all images. A detection on a
    face that does not count is neither right nor wrong; the second one on a face that counts is
    wrong. An image without any annotated face takes no part, so detections in it are not wrong.

    ``counted`` has of each image, (G,), the faces that count at one difficulty.

    Returns:
        (T,) precision, 0 where nothing is above the threshold, (T,) recall, and the number of
        faces that count.
    """
    thresholds = 1 - np.arange(1, THRESHOLDS + 1) / THRESHOLDS
    found, listed = np.zeros(THRESHOLDS), np.zeros(THRESHOLDS)
    scores = np.concatenate([np.zeros(0), *(image.scores for image in images)])
    lowest, span = (scores.min(), np.ptp(scores)) if scores.size else (0.0, 0.0)
    total = int(sum(keep.sum() for keep in counted))
    for image, keep in zip(images, counted, strict=True):
        if not image.faces or not len(image.scores):
            continue
        stretched = (image.scores - lowest) / span if span else np.ones_like(image.scores)
        above = np.searchsorted(-stretched, -thresholds, side='right')  # detections at each
        on_counted = image.hit & keep[image.face]
        proposed = np.cumsum(~image.hit | on_counted)
        recalled = np.cumsum(_first_on_face(image.face, on_counted))
        found += np.concatenate([[0], recalled])[above]
        listed += np.concatenate([[0], proposed])[above]
    return found / np.maximum(listed, 1), found / max(total, 1), total


def area_under_curve(precision: Array, recall: Array) -> float:
    """Average precision as VOC 2010's devkit takes it: the area under the monotone envelope.

    Of (T,) precision and (T,) recall, ascending.
    """
    recall = np.concatenate([[0.0], recall, [1.0]])
    precision = np.concatenate([[0.0], precision, [0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))


def _first_on_face(face: NDArray[np.int64], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which detections are the first usable ones on their face, (D,)."""
    first = np.zeros(len(face), dtype=bool)
    positions = np.flatnonzero(usable)
    first[positions[np.unique(face[positions], return_index=True)[1]]] = True
    return first
