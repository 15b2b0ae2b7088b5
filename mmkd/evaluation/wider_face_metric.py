"""Average precision of the WIDER FACE benchmark."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from rich.table import Table

from mmkd.utils.types import Setting

from ..registry import METRICS
from ..settings import check_number
from ..utils.errors import UserError
from .base import ChecksClasses, detections_of, instances_of, log_table, warn
from .functional import area_under_curve, match_faces, wider_face_curve
from .wider_face_truth import DIFFICULTIES, read_wider_face_truth

FACE = 'face'


@METRICS.register_module()
class WIDERFaceMetric(ChecksClasses, BaseMetric):
    """AP of easy, medium and hard faces, as the benchmark's own evaluation gives it.

    Rules are that code's (:mod:`mmkd.evaluation.functional.wider_face`): IoU from 0.5 on with both
    border pixels counted, scores stretched over the whole set, 1000 thresholds, faces outside a
    difficulty's list ignored, area under the envelope. Which faces are easy, medium or hard is in
    no annotation file but only in the benchmark's ground truth, which ``ground_truth`` names;
    without it, the annotations of the data set are evaluated by the same rules as one difficulty,
    ``all``.

    Works with MMDetection's ``WIDERFaceDataset``. Without ``ground_truth``, ``PackDetInputs`` needs
    ``'instances'`` in ``meta_keys``.

    Logged under ``wider_face/``, in [0, 1]: ``AP_easy``, ``AP_medium``, ``AP_hard``, or ``AP_all``.
    A difficulty without a face is left out.

    Args:
        ground_truth: Folder of ``wider_face_val.mat``, ``wider_easy_val.mat``,
            ``wider_medium_val.mat`` and ``wider_hard_val.mat``.
        min_overlap: IoU from which on a detection is a hit, in (0, 1]; 0.5 in the benchmark.
        **kwargs: Arguments of MMEngine's ``BaseMetric`` (``prefix``, ``collect_device``).

    Raises:
        ValueError: ``min_overlap`` is out of range, or no class is called face.
        FileNotFoundError: A file of the ground truth is missing.
    """

    default_prefix = 'wider_face'

    def __init__(
        self,
        *,
        ground_truth: str | None = None,
        min_overlap: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_number('min_overlap', min_overlap, '(0, 1]')
        self.min_overlap, self.ground_truth = min_overlap, ground_truth
        self.truth = None if ground_truth is None else read_wider_face_truth(ground_truth)

    @classmethod
    def needed_meta_keys(cls, config: Setting) -> tuple[str, ...]:
        """What ``PackDetInputs`` must keep for a metric of this config."""
        return () if config.get('ground_truth') else ('instances',)

    def check_classes(self, classes: tuple[str, ...]) -> None:
        """One of them is the face."""
        if FACE not in classes:
            raise UserError(f'WIDERFaceMetric needs a class {FACE!r}, got classes={classes}.')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Match the faces of one batch; ``data_batch`` is not read.

        Raises:
            ValueError: A sample has no ``instances`` and there is no ``ground_truth``, or the
                ground truth lacks an image.
        """
        classes = tuple(self.dataset_meta['classes'])
        for sample in data_samples:
            name = Path(sample['img_path']).stem
            faces, counted = self._faces(name, sample)
            boxes, scores, labels = detections_of(sample)
            is_face = labels == classes.index(FACE)
            matches = match_faces(faces, boxes[is_face], scores[is_face], self.min_overlap)
            self.results.append((name, matches, counted))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The numbers of the whole split."""
        if self.truth is not None and len(results) < len(self.truth):
            warn(
                f'{len(results)} of the {len(self.truth)} images of {self.ground_truth} were '
                'evaluated: these are not the numbers of the benchmark.'
            )
        table = Table('difficulty', 'faces', 'AP')
        images = [matches for _, matches, _ in results]
        found = {}
        for level in DIFFICULTIES if self.truth is not None else ('all',):
            precision, recall, faces = wider_face_curve(images, [own[level] for *_, own in results])
            average = area_under_curve(precision, recall)
            if faces:
                found[f'AP_{level}'] = average
            table.add_row(level, str(faces), f'{average:.4f}' if faces else '-')
        log_table(table)
        return found

    def _faces(self, name: str, sample: dict) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Boxes of an image and, for each difficulty, which of them count."""
        if self.truth is not None:
            if name not in self.truth:
                raise UserError(
                    f'{name} is not among the images of ground_truth={self.ground_truth!r}: '
                    'evaluate the validation set of the benchmark, or leave ground_truth out.'
                )
            return self.truth[name].boxes, dict(self.truth[name].counted)
        instances = instances_of(sample, 'WIDERFaceMetric without ground_truth')
        boxes = np.array([instance['bbox'] for instance in instances], float).reshape(-1, 4)
        counted = np.array([not instance['ignore_flag'] for instance in instances], bool)
        return boxes, {'all': counted}
