"""Average precision of the KITTI object benchmark."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from rich.table import Table

from mmkd.utils.types import Entries, Setting

from ..registry import METRICS
from ..settings import check_choice, check_number, nearest
from ..utils.errors import UserError
from .base import ChecksClasses, detections_of, instances_of, log_table
from .functional import (
    DIFFICULTIES,
    MIN_OVERLAP,
    KITTIFrame,
    kitti_average_precision,
    kitti_precision,
)
from .functional.kitti import POINTS, RECALL_STEPS

_NEEDED: dict[str, type] = dict(
    bbox=float, bbox_label=int, ignore_flag=bool, truncation=float, occlusion=int
)
"""Columns of a frame, in the order of its fields."""


@METRICS.register_module()
class KITTIMetric(ChecksClasses, BaseMetric):
    """AP of each class at easy, moderate and hard, over 11 and over 40 points, and their means.

    Rules are the devkit's (:mod:`mmkd.evaluation.functional.kitti`): limits of height, occlusion
    and truncation, neighbours and DontCare regions ignored, detections below the height limit
    neither hit nor miss, overlaps above 0.7 for Car and 0.5 for Pedestrian and Cyclist. It samples
    precision at one threshold for each of 41 steps of recall; a class with fewer than 41 boxes
    cannot reach an AP of 1 by it, which the log says. A class without a box at a difficulty is
    left out there and in the means.

    Reads the annotations that :class:`mmkd.datasets.KITTIDataset` keeps in the data sample's
    ``instances``, in pixels of the original image, as predictions are.

    Logged under ``kitti/``, in [0, 1]: ``mAP`` (over classes and difficulties, by ``points``),
    ``mAP_11``, ``mAP_40``, ``mAP_11_easy`` ... ``mAP_40_hard``, and ``AP_11_Car_easy`` and so on.

    Args:
        points: Rule of the headline ``mAP``: 11, as papers reported until 2019, or 40.
        min_overlap: IoU that a hit of each class must exceed; names not given are the benchmark's.
        **kwargs: Arguments of MMEngine's ``BaseMetric`` (``prefix``, ``collect_device``).

    Raises:
        ValueError: ``points`` or ``min_overlap`` has no such value; or, once the classes are known,
            ``min_overlap`` names none of them or leaves one without an overlap.
    """

    default_prefix = 'kitti'

    def __init__(
        self,
        *,
        points: int = 11,
        min_overlap: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice('points', points, POINTS)
        if min_overlap is not None and not isinstance(min_overlap, Mapping):
            raise UserError(f'min_overlap must be a dict of class and IoU, got {min_overlap!r}.')
        self.points, self._given = points, tuple(min_overlap or ())
        self.min_overlap = {**MIN_OVERLAP, **(min_overlap or {})}
        for name, overlap in self.min_overlap.items():
            check_number(f'min_overlap[{name!r}]', overlap, '[0, 1)')

    @classmethod
    def needed_meta_keys(cls, config: Setting) -> tuple[str, ...]:
        """What ``PackDetInputs`` must keep for a metric of this config."""
        return ('instances',)

    def check_classes(self, classes: tuple[str, ...]) -> None:
        """``min_overlap`` names classes, and each class has an overlap."""
        unknown = [name for name in self._given if name not in (*classes, *MIN_OVERLAP)]
        if unknown:
            near = nearest(unknown[0], classes)
            raise UserError(
                f'min_overlap has {unknown}, not among classes={classes}: correct the name or take '
                f'it out.{near}'
            )
        for name in classes:
            if name not in self.min_overlap:
                raise UserError(
                    f'class {name!r} has no overlap of the benchmark: set '
                    f'min_overlap=dict({name}=...).'
                )

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep the boxes of one batch; ``data_batch`` is not read.

        Raises:
            ValueError: A sample has no ``instances``, or they are not those of KITTIDataset.
        """
        for sample in data_samples:
            instances = instances_of(sample, 'KITTIMetric')
            self.results.append(_frame(instances, detections_of(sample)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The numbers of the whole split."""
        classes = tuple(self.dataset_meta['classes'])
        table = Table('class', 'difficulty', 'boxes', 'AP (11 points)', 'AP (40 points)')
        found: dict[tuple[str, str], dict[int, float]] = {}
        for label, name in enumerate(classes):
            for level in DIFFICULTIES:
                precision, boxes = kitti_precision(results, label, level, self.min_overlap[name])
                average = {points: kitti_average_precision(precision, points) for points in POINTS}
                if boxes:
                    found[name, level.name] = average
                shown = [f'{value:.4f}' if boxes else '-' for value in average.values()]
                few = ' *' * (0 < boxes < RECALL_STEPS)
                table.add_row(name, level.name, f'{boxes}{few}', *shown)
                if few:
                    table.caption = '* fewer than 41 boxes: the benchmark samples an AP below 1'
        log_table(table)
        return self._summary(found)

    def _summary(self, found: Mapping[tuple[str, str], Mapping[int, float]]) -> dict[str, float]:
        """Means over classes, difficulties and both, then every AP."""
        several: dict[str, list[float]] = {f'mAP_{points}': [] for points in POINTS}
        single = {}
        for points in POINTS:
            for (name, level), ap in found.items():
                single[f'AP_{points}_{name}_{level}'] = ap[points]
                for mean in (f'mAP_{points}', f'mAP_{points}_{level}'):
                    several.setdefault(mean, []).append(ap[points])
        means = {name: float(np.mean(values or [0.0])) for name, values in several.items()}
        return {'mAP': means[f'mAP_{self.points}'], **means, **single}


def _frame(instances: Sequence[Entries], found: Sequence[np.ndarray]) -> KITTIFrame:
    """One image as arrays."""
    for instance in instances:
        missing = [key for key in _NEEDED if key not in instance]
        if missing:
            raise UserError(
                f'KITTIMetric needs {missing} of every instance, as mmkd.KITTIDataset gives them; '
                f'got {sorted(instance)}.'
            )
    columns: dict[str, np.ndarray] = {
        key: np.asarray([instance[key] for instance in instances], dtype=kind)
        for key, kind in _NEEDED.items()
    }
    boxes = columns.pop('bbox').reshape(-1, 4)
    return KITTIFrame(boxes, *columns.values(), *found)
