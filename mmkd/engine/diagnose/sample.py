"""Images to look at: of the validation split to score, of the training split to measure."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from torch.utils.data import DataLoader, Subset

from mmkd.distiller import Distiller
from mmkd.utils.errors import UserError
from mmkd.utils.types import Dataset

_MAX_BATCHES = 8
"""Enough for means of losses and maps; more would tell nothing and cost as much as training."""


@dataclass(frozen=True)
class ValidationSample:
    """Some images of the validation split, evenly spread over it.

    Attributes:
        subset: The data set's items.
        batch_size: As configured.
        evaluator: Config of the split's evaluator.
    """

    subset: Subset
    batch_size: int
    evaluator: Any

    def __len__(self) -> int:
        return len(self.subset)

    @property
    def metainfo(self) -> dict:
        """Of the data set."""
        return self.subset.dataset.metainfo  # type: ignore[attr-defined]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return tuple(self.metainfo.get('classes') or ())

    def batches(self) -> Iterator[dict]:
        """As the data loader gives them."""
        yield from DataLoader(self.subset, self.batch_size, collate_fn=pseudo_collate)

    def build_evaluator(self) -> Evaluator:
        """The configured evaluator, which expects these images alone."""
        evaluator = Evaluator(copy.deepcopy(self.evaluator))
        evaluator.dataset_meta = self.metainfo
        ids = [
            self.subset.dataset.get_data_info(i).get('img_id')  # type: ignore[attr-defined]
            for i in self.subset.indices
        ]
        for metric in evaluator.metrics:
            # COCO's counts every image of its annotation file that was not predicted as missed.
            if hasattr(metric, 'img_ids'):
                metric.img_ids = ids
        return evaluator


def validation_sample(cfg: Config, num: int) -> ValidationSample:
    """``num`` images of the validation split, or all that there are.

    Raises:
        ValueError: The config has no validation split or evaluator.
    """
    for key in ('val_dataloader', 'val_evaluator'):
        if not cfg.get(key):
            raise UserError(f'the config has no {key}, and the teacher is scored with it: add it.')
    loader = cfg.val_dataloader
    return ValidationSample(
        _spread(DATASETS.build(copy.deepcopy(loader.dataset)), num),
        loader.get('batch_size', 1),
        cfg.val_evaluator,
    )


def training_batches(cfg: Config, model: Distiller, num: int) -> list[dict]:
    """Preprocessed batches as training gives them, of about ``num`` images, at most eight."""
    loader = cfg.train_dataloader
    size = loader.get('batch_size', 1)
    count = min(math.ceil(num / size), _MAX_BATCHES)
    subset = _spread(DATASETS.build(copy.deepcopy(loader.dataset)), count * size)
    raw = DataLoader(subset, size, collate_fn=pseudo_collate)
    return [model.data_preprocessor(batch, True) for batch in raw]


def _spread(dataset: Dataset, num: int) -> Subset:
    count = min(num, len(dataset))
    return Subset(dataset, np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist())
