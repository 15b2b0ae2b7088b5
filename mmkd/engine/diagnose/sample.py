"""Images to look at: of the validation split to score, of the training split to measure."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader, Subset

from mmkd.compat import begin_progress, is_distillation
from mmkd.distiller import Distiller
from mmkd.utils.errors import UserError
from mmkd.utils.types import Dataset, Setting

_MAX_BATCHES = 8
"""Enough for means of losses and maps; more would tell nothing and cost as much as training."""


@dataclass(frozen=True)
class ValidationSample:
    """Some images of the validation split, evenly spread over it.

    Attributes:
        dataset: All of the split.
        batches: As its data loader gives them.
        infos: What the data set knows of each image: ``img_path``, ``instances``, ...
        evaluator: Config of the split's evaluator.
    """

    dataset: Dataset
    batches: DataLoader
    infos: list[dict]
    evaluator: Any

    @property
    def ids(self) -> list:
        """Of the images."""
        return [info.get('img_id') for info in self.infos]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return tuple(self.dataset.metainfo.get('classes') or ())

    def build_evaluator(self) -> Evaluator:
        """The configured evaluator, which expects these images alone."""
        evaluator = Evaluator(copy.deepcopy(self.evaluator))
        evaluator.dataset_meta = self.dataset.metainfo
        for metric in evaluator.metrics:
            # COCO's counts every image of its annotation file that was not predicted as missed.
            if hasattr(metric, 'img_ids'):
                metric.img_ids = self.ids
        return evaluator


def begin(cfg: Config) -> None:
    """Prepares to look at a distillation config with the same random numbers in every call.

    Raises:
        ValueError: The config distils nothing.
    """
    if not is_distillation(cfg):
        raise UserError(
            f'the model of {cfg.filename or "the config"} is a {cfg.get("model", {}).get("type")}, '
            "which has no teacher: name a config whose model has type='mmkd.DistillDetector'."
        )
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    np.random.seed(0)
    torch.manual_seed(0)
    begin_progress()


def validation_sample(cfg: Config, num: int) -> ValidationSample:
    """``num`` images of the validation split, or all that there are.

    Raises:
        ValueError: The config has no validation split or evaluator.
    """
    for key in ('val_dataloader', 'val_evaluator'):
        if not cfg.get(key):
            raise UserError(f'the config has no {key}, and the teacher is scored with it: add it.')
    dataset, places, batches = _spread(cfg.val_dataloader, num)
    infos = [dataset.get_data_info(place) for place in places]
    return ValidationSample(dataset, batches, infos, cfg.val_evaluator)


def training_batches(cfg: Config, model: Distiller, num: int) -> list[dict]:
    """Preprocessed batches as training gives them, of about ``num`` images, at most eight."""
    return [model.data_preprocessor(batch, True) for batch in loaded_batches(cfg, num)]


def loaded_batches(cfg: Config, num: int) -> DataLoader:
    """The same as the data loader gives them."""
    size = cfg.train_dataloader.get('batch_size', 1)
    count = min(math.ceil(num / size), _MAX_BATCHES)
    return _spread(cfg.train_dataloader, count * size)[2]


def _spread(loader: Setting, num: int) -> tuple[Dataset, list[int], DataLoader]:
    """The data set of a loader's config, and at most ``num`` items: their places and batches."""
    dataset: Dataset = DATASETS.build(copy.deepcopy(loader['dataset']))
    count = min(num, len(dataset))
    places = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
    subset = Subset(dataset, places)
    return (
        dataset,
        places,
        DataLoader(subset, loader.get('batch_size', 1), collate_fn=pseudo_collate),
    )
