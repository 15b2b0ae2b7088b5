"""COCO's evaluation of boxes by pycocotools or by a faster library with the same results."""

import contextlib
import importlib.util
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmkd.utils.types import Setting

from ..settings import check_choice
from ..utils.errors import UserImportError

BACKENDS = ('pycocotools', 'faster_coco_eval')

AREAS = ('all', 's', 'm', 'l')
"""Order of the area ranges: all, below 32x32, up to 96x96, above."""


class CocoCurves(NamedTuple):
    """What COCO's protocol samples; -1 where there is nothing to find.

    I IoU thresholds, R = 101 recalls, K classes, A = 4 areas (:data:`AREAS`), M limits.
    """

    precision: NDArray[np.float64]  # (I, R, K, A, M)
    recall: NDArray[np.float64]  # (I, K, A, M), the highest reached
    iou_thrs: NDArray[np.float64]  # (I,)
    cat_ids: tuple[int | str, ...]  # k category ids, in the order in which they were given
    max_dets: tuple[int, ...]  # m numbers of detections an image, ascending

    def ap(
        self, iou: float | None = None, area: str = 'all', category: int | str | None = None
    ) -> float:
        """Mean precision at the highest limit, of one threshold and category id, or of all.

        -1 where there is nothing to find; ``area`` is one of :data:`AREAS`.
        """
        taken = self.precision[..., AREAS.index(area), -1]
        if iou is not None:
            taken = taken[np.isclose(self.iou_thrs, iou)]
        if category is not None:
            taken = taken[:, :, self.cat_ids.index(category)]
        return _mean(taken)

    def ar(self, limit: int, area: str = 'all') -> float:
        """Mean over IoU thresholds and classes of the recall reached, or -1."""
        return _mean(self.recall[..., AREAS.index(area), self.max_dets.index(limit)])


def check_backend(backend: str) -> None:
    """Refuses a name that is none of :data:`BACKENDS`, or whose library is not installed.

    Raises:
        ValueError, ImportError: There is no such backend, or its library is missing.
    """
    check_choice('backend', backend, BACKENDS)
    if importlib.util.find_spec(backend) is None:
        package = backend.replace('_', '-')
        raise UserImportError(
            f'backend={backend!r} is not installed: pip install {package}, or set '
            "backend='pycocotools'."
        )


def coco_curves(
    dataset: Setting,
    found: Sequence[Setting],
    *,
    backend: str,
    cat_ids: Sequence[int | str],
    img_ids: Sequence[int | str],
    iou_thrs: Sequence[float] | NDArray[np.float64],
    max_dets: Sequence[int],
    use_cats: bool = True,
) -> CocoCurves:
    """Evaluates boxes.

    The libraries take an annotation of id 0 for "not found", and want ids that sort and ``iscrowd``
    in every annotation. So they are given ids counted from 1, whatever the file's are, and the
    annotations that :func:`counted_truth` gives; where ``area`` is absent it is the box's own.

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
    images = {img_id: number for number, img_id in enumerate(dict.fromkeys(img_ids), start=1)}
    categories = {cat_id: number for number, cat_id in enumerate(cat_ids, start=1)}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        pair = []
        for entries in (counted_truth(dataset), ((one, False) for one in found)):
            side = coco_class()
            side.dataset = dict(
                images=[dict(id=number) for number in images.values()],
                categories=[dict(id=number, name=str(number)) for number in categories.values()],
                annotations=_numbered(entries, images, categories),
            )
            side.createIndex()
            pair.append(side)
        evaluation = eval_class(*pair, iouType='bbox')
        parameters = evaluation.params
        parameters.iouThrs = np.atleast_1d(np.asarray(iou_thrs, dtype=np.float64))
        parameters.maxDets, parameters.useCats = sorted(max_dets), int(use_cats)
        evaluation.evaluate()
        evaluation.accumulate()
    arrays = evaluation.eval
    return CocoCurves(
        precision=np.asarray(arrays['precision']),
        recall=np.asarray(arrays['recall']),
        iou_thrs=parameters.iouThrs,
        cat_ids=tuple(cat_ids),
        max_dets=tuple(parameters.maxDets),
    )


def _classes(backend: str) -> tuple[Any, Any]:
    """The library's annotation and evaluation classes; imported when asked for."""
    if backend == 'faster_coco_eval':
        library: Any = importlib.import_module(backend)
        return library.COCO, library.COCOeval_faster
    coco, evaluation = (importlib.import_module(f'{backend}.{m}') for m in ('coco', 'cocoeval'))
    return coco.COCO, evaluation.COCOeval


def counted_truth(dataset: Setting) -> Iterator[tuple[Setting, bool]]:
    """The annotations that count, each with whether it is a crowd.

    They are those that MMDetection's ``CocoDataset`` reads, and very small ones. One marked
    ``ignore`` counts as a crowd: neither finding it nor missing it is an error. A box that covers
    nothing of its image, which no detector can find and the libraries judge differently, is left
    out.
    """
    images = {image['id']: image for image in dataset['images']}
    for one in dataset.get('annotations', ()):
        if _covers(one['bbox'], images.get(one['image_id'], {})):
            yield one, bool(one.get('iscrowd') or one.get('ignore'))


def _covers(box: Sequence[float], image: Setting) -> bool:
    """Whether a box xywh covers some of its image, as MMDetection's CocoDataset asks."""
    x, y, width, height = box
    across = min(x + width, image.get('width', math.inf)) - max(x, 0)
    down = min(y + height, image.get('height', math.inf)) - max(y, 0)
    return across > 0 and down > 0


def _numbered(
    entries: Iterable[tuple[Setting, bool]],
    images: Mapping[int | str, int],
    categories: Mapping[int | str, int],
) -> list[dict]:
    """Boxes, each with whether it is a crowd, as annotations; those of other ids left out."""
    numbered: list[dict] = []
    for one, crowd in entries:
        image, category = images.get(one['image_id']), categories.get(one['category_id'])
        if image is not None and category is not None:
            area = one.get('area')
            numbered.append(
                dict(
                    id=len(numbered) + 1,
                    image_id=image,
                    category_id=category,
                    bbox=one['bbox'],
                    area=one['bbox'][2] * one['bbox'][3] if area is None else area,
                    iscrowd=int(crowd),
                    score=one.get('score', 1.0),
                )
            )
    return numbered


def _mean(values: NDArray[np.float64]) -> float:
    present = values[values > -1]
    return float(present.mean()) if present.size else -1.0
