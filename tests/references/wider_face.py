"""The WIDER FACE benchmark's evaluation in loops, one detection and one threshold at a time.

Written from the rules of its evaluation code. Boxes are xywh as in its files: a face that begins at
x and is w wide is measured from x to x + w with both ends counted.
"""

from collections.abc import Sequence

Box = Sequence[float]
Image = tuple[list[Box], list[tuple[Box, float]], list[int]]
"""Faces; detections with their scores; the places of the faces that count, from 1."""


def average_precision(images: Sequence[Image]) -> float:
    """AP of one difficulty."""
    scores = [score for _, detections, _ in images for _, score in detections]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
    faces_to_find = sum(len(keep) for _, _, keep in images)
    proposals, recalled = [0] * 1000, [0] * 1000
    for faces, detections, keep in images:
        if not faces or not detections:
            continue
        ranked = sorted(detections, key=lambda d: -d[1])
        counts = follow(faces, ranked, keep)
        for t in range(1, 1001):
            threshold = 1 - t / 1000
            last = None
            for index, (_, score) in enumerate(ranked):
                if (1.0 if high == low else (score - low) / (high - low)) >= threshold:
                    last = index
            if last is not None:
                proposals[t - 1] += counts[last][0]
                recalled[t - 1] += counts[last][1]
    precision = [r / p if p else 0.0 for r, p in zip(recalled, proposals, strict=True)]
    recall = [r / faces_to_find for r in recalled]
    return area(recall, precision)


def follow(faces: list[Box], ranked: list, keep: list[int]) -> list[tuple[int, int]]:
    """After each detection: how many count as proposals, and how many faces are found."""
    state = {index: 'free' for index in range(len(faces))}
    proposals = 0
    after = []
    for box, _ in ranked:
        overlaps = [iou(box, face) for face in faces]
        best = overlaps.index(max(overlaps))
        proposals += 1
        if overlaps[best] >= 0.5:
            if best + 1 not in keep:
                proposals -= 1
            else:
                state[best] = 'found'
        after.append((proposals, sum(value == 'found' for value in state.values())))
    return after


def iou(first: Box, second: Box) -> float:
    """Overlap with the ends counted."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0]) + 1
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = (first[2] + 1) * (first[3] + 1) + (second[2] + 1) * (second[3] + 1)
    return width * height / (areas - width * height)


def area(recall: list[float], precision: list[float]) -> float:
    """The devkit's area: at each change of recall, the best precision from there on."""
    recall, precision = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    total = 0.0
    for i in range(1, len(recall)):
        if recall[i] != recall[i - 1]:
            total += (recall[i] - recall[i - 1]) * max(precision[i:])
    return total
