"""Matching of the detection challenge of ImageNet, ILSVRC DET.

Source: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015, section
4.3. Boxes are xyxy pixels, both border pixels counted: a box from 0 to 9 is 10 wide.

G annotated boxes and D detections of one image.
"""

import numpy as np
from numpy.typing import NDArray

from .overlaps import overlaps

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def tolerant_thresholds(boxes: Array, tolerance: float = 10.0, highest: float = 0.5) -> Array:
    """IoU from which a detection may take each box, (G, 4) -> (G,): thr(B) of the paper.

    ``min(highest, w h / ((w + tolerance) (h + tolerance)))``: a small object is found by a box that
    is ``tolerance`` pixels too wide and too high. With 10 pixels and 0.5 that concerns squares up
    to 24 pixels wide.
    """
    width, height = (boxes[:, 2:] - boxes[:, :2] + 1).T
    return np.minimum(highest, width * height / ((width + tolerance) * (height + tolerance)))


def match_objects(
    boxes: Array,
    labels: Labels,
    thresholds: Array,
    counted: NDArray[np.bool_],
    detections: Array,
    detected_labels: Labels,
    scores: Array,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Greedy matching, from the highest score on.

    A detection takes, of the *free* boxes of its class that it overlaps by their thresholds, the
    one that it overlaps most. (In VOC it belongs to the box that it overlaps most, free or not.) A
    box that does not count excuses any number of detections that take none.

    Boxes are (G, 4) with (G,) labels, IoU thresholds and whether they count, which all of the
    challenge do; detections (D, 4) with (D,) labels and scores, of equal ones the earlier first.

    Returns:
        (D,) whether each takes a box, and whether it is excused, in the order of ``detections``.
    """
    common = overlaps(detections, boxes, border=1)  # (D, G)
    enough = (common >= thresholds) & (detected_labels[:, None] == labels)
    taken = np.where(enough & counted, common, -1.0)
    hit = np.zeros(len(detections), dtype=bool)
    # One after the other, as each takes its box away; most detections have none to take.
    order = np.argsort(-scores, kind='stable')
    possible = taken.max(axis=1, initial=-1.0) >= 0
    for index in order[possible[order]]:
        best = taken[index].argmax()
        if taken[index, best] >= 0:
            hit[index] = True
            taken[:, best] = -1.0
    return hit, ~hit & (enough & ~counted).any(axis=1)
