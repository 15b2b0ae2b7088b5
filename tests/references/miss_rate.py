"""The Caltech pedestrian benchmark's evaluation in loops: one image, one detection, one rate.

Written from the rules of its evaluation code. Boxes are xywh; objects are dictionaries with
``box``, ``label``, ``occluded`` and ``visible`` (the visible box), detections have ``box`` and
``score``.
"""

import math
from collections.abc import Sequence

RATES = [10 ** (-2 + 0.25 * step) for step in range(9)]

Image = tuple[list[dict], list[dict]]


def log_average_miss_rate(
    images: Sequence[Image],
    heights: tuple[float, float],
    shares: tuple[float, float],
    bounds: tuple[float, float, float, float] | None,
    ratio: float | None,
) -> tuple[float, int]:
    """The mean and the number of persons that count."""
    judged: list[tuple[float, bool]] = []
    persons = 0
    for objects, detections in images:
        marked = [(o, counts(o, heights, shares, bounds)) for o in objects]
        persons += sum(yes for _, yes in marked)
        truths = [(stretched(o['box'], ratio) if yes else o['box'], yes) for o, yes in marked]
        seen = [
            (stretched(d['box'], ratio), d['score'])
            for d in detections
            if heights[0] / 1.25 <= d['box'][3] < heights[1] * 1.25
        ]
        judged += evaluate(truths, seen)
    judged.sort(key=lambda entry: -entry[0])
    total = 0.0
    for rate in RATES:
        hits = errors = best = 0
        for _, right in judged:
            hits, errors = hits + right, errors + (not right)
            if errors / len(images) <= rate:
                best = hits
        missed = 1 - best / persons if persons else 1.0
        total += math.log(max(missed, 1e-10))
    return math.exp(total / len(RATES)), persons


def counts(
    thing: dict,
    heights: tuple[float, float],
    shares: tuple[float, float],
    bounds: tuple[float, float, float, float] | None,
) -> bool:
    """Whether an object must be found; otherwise it is ignored."""
    x, y, w, h = thing['box']
    if thing['label'] != 'person' or not heights[0] <= h < heights[1]:
        return False
    share = math.inf
    if thing['occluded']:
        share = thing['visible'][2] * thing['visible'][3] / (w * h)
    if not shares[0] <= share <= shares[1]:
        return False
    if bounds is None:
        return True
    return x >= bounds[0] and y >= bounds[1] and x + w <= bounds[2] and y + h <= bounds[3]


def stretched(box: Sequence[float], ratio: float | None) -> tuple[float, ...]:
    """The box with the wanted ratio of width to height."""
    x, y, w, h = box
    if ratio is None:
        return x, y, w, h
    wanted = h * ratio
    return x - (wanted - w) / 2, y, wanted, h


def evaluate(truths: list, seen: list) -> list[tuple[float, bool]]:
    """Score and whether it is a hit, of every detection that is not ignored."""
    truths = sorted(truths, key=lambda t: not t[1])  # those that count first
    seen = sorted(seen, key=lambda d: -d[1])
    taken = [False] * len(truths)
    results = []
    for box, score in seen:
        best, chosen = 0.5, None
        for index, (truth, real) in enumerate(truths):
            if taken[index]:
                continue
            if chosen is not None and not real:
                break
            value = overlap(box, truth, real)
            if value >= best:
                best, chosen = value, index
        if chosen is None:
            results.append((score, False))
        elif truths[chosen][1]:
            taken[chosen] = True
            results.append((score, True))
    return results


def overlap(found: Sequence[float], truth: Sequence[float], real: bool) -> float:
    """Intersection over union; of an ignored truth, over the detection's area."""
    w = min(found[0] + found[2], truth[0] + truth[2]) - max(found[0], truth[0])
    h = min(found[1] + found[3], truth[1] + truth[3]) - max(found[1], truth[1])
    if w <= 0 or h <= 0:
        return 0.0
    own = found[2] * found[3]
    return w * h / (own + truth[2] * truth[3] - w * h if real else own)
