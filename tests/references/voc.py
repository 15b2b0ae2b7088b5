"""The rule of the VOC devkit, one detection at a time."""

from collections.abc import Sequence

Detection = tuple[int, float, tuple[float, float, float, float]]
"""Image, score, box."""


def average_precision(
    truths: Sequence[Sequence[tuple[tuple, bool]]],
    detections: Sequence[Detection],
    eleven_points: bool,
    overlap: float = 0.5,
) -> float:
    """AP of one class.

    Args:
        truths: Of each image, its boxes (inclusive pixels) and whether each is difficult.
        detections: Of all images.
        eleven_points: The rule of 2007; otherwise that of 2010 and later.
        overlap: IoU from which a detection belongs to a box.
    """
    wanted = sum(not difficult for boxes in truths for _, difficult in boxes)
    taken = {(i, j): False for i, boxes in enumerate(truths) for j in range(len(boxes))}
    hits = errors = 0
    curve = []
    for image, _, box in sorted(detections, key=lambda one: -one[1]):
        best, at = -1.0, -1
        for index, (truth, _) in enumerate(truths[image]):
            common = shared(box, truth)
            if common <= 0:
                continue
            union = size(box) + size(truth) - common
            if common / union > best:
                best, at = common / union, index
        if best < overlap:
            errors += 1
        elif not truths[image][at][1]:  # on a difficult box it is neither
            if taken[image, at]:
                errors += 1
            else:
                taken[image, at] = True
                hits += 1
        if hits + errors:
            curve.append((hits / wanted, hits / (hits + errors)))
    if eleven_points:
        # Multiples of 0.1 as the devkit counts them up: the fourth is a little above 3 / 10.
        steps = [tenth * 0.1 for tenth in range(11)]
        return sum(max((p for r, p in curve if r >= step), default=0.0) for step in steps) / 11
    return area_below(curve)


def area_below(curve: Sequence[tuple[float, float]]) -> float:
    """Area under (recall, precision) pairs, each precision the best at its recall or beyond."""
    area = reached = 0.0
    for index, (recall, _) in enumerate(curve):
        if recall > reached:
            area += (recall - reached) * max(p for _, p in curve[index:])
            reached = recall
    return area


def shared(first: Sequence[float], second: Sequence[float]) -> float:
    """Pixels that two inclusive boxes share."""
    width = min(first[2], second[2]) - max(first[0], second[0]) + 1
    height = min(first[3], second[3]) - max(first[1], second[1]) + 1
    return width * height if width > 0 and height > 0 else 0.0


def size(box: Sequence[float]) -> float:
    """Pixels of an inclusive box."""
    return (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
