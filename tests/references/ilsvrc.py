"""The matching of ILSVRC DET, one detection and one object at a time.

Source: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015, section
4.3: the set U of objects that are not matched yet, and thr(B) of each.
"""

from collections.abc import Sequence

from tests.references.voc import Detection, area_below, shared, size


def average_precision(
    truths: Sequence[Sequence[tuple[float, ...]]], detections: Sequence[Detection]
) -> float:
    """AP of one class.

    Args:
        truths: Of each image, its boxes (inclusive pixels).
        detections: Of all images.
    """
    unmatched = [list(boxes) for boxes in truths]
    wanted = sum(map(len, truths))
    hits = 0
    curve = []
    ranked = sorted(detections, key=lambda one: -one[1])
    for rank, (image, _, box) in enumerate(ranked, start=1):
        possible = [b for b in unmatched[image] if overlap(box, b) >= threshold(b)]
        if possible:
            unmatched[image].remove(max(possible, key=lambda b: overlap(box, b)))
            hits += 1
        curve.append((hits / wanted, hits / rank))
    return area_below(curve)


def threshold(box: Sequence[float]) -> float:
    """thr(B): the IoU of the object with a box ten pixels wider and higher, but 0.5 at most."""
    width, height = box[2] - box[0] + 1, box[3] - box[1] + 1
    return min(0.5, (width * height) / ((width + 10) * (height + 10)))


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union."""
    common = shared(first, second)
    return common / (size(first) + size(second) - common)
