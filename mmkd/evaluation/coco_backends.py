"""COCO's evaluation of boxes by pycocotools or by a faster library with the same results."""

import contextlib
import importlib.util
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BACKENDS = ('pycocotools', 'faster_coco_eval')

AREAS = ('all', 's', 'm', 'l')
"""Order of the area ranges: all, below 32x32, up to 96x96, above."""


class CocoCurves(NamedTuple):
    """What COCO's protocol samples; -1 where there is nothing to find.

    I IoU thresholds, R = 101 recalls, K classes, A = 4 areas (:data:`AREAS`), M limits.

    Attributes:
        precision: (I, R, K, A, M).
        recall: (I, K, A, M), the highest reached.
        iou_thrs: (I,).
        cat_ids: K category ids, ascending.
        max_dets: M numbers of detections an image, ascending.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    iou_thrs: NDArray[np.float64]
    cat_ids: tuple[int, ...]
    max_dets: tuple[int, ...]

    def ap(self, iou: float | None = None, area: str = 'all', category: int | None = None) -> float:
        """Mean precision at the highest limit, or -1 where there is nothing to find.

        Args:
            iou: One threshold; None averages over all.
            area: One of :data:`AREAS`.
            category: One category id; None averages over all.
        """
        taken = self.precision[..., AREAS.index(area), -1]
        if iou is not None:
            taken = taken[np.isclose(self.iou_thrs, iou)]
        if category is not None:
            taken = taken[:, :, self.cat_ids.index(category)]
        return _mean(taken)

    def ar(self, limit: int, area: str = 'all') -> float:
        """Mean over IoU thresholds and classes of the recall reached, or -1.

        Args:
            limit: One of ``max_dets``.
            area: One of :data:`AREAS`.
        """
        return _mean(self.recall[..., AREAS.index(area), self.max_dets.index(limit)])


def check_backend(backend: str) -> None:
    """Refuses a name that is none of :data:`BACKENDS`, or whose library is not installed.

    Raises:
        ValueError: There is no such backend.
        ImportError: Its library is missing.
    """
    if backend not in BACKENDS:
        raise ValueError(f'backend must be one of {BACKENDS}, got {backend!r}.')
    if importlib.util.find_spec(backend) is None:
        package = backend.replace('_', '-')
        raise ImportError(
            f'backend={backend!r} is not installed: pip install {package}, or set '
            "backend='pycocotools'."
        )


def coco_curves(
    dataset: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    *,
    backend: str,
    cat_ids: Sequence[int],
    img_ids: Sequence[int],
    iou_thrs: Sequence[float] | NDArray[np.float64],
    max_dets: Sequence[int],
    use_cats: bool = True,
) -> CocoCurves:
    """Evaluates boxes.

    Args:
        dataset: COCO's dictionary of the truth.
        found: Detections: ``image_id``, ``category_id``, ``bbox`` (xywh, pixels), ``score``; none
            is allowed.
        backend: One of :data:`BACKENDS`.
        cat_ids: Categories to evaluate.
        img_ids: Images to evaluate.
        iou_thrs: IoU thresholds.
        max_dets: Numbers of best detections of an image (and class) to look at.
        use_cats: False compares boxes whatever their category, as for proposals.
    """
    check_backend(backend)
    coco_class, eval_class = _classes(backend)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        truth = coco_class()
        truth.dataset = {'annotations': [], **dataset}
        truth.createIndex()
        detections = coco_class()
        detections.dataset = {**truth.dataset, 'annotations': _annotations(found)}
        detections.createIndex()
        evaluation = eval_class(truth, detections, iouType='bbox')
        parameters = evaluation.params
        parameters.catIds, parameters.imgIds = sorted(cat_ids), sorted(img_ids)
        parameters.iouThrs = np.atleast_1d(np.asarray(iou_thrs, dtype=np.float64))
        parameters.maxDets, parameters.useCats = sorted(max_dets), int(use_cats)
        evaluation.evaluate()
        evaluation.accumulate()
    arrays = evaluation.eval
    return CocoCurves(
        precision=np.asarray(arrays['precision']),
        recall=np.asarray(arrays['recall']),
        iou_thrs=parameters.iouThrs,
        cat_ids=tuple(parameters.catIds),
        max_dets=tuple(parameters.maxDets),
    )


def _classes(backend: str) -> tuple[Any, Any]:
    """The library's annotation and evaluation classes; imported when asked for."""
    if backend == 'faster_coco_eval':
        from faster_coco_eval import COCO, COCOeval_faster

        return COCO, COCOeval_faster
    from pycocotools.coco import COCO as PyCOCO
    from pycocotools.cocoeval import COCOeval

    return PyCOCO, COCOeval


def _annotations(found: Sequence[Mapping[str, Any]]) -> list[dict]:
    """Detections with the fields that COCO gives to annotations."""
    return [
        dict(one, id=number, area=one['bbox'][2] * one['bbox'][3], iscrowd=0)
        for number, one in enumerate(found, start=1)
    ]


def _mean(values: NDArray[np.float64]) -> float:
    present = values[values > -1]
    return float(present.mean()) if present.size else -1.0
