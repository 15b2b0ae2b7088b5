"""COCO's twelve numbers, unrounded, by a backend of choice."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from rich.table import Table

from ..registry import METRICS
from ..settings import check_flag, check_number
from ..utils.coco_classes import compare_classes
from ..utils.errors import UserError
from .base import ChecksClasses, log_table, warn, xyxy
from .coco_backends import AREAS, CocoCurves, check_backend, coco_curves, counted_truth
from .functional import proposal_recalls

METRIC_NAMES = ('bbox', 'proposal', 'proposal_fast')


@METRICS.register_module()
class CocoMetric(ChecksClasses, MMDetCocoMetric):
    """MMDetection's ``CocoMetric`` for boxes, with a fast backend and COCO's own twelve numbers.

    MMDetection's rounds to three digits, takes recall at 100, 300 and 1000 detections, leaves the
    log without numbers when nothing is detected, and names the classes of its table by their order
    in the file though pycocotools sorts them by id. Here ``bbox`` gives ``bbox_mAP``,
    ``bbox_mAP_50``, ``_75``, ``_s``, ``_m``, ``_l`` as there, and ``bbox_AR_1``, ``_10``, ``_100``,
    ``_s``, ``_m``, ``_l``; -1 where there is nothing to find. ``proposal`` (recall of boxes of
    whatever class) gives ``AR@100``, ``AR@300``, ``AR@1000`` and ``AR_s@1000``, ``_m``, ``_l``;
    ``proposal_fast`` the first three by MMDetection's own way of matching, whose code fails on
    present NumPy where images differ in their number of boxes.

    The images evaluated are those that the data set reads, which may be a part of ``ann_file``; the
    log says so. See :func:`coco_curves` for what counts of the file's annotations.

    Args:
        backend: ``'pycocotools'``, or ``'faster_coco_eval'``, which is many times as fast and gives
            the same numbers.
        metric: One of ``'bbox'``, ``'proposal'``, ``'proposal_fast'``, or a list of them.
        max_dets: Detections of an image and class that ``bbox`` looks at, three ascending numbers.
        **kwargs: Other arguments of MMDetection's (``ann_file``, ``classwise``, ``proposal_nums``,
            ``iou_thrs``, ``format_only``, ``outfile_prefix``, ...).

    Raises:
        ValueError: An option has no such value, or is one of MMDetection's that has no use here.
        ImportError: The backend is not installed.
    """

    def __init__(
        self,
        *,
        backend: str = 'pycocotools',
        metric: str | Sequence[str] = 'bbox',
        max_dets: Sequence[int] = (1, 10, 100),
        **kwargs: object,
    ) -> None:
        check_backend(backend)
        names = [metric] if isinstance(metric, str) else list(metric)
        if unknown := [name for name in names if name not in METRIC_NAMES]:
            problem = f'must be of {METRIC_NAMES}, got {unknown[0]!r}'
            raise UserError('metric', f"{problem}; for masks use MMDetection's CocoMetric")
        _check_limits('max_dets', max_dets, 'three ascending numbers', 3)
        if 'proposal_nums' in kwargs:
            _check_limits('proposal_nums', kwargs['proposal_nums'], 'ascending numbers')
        iou_thrs: Any = kwargs.get('iou_thrs')
        several = isinstance(iou_thrs, (list, tuple, np.ndarray))
        for iou in iou_thrs if several else [iou_thrs] * (iou_thrs is not None):
            check_number('iou_thrs', iou, '(0, 1]')
        for flag in ('classwise', 'format_only', 'sort_categories'):
            check_flag(flag, kwargs.get(flag, False))
        if kwargs.get('format_only') and kwargs.get('outfile_prefix') is None:
            raise UserError(
                'format_only=True writes detections to a file: set outfile_prefix to its path '
                'without an ending, or take format_only out.'
            )
        for option in ('metric_items', 'use_mp_eval'):
            if kwargs.get(option):
                why = 'every number is logged, and the fast backend needs no processes'
                remedy = "Take it out, or use MMDetection's CocoMetric"
                raise UserError(f'{option} is not supported: {why}. {remedy}.')
        self._coco_api: Any
        self.cat_ids: Any
        self.img_ids: Any
        super().__init__(metric=names, **kwargs)
        self.backend, self.max_dets = backend, tuple(max_dets)

    def check_classes(self, classes: tuple[str, ...]) -> None:
        """See :func:`compare_classes`, where ``ann_file`` is given."""
        if self._coco_api is None:
            return
        names = [category['name'] for category in self._coco_api.dataset['categories']]
        compare_classes('metainfo.classes', classes, 'the annotation file', names)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The numbers of the whole split."""
        truths = [truth for truth, _ in results]
        predictions = list({one['img_id']: one for _, one in results}.values())
        self._load_truth(truths)
        self._choose_images([one['img_id'] for one in predictions])
        if self.outfile_prefix is not None:
            self.results2json(predictions, self.outfile_prefix)
        if self.format_only:
            return {}
        numbers: dict[str, float] = {}
        for name in self.metrics:
            numbers.update(getattr(self, f'_{name}')(predictions))
        return numbers

    def _load_truth(self, truths: Sequence[dict]) -> None:
        """Fills in what MMDetection's metric leaves for later: annotations and ids."""
        if self._coco_api is None:
            with tempfile.TemporaryDirectory() as folder:
                path = self.gt_to_coco_json(truths, str(Path(folder) / 'truth'))
                self._coco_api = COCO(path)
        if self.cat_ids is None:
            self.cat_ids = self._coco_api.get_cat_ids(cat_names=self.dataset_meta['classes'])

    def _choose_images(self, seen: Sequence[Any]) -> None:
        """Evaluates the images that were predicted on; all must be in the truth."""
        known = self._coco_api.imgs
        unknown = [img_id for img_id in seen if img_id not in known]
        if unknown:
            raise UserError(
                f'ann_file lists no image of id {unknown[0]!r}, which the data set reads (ids like '
                f'{next(iter(known), None)!r}): give the metric the file of its data set.'
            )
        self.img_ids = list(seen)
        if len(self.img_ids) < len(known):
            warn(
                f'{len(self.img_ids)} of the {len(known)} images of ann_file are evaluated: the '
                'data set reads no others.'
            )

    def _bbox(self, predictions: Sequence[dict]) -> dict[str, float]:
        curves = self._curves(predictions, self.max_dets)
        numbers = {
            'mAP': curves.ap(),
            'mAP_50': curves.ap(0.5),
            'mAP_75': curves.ap(0.75),
            **{f'mAP_{area}': curves.ap(area=area) for area in AREAS[1:]},
            **{f'AR_{limit}': curves.ar(limit) for limit in curves.max_dets},
            **{f'AR_{area}': curves.ar(curves.max_dets[-1], area) for area in AREAS[1:]},
        }
        numbers = {f'bbox_{name}': value for name, value in numbers.items()}
        return {**numbers, **(self._by_class(curves) if self.classwise else {})}

    def _by_class(self, curves: CocoCurves) -> dict[str, float]:
        """Logs the table of classes; returns the AP of each, ``{class}_precision`` as there."""
        table = Table('category', 'mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
        numbers = {}
        for cat_id in curves.cat_ids:
            name = self._coco_api.cats[cat_id]['name']
            row = [curves.ap(iou, category=cat_id) for iou in (None, 0.5, 0.75)]
            row += [curves.ap(area=area, category=cat_id) for area in AREAS[1:]]
            table.add_row(name, *(f'{value:.3f}' if value >= 0 else '-' for value in row))
            numbers[f'{name}_precision'] = row[0]
        log_table(table)
        return numbers

    def _proposal(self, predictions: Sequence[dict]) -> dict[str, float]:
        curves = self._curves(predictions, self.proposal_nums, use_cats=False)
        last = curves.max_dets[-1]
        return {
            **{f'AR@{limit}': curves.ar(limit) for limit in curves.max_dets},
            **{f'AR_{area}@{last}': curves.ar(last, area) for area in AREAS[1:]},
        }

    def _proposal_fast(self, predictions: Sequence[dict]) -> dict[str, float]:
        boxes: dict[Any, list] = {img_id: [] for img_id in self.img_ids}
        for one, crowd in counted_truth(self._coco_api.dataset):
            if not crowd and one['image_id'] in boxes and one['category_id'] in self.cat_ids:
                boxes[one['image_id']].append(one['bbox'])
        truths = [xyxy(boxes[img_id]) for img_id in self.img_ids]
        proposals = [
            np.asarray(one['bboxes'][np.argsort(-one['scores'])], np.float64) for one in predictions
        ]
        thresholds = np.atleast_1d(self.iou_thrs)
        recalls = proposal_recalls(truths, proposals, self.proposal_nums, thresholds)
        names = [f'AR@{limit}' for limit in self.proposal_nums]
        return dict(zip(names, recalls.mean(axis=1).tolist(), strict=True))

    def _curves(
        self, predictions: Sequence[dict], max_dets: Sequence[int], use_cats: bool = True
    ) -> CocoCurves:
        return coco_curves(
            self._coco_api.dataset,
            [one for image in predictions for one in self._found(image)],
            backend=self.backend,
            cat_ids=self.cat_ids,
            img_ids=self.img_ids,
            iou_thrs=self.iou_thrs,
            max_dets=max_dets,
            use_cats=use_cats,
        )

    def _found(self, image: dict) -> list[dict]:
        """One image's detections in COCO's format: xyxy becomes xywh."""
        boxes = np.asarray(image['bboxes'], dtype=np.float64).reshape(-1, 4)
        boxes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).tolist()
        rows = zip(boxes, image['scores'].tolist(), image['labels'].tolist(), strict=True)
        return [
            dict(image_id=image['img_id'], category_id=self.cat_ids[label], bbox=box, score=score)
            for box, score, label in rows
        ]


def _check_limits(name: str, limits: Any, needed: str, count: int | None = None) -> None:
    """Numbers of detections, ascending."""
    listed = list(limits) if isinstance(limits, (list, tuple)) else []
    whole = listed and all(isinstance(limit, int) and limit >= 1 for limit in listed)
    if not whole or listed != sorted(set(listed)) or len(listed) != (count or len(listed)):
        raise UserError(f'{name} must be {needed}, got {limits!r}.')
