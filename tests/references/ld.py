"""LD by plain loops, from the paper and the official constants."""

import math
from collections.abc import Sequence


def softmax(logits: Sequence[float], temperature: float) -> list[float]:
    """exp(z / T) over their sum."""
    powers = [math.exp(z / temperature) for z in logits]
    return [power / sum(powers) for power in powers]


def edge(student: Sequence[float], teacher: Sequence[float], temperature: float) -> float:
    """KL of one edge, mean over bins, times T^2."""
    s, t = softmax(student, temperature), softmax(teacher, temperature)
    total = sum(b * math.log(b / a) for a, b in zip(s, t, strict=True))
    return temperature**2 * total / len(s)


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Of two xyxy boxes."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return width * height / (areas - width * height)


def diou(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU less the squared distance of the centres over the squared diagonal around both."""
    centres = [((x[0] + x[2]) / 2, (x[1] + x[3]) / 2) for x in (a, b)]
    gap = sum((p - q) ** 2 for p, q in zip(*centres, strict=True))
    around = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    return iou(a, b) - gap / around


def region(
    levels: Sequence[Sequence[Sequence[float]]], boxes: Sequence[Sequence[float]], share: float
) -> list[bool]:
    """Of each anchor, level by level."""
    found = [False] * sum(map(len, levels))
    for box in boxes:
        centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        values = []
        for level in levels:
            near = sorted(
                level,
                key=lambda a: (
                    ((a[0] + a[2]) / 2 - centre[0]) ** 2 + ((a[1] + a[3]) / 2 - centre[1]) ** 2
                ),
            )
            values += [iou(anchor, box) for anchor in near[:9]]
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
        for place, anchor in enumerate(anchor for level in levels for anchor in level):
            found[place] |= share * (mean + deviation) <= diou(anchor, box) < mean + deviation
    return found
