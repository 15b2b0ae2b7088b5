"""What distillation gained on the validation split, by class and by object size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.evaluation.functional import average_precision
from numpy.typing import NDArray
from rich.table import Table

from mmkd.engine.diagnose.check import Check, State, judge
from mmkd.engine.diagnose.sample import ValidationSample
from mmkd.evaluation.base import to_numpy
from mmkd.visualization import Boxes, match_detections

SIZES = {'small': (0.0, 32.0**2), 'medium': (32.0**2, 96.0**2), 'large': (96.0**2, np.inf)}
"""COCO's object sizes: areas in pixels of the original image, lower end included."""

TEACHER, ALONE, DISTILLED = 'teacher', 'alone', 'distilled'
Found = Mapping[str, Sequence[Boxes]]
"""Detections of each image by model: those of the above that there are."""

_SAMPLES = 500
_SURE = 0.3
_LEAD = 0.02
_MORE_SEEDS = 'one seed cannot tell: run tools/compare.py with --seeds 0 1 2 3 4 5'


@dataclass(frozen=True)
class Row:
    """Average precision at IoU 0.5 on all objects, on those of a class or on those of a size.

    Attributes:
        objects: How many there are.
        scores: AP by model; for all and for a size the mean over classes.
        gain: AP of the distilled student less that of the student alone, and the ends of the
            interval of 95 % of samples of images, drawn with replacement; None without the latter.
    """

    name: str
    objects: int
    scores: dict[str, float]
    gain: tuple[float, ...] | None

    @property
    def shown(self) -> str:
        """The gain in words."""
        return '' if self.gain is None else '{:+.3f} [{:+.3f}, {:+.3f}]'.format(*self.gain)


def within(areas: NDArray, size: str) -> NDArray[np.bool_]:
    """Which areas, square pixels of the original image, are of a size."""
    low, high = SIZES[size]
    return (areas >= low) & (areas < high)


@torch.no_grad()
def detect(
    name: str,
    detector: Any,
    owner: Any,
    sample: ValidationSample,
    progress: Callable[[str], None],
) -> list[Boxes]:
    """Detections on each image, in its own pixels.

    Args:
        name: Of the detector, for ``progress``.
        detector: A detector, or a teacher in its pair, in eval mode.
        owner: The detector whose data preprocessor makes the images.
        sample: The images.
        progress: Is told how many are done.
    """
    found: list[Boxes] = []
    for batch in sample.batches:
        data = owner.data_preprocessor(batch, False)
        for image in detector.predict(data['inputs'], data['data_samples'], rescale=True):
            one = image.pred_instances
            found.append(Boxes(*(to_numpy(one[key]) for key in ('bboxes', 'labels', 'scores'))))
        progress(f'detections, {name}: {len(found)} of {len(sample.infos)} images')
    return found


def measure_gains(found: Found, truths: Sequence[Boxes], classes: Sequence[str]) -> list[Row]:
    """All objects first, then each class, then each size; rows without objects are left out."""
    count = len(truths)
    draws = np.random.default_rng(0).multinomial(count, [1 / count] * count, _SAMPLES)
    weights = np.vstack([np.ones((1, count), int), draws])  # the split itself comes first

    def precisions(size: str | None) -> dict[str, NDArray]:
        return {
            name: _precisions(boxes, truths, len(classes), weights, size)
            for name, boxes in found.items()
        }

    labels, areas = (
        np.concatenate([part(truth)[~_ignored(truth)] for truth in truths])
        for part in (lambda truth: truth.labels, _areas)
    )
    whole = precisions(None)
    rows = [_row('all', len(labels), whole)]
    for k, name in enumerate(classes):
        one_class = {model: ap[:, [k]] for model, ap in whole.items()}
        rows.append(_row(name, int((labels == k).sum()), one_class))
    rows += [_row(size, int(within(areas, size).sum()), precisions(size)) for size in SIZES]
    return [row for row in rows if row.objects]


def _row(name: str, objects: int, precisions: Mapping[str, NDArray]) -> Row:
    """A row of the means over classes that have objects, of AP (W, K)."""
    means = {
        model: np.nan_to_num(ap).sum(1) / np.maximum(np.isfinite(ap).sum(1), 1)
        for model, ap in precisions.items()
    }
    gain = None
    if ALONE in means:
        gains = means[DISTILLED] - means[ALONE]
        gain = tuple(map(float, (gains[0], *np.quantile(gains[1:], (0.025, 0.975)))))
    return Row(name, objects, {model: float(ap[0]) for model, ap in means.items()}, gain)


def _ignored(truth: Boxes) -> NDArray[np.bool_]:
    none = np.zeros(len(truth.labels), bool)
    return none if truth.ignored is None else truth.ignored.astype(bool)


def _areas(boxes: Boxes) -> NDArray:
    return (boxes.bboxes[:, 2:] - boxes.bboxes[:, :2]).prod(axis=1)


def _precisions(
    found: Sequence[Boxes],
    truths: Sequence[Boxes],
    classes: int,
    weights: NDArray,
    size: str | None,
) -> NDArray:
    """(W, K) AP of each class where image i counts ``weights[:, i]`` times; NaN without objects."""
    parts = []
    objects = np.zeros((len(truths), classes), int)
    for index, (boxes, truth) in enumerate(zip(found, truths, strict=True)):
        ignored = _ignored(truth)
        if size is not None:
            ignored = ignored | ~within(_areas(truth), size)
        verdict, _ = match_detections(boxes, Boxes(truth.bboxes, truth.labels, ignored=ignored))
        if size is not None:  # what is false and of another size says nothing of this one
            verdict[(verdict == 0) & ~within(_areas(boxes), size)] = -1
        scores = np.asarray(boxes.scores)
        part = np.stack([np.full(len(verdict), index), boxes.labels, scores, verdict])
        parts.append(part[:, verdict >= 0])
        np.add.at(objects[index], truth.labels[~ignored], 1)
    image, label, score, hit = np.concatenate(parts, axis=1)
    order = np.argsort(-score, kind='stable')
    image, label, hit = image[order].astype(int), label[order], hit[order]
    totals = weights @ objects  # (W, K)
    result = np.full(totals.shape, np.nan)
    for k in range(classes):
        counted, some = weights[:, image[label == k]], totals[:, k] > 0  # (W, D), (W,)
        if some.any():
            right, seen = ((counted * of).cumsum(1)[some] for of in (hit[label == k], 1))
            recall = right / totals[some, k, None]
            result[some, k] = average_precision(recall, right / np.maximum(seen, 1), 'area')
    return result


def lost_most(found: Found, truths: Sequence[Boxes], num: int) -> list[int]:
    """The images on which the distilled student fell furthest behind, the worst first.

    By detections of score 0.3 or more: those that are right, less the false ones and the misses.
    """
    alone, distilled = (
        [_balance(boxes, truth) for boxes, truth in zip(found[name], truths, strict=True)]
        for name in (ALONE, DISTILLED)
    )
    losses = np.subtract(alone, distilled)
    return [int(index) for index in np.argsort(-losses, kind='stable')[:num] if losses[index] > 0]


def _balance(boxes: Boxes, truth: Boxes) -> int:
    assert boxes.scores is not None  # they are detections
    sure = boxes.scores >= _SURE
    kept = Boxes(boxes.bboxes[sure], boxes.labels[sure], boxes.scores[sure])
    verdict, missed = match_detections(kept, truth)
    return int((verdict == 1).sum() - (verdict == 0).sum() - missed.sum())


def gains_table(rows: Sequence[Row], images: int) -> Table:
    """A row each, with a column a model."""
    table = Table(title=f'AP at IoU 0.5 on {images} validation images, 95 % over images')
    table.add_column('objects')
    for column in ('number', *rows[0].scores, 'distilled - alone'):
        table.add_column(column, justify='right', no_wrap=column == 'distilled - alone')
    for row in rows:
        scores = [f'{score:.3f}' for score in row.scores.values()]
        table.add_row(row.name, str(row.objects), *scores, row.shown)
    return table


def check_gain(rows: Sequence[Row]) -> Check:
    """Whether the whole gained, beyond what other images would change; other seeds are not seen."""
    assert rows[0].gain is not None
    _, low, high = rows[0].gain
    if low > 0:
        text = f'{rows[0].shown}: beyond what other images would change'
        return Check('gain', State.INFO, text, _MORE_SEEDS)
    if high >= 0:
        text = f'{rows[0].shown} is within the noise: other images would change as much'
        return Check('gain', State.FINDING, text, _MORE_SEEDS)
    remedy = f'lower loss_weight, or stop the method early; {_MORE_SEEDS}'
    return Check('gain', State.FINDING, f'it lost: {rows[0].shown}', remedy)


def check_lead(rows: Sequence[Row]) -> Check:
    """Whether the teacher is better than the student alone: only so much can be gained."""
    alone = rows[0].scores[ALONE]
    lead = rows[0].scores.get(TEACHER, np.inf)  # of a teacher of other classes nothing is known
    text = f'teacher {lead:.3f}, student alone {alone:.3f}: there is next to nothing to gain'
    remedy = 'take a larger teacher, one trained longer, or a thinner student'
    return judge('lead of the teacher', lead > alone + _LEAD, text, remedy)


def check_parts(rows: Sequence[Row]) -> Check:
    """The class or size that lost most, where more than other images would change."""
    worst = min(rows[1:], key=lambda row: row.gain[2] if row.gain else 0)
    text, remedy = f'{worst.name}: {worst.shown}', 'lower the weight of terms that reach these'
    if TEACHER in worst.scores and worst.scores[TEACHER] <= worst.scores[ALONE]:
        text += '; the teacher is no better there'
        remedy = "a teacher that knows them, or agreement='weighted' for methods on heads"
    fine = worst.gain is None or worst.gain[2] >= 0
    return judge('what it lost', fine, text, remedy)
