"""The KITTI object benchmark's rules in loops: one image, one box, one threshold at a time.

Written from the devkit's text and rules: which boxes count, which are ignored, what a detection on
each of them is, and how precision is sampled. Objects and detections are plain dictionaries.
"""

from collections.abc import Sequence

RULES = {'easy': (40, 0, 0.15), 'moderate': (25, 1, 0.30), 'hard': (25, 2, 0.50)}
OVERLAP = {'Car': 0.7, 'Pedestrian': 0.5, 'Cyclist': 0.5}
NEIGHBOUR = {'Car': 'Van', 'Pedestrian': 'Person_sitting', 'Cyclist': None}

Image = tuple[list[dict], list[dict]]
"""Objects with ``type``, ``box``, ``truncation``, ``occlusion``; detections with ``type``, ``box``,
``score``."""


def average_precisions(images: Sequence[Image], name: str, level: str) -> tuple[float, float, int]:
    """AP over 11 and over 40 points in [0, 1], and the number of objects that count."""
    steps, objects = precision_at_steps(images, name, level)
    eleven = sum(steps[4 * tenth] for tenth in range(11)) / 11
    forty = sum(steps[1:]) / 40
    return eleven, forty, objects


def precision_at_steps(images: Sequence[Image], name: str, level: str) -> tuple[list[float], int]:
    """Precision at each of 41 steps, each the best of itself and all that follow."""
    objects = sum(role(truth, name, level) == 'counts' for truths, _ in images for truth in truths)
    scores: list[float] = []
    for truths, detections in images:
        scores += scores_of_hits(truths, detections, name, level)
    raw = [0.0] * 41
    for step, threshold in enumerate(thresholds(scores, objects)):
        hits = misses = 0
        for truths, detections in images:
            more_hits, more_misses = hits_and_errors(truths, detections, name, level, threshold)
            hits, misses = hits + more_hits, misses + more_misses
        raw[step] = hits / (hits + misses) if hits + misses else 0.0
    return [max(raw[step:]) for step in range(41)], objects


def role(truth: dict, name: str, level: str) -> str:
    """``'counts'``, ``'ignored'`` or ``'other'``: what an annotated box is to a class."""
    if truth['type'] == NEIGHBOUR[name] and NEIGHBOUR[name]:
        return 'ignored'
    if truth['type'] != name:
        return 'other'
    height, occlusion, truncation = RULES[level]
    if truth['box'][3] - truth['box'][1] <= height:
        return 'ignored'
    if truth['occlusion'] > occlusion or truth['truncation'] > truncation:
        return 'ignored'
    return 'counts'


def standing(detection: dict, name: str, level: str) -> str:
    """``'too small'``, ``'valid'`` or ``'other'``: what a detection is to a class."""
    if abs(detection['box'][3] - detection['box'][1]) < RULES[level][0]:
        return 'too small'
    return 'valid' if detection['type'] == name else 'other'


def shared(first: Sequence[float], second: Sequence[float]) -> float:
    """Area that two boxes have in common."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return width * height if width > 0 and height > 0 else 0.0


def area(box: Sequence[float]) -> float:
    """Width times height."""
    return (box[2] - box[0]) * (box[3] - box[1])


def iou(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union; 0 for boxes that do not meet."""
    common = shared(first, second)
    return common / (area(first) + area(second) - common) if common else 0.0


def scores_of_hits(truths: list, detections: list, name: str, level: str) -> list[float]:
    """Scores by which recall is divided: here each box takes its highest-scored detection."""
    used: set[int] = set()
    scores = []
    for truth in truths:
        what = role(truth, name, level)
        if what == 'other':
            continue
        chosen = None
        for index, detection in enumerate(detections):
            if index in used or standing(detection, name, level) == 'other':
                continue
            if iou(truth['box'], detection['box']) <= OVERLAP[name]:
                continue
            if chosen is None or detection['score'] > detections[chosen]['score']:
                chosen = index
        if chosen is None:
            continue
        used.add(chosen)
        if what == 'counts' and standing(detections[chosen], name, level) == 'valid':
            scores.append(detections[chosen]['score'])
    return scores


def thresholds(scores: list[float], objects: int) -> list[float]:
    """For each step of recall, 1/40 apart, the score whose recall is nearest to it."""
    chosen = []
    wanted = 0.0
    remaining = sorted(scores)
    reached = 0
    while remaining:
        score = remaining.pop()
        reached += 1
        if remaining:
            left, right = reached / objects, (reached + 1) / objects
            if right - wanted < wanted - left:
                continue  # the next score's recall is nearer
        chosen.append(score)
        wanted += 1.0 / 40.0
    return chosen


def hits_and_errors(
    truths: list, detections: list, name: str, level: str, threshold: float
) -> tuple[int, int]:
    """True and false positives of one image among detections from the threshold on."""
    used: set[int] = set()
    hits = 0
    live = [i for i, detection in enumerate(detections) if detection['score'] >= threshold]
    for truth in truths:
        what = role(truth, name, level)
        if what == 'other':
            continue
        valid: list[tuple[float, int]] = []
        small: list[tuple[float, int]] = []
        for index in live:
            where = standing(detections[index], name, level)
            overlap = iou(truth['box'], detections[index]['box'])
            if index in used or where == 'other' or overlap <= OVERLAP[name]:
                continue
            (valid if where == 'valid' else small).append((overlap, index))
        if valid:
            best = max(overlap for overlap, _ in valid)
            chosen = next(index for overlap, index in valid if overlap == best)
            hits += what == 'counts'
        elif small:
            chosen = small[0][1]
        else:
            continue
        used.add(chosen)
    errors = 0
    for index in live:
        detection = detections[index]
        if index in used or standing(detection, name, level) != 'valid':
            continue
        inside = [
            shared(detection['box'], truth['box']) / area(detection['box'])
            for truth in truths
            if truth['type'] == 'DontCare' and area(detection['box']) > 0
        ]
        errors += not any(part > OVERLAP[name] for part in inside)
    return hits, errors
