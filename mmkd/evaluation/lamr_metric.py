"""Log-average miss rate of pedestrian detection."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from rich.table import Table

from mmkd.utils.types import Entries, Setting

from ..registry import METRICS
from ..settings import check_number
from ..utils.errors import UserError, UserFileNotFoundError
from .base import ChecksClasses, detections_of, log_table, warn, xyxy
from .functional import SUBSETS, PedestrianFrame, Subset, log_average_miss_rate


@METRICS.register_module()
class LAMRMetric(ChecksClasses, BaseMetric):
    """Miss rate averaged in the logarithm over false positives per image of 0.01 to 1; low is good.

    Rules are those of the Caltech benchmark (:mod:`mmkd.evaluation.functional.miss_rate`). Truth is
    read from a COCO file whose annotations may hold, beside COCO's keys,

    * ``label``: only ``category`` itself is a pedestrian to be found; ``person?``, ``people`` and
      ``ignore`` are regions to ignore. Without it, ``iscrowd`` or ``ignore`` marks such a region;
    * ``vis_ratio``, the visible share of the box, or ``vis_bbox``, the visible box (CityPersons);
      without them a box is wholly visible;
    * ``occluded``: whether the box was marked so; without it, where the share is below 1.

    ``tools/dataset_converters/caltech_to_coco.py`` writes all of them.

    Logged under ``pedestrian/``, in [0, 1]: ``LAMR_reasonable`` and so on, by subset. A subset
    without a pedestrian is left out. Low is good: with ``save_best`` set ``rule='less'``.

    Args:
        ann_file: The COCO file of the evaluated images.
        category: Name of the class.
        subsets: Names of the benchmark's subsets, or ``dict(name=(min_height, max_height,
            min_visible, max_visible))``.
        min_overlap: IoU of a match, in (0, 1]; of an ignored region, its share of the detection.
        bounds: xyxy pixels; pedestrians not wholly inside are ignored. None: no bounds.
        aspect_ratio: Width over height that boxes and detections are brought to; None: as they are.
        expand: Detections lower than the lowest height over this are left out, >= 1.
        **kwargs: Arguments of MMEngine's ``BaseMetric`` (``prefix``, ``collect_device``).

    Raises:
        ValueError: An option has no such value, the file has no such category, or, once the classes
            are known, ``category`` is none of them.
        FileNotFoundError: There is no such file.
    """

    default_prefix = 'pedestrian'

    def __init__(
        self,
        *,
        ann_file: str,
        category: str = 'person',
        subsets: Sequence[str] | Mapping[str, Sequence[float]] = ('reasonable', 'all'),
        min_overlap: float = 0.5,
        bounds: Sequence[float] | None = None,
        aspect_ratio: float | None = None,
        expand: float = 1.25,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_number('min_overlap', min_overlap, '(0, 1]')
        check_number('expand', expand, '>= 1')
        if aspect_ratio is not None:
            check_number('aspect_ratio', aspect_ratio, '> 0')
        if bounds is not None and not _are_four_numbers(bounds):
            needed = 'must be four numbers (x1, y1, x2, y2) or None'
            raise UserError('bounds', f'{needed}, got {bounds!r}')
        self.subsets = _subsets(subsets)
        self.rules: Entries = dict(
            min_overlap=min_overlap, bounds=bounds, aspect_ratio=aspect_ratio, expand=expand
        )
        self.ann_file, self.category = ann_file, category
        self.truth = _read(ann_file, category)

    def check_classes(self, classes: tuple[str, ...]) -> None:
        """``category`` is one of them."""
        if self.category not in classes:
            raise UserError(
                f'category={self.category!r} is not among classes={classes}: set category to one.'
            )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the detections of one batch; ``data_batch`` is not read.

        Raises:
            ValueError: ``ann_file`` lacks an image.
        """
        classes = tuple(self.dataset_meta['classes'])
        for sample in data_samples:
            if sample['img_id'] not in self.truth:
                raise UserError(
                    f'{self.ann_file} has no image {sample["img_id"]}: the metric and the data set '
                    'must read one file.'
                )
            boxes, scores, labels = detections_of(sample)
            chosen = labels == classes.index(self.category)
            truth = self.truth[sample['img_id']]
            self.results.append(PedestrianFrame(*truth, boxes[chosen], scores[chosen]))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The numbers of the whole split."""
        if len(results) < len(self.truth):
            images = f'{len(results)} of the {len(self.truth)} images'
            warn(f'{images} of {self.ann_file} were evaluated.')
        table = Table('subset', 'pedestrians', 'miss rate', 'at 0.01', 'at 0.1', 'at 1')
        found = {}
        for name, subset in self.subsets.items():
            curve = log_average_miss_rate(results, subset, **self.rules)
            shown = ['-'] * 4
            if curve.pedestrians:
                found[f'LAMR_{name}'] = curve.log_average
                shown = [f'{v:.4f}' for v in (curve.log_average, *curve.miss_rate[[0, 4, 8]])]
            table.add_row(name, str(curve.pedestrians), *shown)
        log_table(table)
        return found


@METRICS.register_module()
class CaltechMetric(LAMRMetric):
    """:class:`LAMRMetric` with the Caltech benchmark's own settings.

    Pedestrians beyond 5 pixels of the border of the 640 x 480 image are ignored, and boxes and
    detections are brought to a width of 0.41 heights. Logged under ``caltech/``.

    Args:
        bounds: 0-based; the benchmark has (5, 5, 635, 475) from 1.
        aspect_ratio: As the benchmark has it.
        **kwargs: Other arguments of :class:`LAMRMetric`.
    """

    default_prefix = 'caltech'

    def __init__(
        self,
        *,
        bounds: Sequence[float] | None = (4, 4, 634, 474),
        aspect_ratio: float | None = 0.41,
        **kwargs: Any,
    ) -> None:
        super().__init__(bounds=bounds, aspect_ratio=aspect_ratio, **kwargs)


def _are_four_numbers(value: Any) -> bool:
    listed = isinstance(value, (list, tuple)) and len(value) == 4
    return listed and all(isinstance(one, (int, float)) for one in value)


def _subsets(chosen: Sequence[str] | Mapping[str, Sequence[float]]) -> dict[str, Subset]:
    if isinstance(chosen, str):
        raise UserError(f'subsets must be a list of names, got the string {chosen!r}.')
    if not chosen:
        raise UserError(f'subsets is empty: name some of {list(SUBSETS)}.')
    if isinstance(chosen, Mapping):
        for name, limits in chosen.items():
            if not _are_four_numbers(limits):
                shown = tuple(limits) if isinstance(limits, list) else limits
                raise UserError(
                    f'subsets[{name!r}] must be (min_height, max_height, min_visible, '
                    f'max_visible), got {shown!r}.'
                )
        return {name: Subset(*map(float, limits)) for name, limits in chosen.items()}
    unknown = [name for name in chosen if name not in SUBSETS]
    if unknown:
        raise UserError(f'subsets has {unknown}: the benchmark has {list(SUBSETS)}.')
    return {name: SUBSETS[name] for name in chosen}


def _read(ann_file: str, category: str) -> dict[Any, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Boxes (xyxy), which may count, and visible shares, by image id."""
    if not Path(ann_file).is_file():
        raise UserFileNotFoundError(
            f'ann_file={ann_file!r} does not exist: write it with '
            'tools/dataset_converters/caltech_to_coco.py, or correct the path.'
        )
    try:
        content = json.loads(Path(ann_file).read_text(encoding='utf-8'))
    except ValueError as error:
        problem = f'is not valid JSON ({error})'
        raise UserError(f'ann_file={ann_file!r}', problem, 'write it anew') from None
    if not isinstance(content, dict) or not {'images', 'annotations', 'categories'} <= set(content):
        raise UserError(
            f'ann_file={ann_file!r} is not a COCO file: see tools/check_dataset.py {ann_file}.'
        )
    names = {entry['name']: entry['id'] for entry in content['categories']}
    if category not in names:
        raise UserError(f'{ann_file} has no category {category!r}: it has {sorted(names)}.')
    rows: dict[Any, list[dict]] = {image['id']: [] for image in content['images']}
    for entry in content['annotations']:
        if entry['category_id'] != names[category]:
            continue
        if entry['image_id'] not in rows:
            raise UserError(
                f'{ann_file}: annotation {entry.get("id")} is of image {entry["image_id"]}, which '
                'the file does not list: check it with tools/check_dataset.py.'
            )
        rows[entry['image_id']].append(entry)
    return {image: _arrays(entries, category) for image, entries in rows.items()}


def _arrays(entries: list[dict], category: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes = xyxy([entry['bbox'] for entry in entries])
    candidate = [
        entry['label'] == category
        if 'label' in entry
        else not (entry.get('iscrowd') or entry.get('ignore'))
        for entry in entries
    ]
    visible = np.array([_visible_share(entry) for entry in entries], float)
    return boxes, np.array(candidate, bool), visible


def _visible_share(entry: Setting) -> float:
    """In [0, 1], or infinity for a box that is not marked as occluded."""
    share = 1.0
    if 'vis_ratio' in entry:
        share = float(entry['vis_ratio'])
    elif 'vis_bbox' in entry:
        area = entry['bbox'][2] * entry['bbox'][3]
        share = entry['vis_bbox'][2] * entry['vis_bbox'][3] / area if area else 0.0
    return share if entry.get('occluded', share < 1) else math.inf
