"""Pascal VOC's average precision for any list of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdet.evaluation.functional import average_precision, eval_map
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ..registry import METRICS
from ..settings import check_choice, check_number
from .base import to_numpy

# The devkit's rule of VOC 2010 and later, and that of VOC 2007.
EVAL_MODES = ('area', '11points')


@METRICS.register_module(name=['VOCFolderMetric', 'VOCMetric'])
class VOCFolderMetric(BaseMetric):
    """mAP by both of the devkit's rules, and the AP of every class.

    MMDetection's ``VOCMetric`` computes one rule at a time, rounds, and logs no class; matching and
    AP are its own here (``eval_map``), so the numbers are equal. Boxes are 0-based inclusive, as
    MMDetection's ``VOCDataset`` and :class:`mmkd.datasets.VOCFolderDataset` give them: widths are
    ``x2 - x1 + 1``. Ignored boxes (``difficult``) count neither as hit nor as miss, and a detection
    belongs to the box that it overlaps most, difficult or not, as in the devkit. Its other name in
    configs is ``mmkd.VOCMetric``. A class without a box in the split is left
    out of the mean.

    Logged under ``pascal_voc/``: ``mAP`` (by ``eval_mode``), ``mAP_area``, ``mAP_11points``, and
    ``AP_{class}`` (by ``eval_mode``); with ``iou_thrs`` also ``mAP_mean``, the mean over them,
    which is less noisy on small sets.

    Args:
        iou_thr: IoU from which a detection is a hit, in (0, 1].
        iou_thrs: IoUs of ``mAP_mean``, e.g. COCO's 0.5, 0.55, ... 0.95; empty: it is left out.
        eval_mode: Rule of the headline ``mAP``: ``'area'`` under the interpolated precision-recall
            curve (VOC 2010 on) or ``'11points'`` of recall (VOC 2007).
        **kwargs: Arguments of MMEngine's ``BaseMetric`` (``prefix``, ``collect_device``).

    Raises:
        ValueError: ``iou_thr``, ``iou_thrs`` or ``eval_mode`` has no such value.
    """

    default_prefix = 'pascal_voc'

    def __init__(
        self,
        *,
        iou_thr: float = 0.5,
        iou_thrs: Sequence[float] = (),
        eval_mode: str = 'area',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_number('iou_thr', iou_thr, '(0, 1]')
        for iou in iou_thrs:
            check_number('iou_thrs', iou, '(0, 1]')
        check_choice('eval_mode', eval_mode, EVAL_MODES)
        self.iou_thr, self.iou_thrs, self.eval_mode = iou_thr, tuple(iou_thrs), eval_mode

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep the boxes of one batch; ``data_batch`` is not read."""
        for sample in data_samples:
            annotation = {
                key + suffix: to_numpy(sample[instances][key])
                for instances, suffix in (('gt_instances', ''), ('ignored_instances', '_ignore'))
                for key in ('bboxes', 'labels')
            }
            self.results.append((annotation, self._by_class(sample['pred_instances'])))

    def _by_class(self, predicted: dict) -> list[np.ndarray]:
        """Detections of one image, one (D, 5) array of x1, y1, x2, y2, score a class."""
        labels = to_numpy(predicted['labels'])
        scored = np.hstack([to_numpy(predicted['bboxes']), to_numpy(predicted['scores'])[:, None]])
        return [scored[labels == label] for label in range(len(self.dataset_meta['classes']))]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The numbers of the whole split, each in [0, 1]."""
        annotations, detections = zip(*results, strict=True)
        average = self._average(annotations, detections, self.iou_thr)
        means = {mode: _mean(ap) for mode, ap in average.items()}
        several = [self._average(annotations, detections, iou) for iou in self.iou_thrs]
        overall = [_mean(ap[self.eval_mode]) for ap in several]
        return {
            'mAP': means[self.eval_mode],
            **{f'mAP_{mode}': mean for mode, mean in means.items()},
            **({'mAP_mean': float(np.mean(overall))} if overall else {}),
            **{f'AP_{name}': ap for name, ap in average[self.eval_mode].items()},
        }

    def _average(
        self, annotations: Sequence[dict], detections: Sequence[list], iou: float
    ) -> dict[str, dict[str, float]]:
        """By rule, the AP of every class that has a box."""
        classes = tuple(self.dataset_meta['classes'])
        per_class = self._curves(annotations, detections, iou)
        return {
            mode: {
                name: float(average_precision(found['recall'], found['precision'], mode))
                for name, found in zip(classes, per_class, strict=True)
                if found['num_gts'] > 0
            }
            for mode in EVAL_MODES
        }

    def _curves(
        self, annotations: Sequence[dict], detections: Sequence[list], iou: float
    ) -> list[dict]:
        """``recall``, ``precision``, ``num_gts`` of every class, as ``eval_map`` returns them."""
        return eval_map(
            list(detections),
            list(annotations),
            iou_thr=iou,
            dataset=tuple(self.dataset_meta['classes']),
            logger=MMLogger.get_current_instance(),
            eval_mode=self.eval_mode,
            use_legacy_coordinate=True,
        )[1]


def _mean(ap: Mapping[str, float]) -> float:
    return float(np.mean(list(ap.values()) or [0.0]))


VOCMetric = VOCFolderMetric
"""The same metric under the name that configs of VOC itself use."""
