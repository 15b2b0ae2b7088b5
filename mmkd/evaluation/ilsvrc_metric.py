"""Mean average precision as the detection challenge of ImageNet measures it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.evaluation.functional import average_precision, print_map_summary
from mmengine.logging import MMLogger

from ..registry import METRICS
from ..settings import check_number
from .functional import match_objects, tolerant_thresholds
from .voc_folder_metric import VOCFolderMetric


@METRICS.register_module()
class ILSVRCDETMetric(VOCFolderMetric):
    """:class:`VOCFolderMetric` with the challenge's matching and its mercy on small objects.

    A detection takes the free box of its class that it overlaps most, from an IoU of
    ``min(iou_thr, w h / ((w + tolerance) (h + tolerance)))`` on; the rule of VOC compares with
    ``iou_thr`` alone, and with boxes that are taken too. Boxes are 0-based inclusive, as
    :class:`mmkd.datasets.ILSVRCDETDataset` gives them. The devkit's list of doubtful pairs of image
    and class in the validation set is not read.

    Logged under ``ilsvrc_det/``, by the names of VOCFolderMetric. The challenge's number is ``mAP``
    by ``eval_mode='area'``.

    Source: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015,
    section 4.3, where ``iou_thr`` is 0.5 and ``tolerance`` 10.

    Args:
        tolerance: Pixels by which a box may be too wide and too high in all, >= 0; 0 for none.
        **kwargs: Arguments of VOCFolderMetric.
    """

    default_prefix = 'ilsvrc_det'

    def __init__(self, *, tolerance: float = 10.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_number('tolerance', tolerance, '>= 0')
        self.tolerance = tolerance

    def _curves(
        self, annotations: Sequence[dict], detections: Sequence[list], iou: float
    ) -> list[dict]:
        classes = tuple(self.dataset_meta['classes'])
        pairs = zip(annotations, detections, strict=True)
        matched = np.concatenate(
            [self._match(annotation, found, iou) for annotation, found in pairs]
        )
        matched = matched[np.argsort(-matched[:, 2], kind='stable')]
        truth = np.concatenate([annotation['labels'] for annotation in annotations])
        totals = np.bincount(truth, minlength=len(classes))
        per_class = []
        for label, total in enumerate(totals.tolist()):
            mine = matched[matched[:, 3] == label]
            hits, counted = np.cumsum(mine[:, 0]), np.cumsum(1 - mine[:, 1])
            found = dict(recall=hits / max(total, 1), precision=hits / np.maximum(counted, 1))
            ap = average_precision(found['recall'], found['precision'], self.eval_mode)
            per_class.append(dict(**found, num_gts=total, num_dets=len(mine), ap=ap))
        mean = float(np.mean([one['ap'] for one in per_class if one['num_gts']] or [0.0]))
        print_map_summary(mean, per_class, classes, logger=MMLogger.get_current_instance())
        return per_class

    def _match(self, annotation: dict, found: list[np.ndarray], iou: float) -> np.ndarray:
        """(D, 4) of one image: hit, excused, score, label."""
        boxes = np.concatenate([annotation['bboxes'], annotation['bboxes_ignore']])
        counted = np.arange(len(boxes)) < len(annotation['bboxes'])
        labels = np.concatenate([annotation['labels'], annotation['labels_ignore']])
        detections = np.concatenate(found).astype(np.float64)
        detected = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
        boxes = boxes.astype(np.float64)
        thresholds = tolerant_thresholds(boxes, self.tolerance, iou)
        found_boxes, scores = detections[:, :4], detections[:, 4]
        hit, excused = match_objects(
            boxes, labels, thresholds, counted, found_boxes, detected, scores
        )
        return np.column_stack([hit, excused, detections[:, 4], detected])
