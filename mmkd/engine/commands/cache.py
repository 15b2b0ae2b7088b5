"""Fills the cache of a teacher before the first training reads it."""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmkd.detectors.batch import batch_of
from mmkd.detectors.cache import CACHED, FeatureCache
from mmkd.distiller import Distiller
from mmkd.engine.checks.cache import check_cache
from mmkd.engine.checks.preflight import teacher_settings
from mmkd.engine.diagnose.sample import begin
from mmkd.observation import Observation
from mmkd.registry import MODELS
from mmkd.utils.config_walk import datasets_of, type_name
from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries


@torch.no_grad()
def fill_cache(
    cfg: Config,
    device: str = 'cpu',
    track: Callable[[Iterable[dict], int], Iterable[dict]] = lambda batches, _: batches,
) -> tuple[int, float]:
    """Runs the teachers that have a ``cache`` over the training images, as they are and flipped.

    Images of a batch are padded to one size: where a set's sizes differ, training meets other
    sizes, and adds what is lacking.

    Args:
        cfg: A distillation config.
        device: Where to run.
        track: Gives the batches, of which it is told the number, and may show how far they are.

    Returns:
        Images, and bytes that were added.

    Raises:
        ValueError: No teacher has a cache, the pipeline cannot be cached, or the maps would not fit
            under ``max_gb``; found after the first batch.
        FileNotFoundError: A checkpoint is missing.
    """
    begin(cfg)
    check_cache(cfg, teacher_settings(cfg))
    model = MODELS.build(cfg.model)
    pairs = {name: pair for name, pair in model.pairs.items() if pair.teacher.cache is not None}
    if not pairs:
        raise UserError(
            'model.teacher',
            'has no cache to fill',
            'give --cfg-options model.teacher.cache=FOLDER',
        )
    for pair in pairs.values():
        pair.teacher.load()
    model.to(device)
    caches: dict[str, Any] = {name: pair.teacher.cache for name, pair in pairs.items()}
    free = sum(cache.left for cache in caches.values())
    loaders = [_loader(cfg, flip) for flip in _flips(cfg)]
    batches = (batch for loader in loaders for batch in loader)
    images, total, number = 0, 0, 0
    for loader in loaders:
        total, number = total + len(loader.dataset), number + len(loader)
    for batch in track(batches, number):
        data = model.data_preprocessor(batch, True)
        samples = data['data_samples']
        metas = [sample.metainfo for sample in samples]
        for name, pair in pairs.items():
            observed = pair.observe(data['inputs'], metas, batch_of(samples), Observation())
            for field in _read(model, name):
                getattr(observed, field)
        images += len(samples)
        if images == len(samples):
            for name, cache in caches.items():
                _check_size(cache, total * len(list(_read(model, name))))
    return images, free - sum(cache.left for cache in caches.values())


def _check_size(cache: FeatureCache, entries: int) -> None:
    needed = cache.entry * entries / 1e9
    if needed > cache.max_gb:
        raise UserError(
            f'teacher.cache={cache.folder}',
            f'would need {needed:.3g} GB and may take {cache.max_gb:g}',
            f'raise it: teacher.cache=dict(folder=..., max_gb={needed * 1.1:.3g})',
        )


def _read(model: Distiller, teacher: str) -> Iterator[str]:
    """The fields that training will read from the cache."""
    reads = model.reads(teacher)
    if 'backbone' in reads:
        yield 'backbone'
    if any('coder' not in name for name in reads - {'backbone'}):
        yield CACHED[-1]


def _flips(cfg: Config) -> list[float | None]:
    """Probabilities of the flip with which each image is seen in every way; None: as configured."""
    chances = [one.get('prob') for one in _random_flips(cfg)]
    return [0.0, 1.0] if any(isinstance(one, float) and 0 < one < 1 for one in chances) else [None]


def _random_flips(cfg: Config) -> Iterator[Entries]:
    for _, dataset in datasets_of(cfg, 'train', with_unlabelled=True):
        for transform in dataset.get('pipeline') or ():
            if type_name(transform) == 'RandomFlip':
                yield transform


def _loader(cfg: Config, flip: float | None) -> DataLoader:
    cfg = copy.deepcopy(cfg)
    if flip is not None:
        for transform in _random_flips(cfg):
            transform['prob'] = flip
    loader = cfg.train_dataloader
    return DataLoader(
        DATASETS.build(loader.dataset), loader.get('batch_size', 1), collate_fn=pseudo_collate
    )
