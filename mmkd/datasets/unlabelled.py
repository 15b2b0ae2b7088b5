"""Batches of labelled and unlabelled images, in the proportion that a setting names."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATASETS as HOST_DATASETS
from torch.utils.data import Dataset as TorchDataset

from mmkd.registry import DATA_SAMPLERS, DATASETS
from mmkd.settings import check_number
from mmkd.utils.errors import UserError
from mmkd.utils.types import Dataset


@DATASETS.register_module()
class WithUnlabelled(TorchDataset):
    """A labelled data set beside images whose labels a teacher gives in training.

    Indices below ``num_labelled`` are the labelled images'. Every sample says which it is by its
    meta ``unlabelled``, which ``DistillDetector(unlabelled=...)`` reads; the labels that an
    unlabelled image has nonetheless are dropped behind its pipeline. Class names are the labelled
    set's.

    Args:
        labelled: Config of a data set, or one, whose pipeline ends with ``PackDetInputs``. Wrappers
            (``RepeatDataset``, ``ConcatDataset``, ...) stand inside.
        unlabelled: The same of the other images. A class that leaves out images without objects
            must be told not to (``filter_cfg=dict(filter_empty_gt=False)``).
        ratio: Unlabelled images that :class:`UnlabelledSampler` draws for each labelled one, > 0.

    Attributes:
        num_labelled: Labelled images.
        num_unlabelled: Unlabelled ones.

    Raises:
        ValueError: ``ratio`` is not > 0, or one of the two sets is empty.
    """

    def __init__(self, labelled: Dataset, unlabelled: Dataset, ratio: float = 1) -> None:
        check_number('WithUnlabelled: ratio', ratio, '> 0')
        self.ratio = ratio
        # Set by UnlabelledSampler. Without it labelled images are not marked, and the detector
        # refuses them: an epoch would be something else, in silence.
        self.is_mixed = False
        self._parts = []
        for name, part in (('labelled', labelled), ('unlabelled', unlabelled)):
            self._parts.append(HOST_DATASETS.build(part) if isinstance(part, dict) else part)
            if not len(self._parts[-1]):
                raise UserError(
                    f'WithUnlabelled: {name}',
                    'has no image',
                    'correct its files; where its class leaves out images without objects, set '
                    f'{name}.filter_cfg=dict(filter_empty_gt=False)',
                )
        self.num_labelled, self.num_unlabelled = map(len, self._parts)

    @property
    def metainfo(self) -> dict:
        """The labelled set's."""
        return self._parts[0].metainfo

    def __len__(self) -> int:
        return self.num_labelled + self.num_unlabelled

    def get_data_info(self, index: int) -> dict:
        """What the image's own set says of it, as ``AspectRatioBatchSampler`` asks."""
        part, place = self._find(index)
        return part.get_data_info(place)

    def __getitem__(self, index: int) -> dict:
        part, place = self._find(index)
        data = part[place]
        if 'data_samples' not in data:
            raise UserError(
                f'WithUnlabelled: the pipeline of {type(part).__name__} gives {sorted(data)} and '
                'no data_samples: end it with PackDetInputs, and put wrappers that mix images '
                'inside labelled and unlabelled.'
            )
        sample = data['data_samples']
        if index >= self.num_labelled:
            sample.set_metainfo(dict(unlabelled=True))
            for name in ('gt_instances', 'ignored_instances'):
                if name in sample:
                    setattr(sample, name, getattr(sample, name)[:0])
        elif self.is_mixed:
            sample.set_metainfo(dict(unlabelled=False))
        return data

    def _find(self, index: int) -> tuple[Any, int]:
        own = index < self.num_labelled
        return self._parts[not own], index if own else index - self.num_labelled


@DATA_SAMPLERS.register_module()
class UnlabelledSampler(DefaultSampler):
    """One pass over the labelled images of :class:`WithUnlabelled`, unlabelled ones in between.

    The unlabelled images are gone through in rounds, each in an order of its own: an epoch goes on
    where the last one ended, so every image is seen as often as every other. What an epoch draws is
    a function of seed and epoch. Ranks share both kinds evenly. Batches mix the two as the order
    does; ``AspectRatioBatchSampler`` groups images by their shape first.

    Args:
        dataset: A :class:`WithUnlabelled`.
        shuffle: Whether images come in another order every epoch.
        seed: Shared by all ranks; MMEngine passes the run's.

    Raises:
        ValueError: The data set is another.
    """

    def __init__(self, dataset: Any, shuffle: bool = True, seed: int | None = None) -> None:
        if not isinstance(dataset, WithUnlabelled):
            raise UserError(
                'train_dataloader.sampler=mmkd.UnlabelledSampler',
                f'samples a mmkd.WithUnlabelled, got {type(dataset).__name__}',
                "set train_dataloader.dataset=dict(type='mmkd.WithUnlabelled', labelled=..., "
                'unlabelled=...), with other wrappers inside labelled and unlabelled and without '
                'num_batch_per_epoch, or sampler.type=DefaultSampler',
            )
        super().__init__(dataset, shuffle, seed)
        dataset.is_mixed = True
        self._own = math.ceil(dataset.num_labelled / self.world_size)
        self.num_samples = self._own + self._drawn_before(self._own)

    def _drawn_before(self, labelled: int) -> int:
        """Unlabelled images of a rank that come with so many labelled ones."""
        return math.ceil(round(labelled * self.dataset.ratio, 6))

    def __iter__(self) -> Iterator[int]:
        """Indices of this rank's images: each labelled one, then those drawn beside it."""
        labelled = self._stream(0, self.dataset.num_labelled, self._own)
        drawn = self._stream(
            self.dataset.num_labelled, self.dataset.num_unlabelled, self.num_samples - self._own
        )
        for place, index in enumerate(labelled):
            yield index
            yield from drawn[self._drawn_before(place) : self._drawn_before(place + 1)]

    def _stream(self, start: int, size: int, number: int) -> list[int]:
        """This rank's share of an epoch of a stream, ``number`` of ``start ... start + size - 1``.

        The stream holds all of them in one order after another. An epoch of labelled images begins
        with an order; that which makes it divisible by the ranks is the beginning of the next.
        """
        total = number * self.world_size
        first = self.epoch * (total if start else size)
        rounds = range(first // size, (first + total - 1) // size + 1)
        orders = np.concatenate([self._order(start, size, turn) for turn in rounds])
        begin = first % size + self.rank
        return orders[begin : first % size + total : self.world_size].tolist()

    def _order(self, start: int, size: int, turn: int) -> np.ndarray:
        key = (self.seed, int(start > 0), turn)
        order = np.random.default_rng(key).permutation(size) if self.shuffle else np.arange(size)
        return start + order
