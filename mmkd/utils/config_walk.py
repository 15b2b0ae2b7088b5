"""Walks through nested configs: the one place that knows how data sets are wrapped."""

from collections.abc import Iterator, Mapping, Sequence

from mmengine.config import Config

from mmkd.utils.types import Dataset, Setting

Placed = Iterator[tuple[str, Setting]]


def configs_in(setting: object, place: str, keys: Sequence[str] | None = ()) -> Placed:
    """(path, config) of a config, or of those in lists of lists; then of those below ``keys``.

    ``place`` is the path of ``setting``; None in place of keys walks through every key.
    """
    if isinstance(setting, Mapping):
        yield place, setting
        for key in setting if keys is None else keys:
            yield from configs_in(setting.get(key), f'{place}.{key}', keys)
    elif isinstance(setting, (list, tuple)):
        for index, part in enumerate(setting):
            yield from configs_in(part, f'{place}.{index}', keys)


def dataset_configs(
    dataset: Dataset, place: str = 'dataset', with_unlabelled: bool = False
) -> Placed:
    """(path, config) of a data set and of those that it wraps or concatenates, outermost first.

    ``place`` is its path; ``with_unlabelled`` takes images in whose labels nobody reads
    (``mmkd.WithUnlabelled``).
    """
    keys = ('dataset', 'datasets', 'labelled', *['unlabelled'] * with_unlabelled)
    return configs_in(dataset, place, keys)


def datasets_of(cfg: Config | Setting, split: str, with_unlabelled: bool = False) -> Placed:
    """:func:`dataset_configs` of the data loader of ``'train'``, ``'val'`` or ``'test'``."""
    loader = cfg.get(f'{split}_dataloader') or {}
    place = f'{split}_dataloader.dataset'
    return dataset_configs(loader.get('dataset'), place, with_unlabelled)


def type_name(config: Setting) -> str:
    """The name of a config's type, registered or a class, without its scope."""
    kind = config.get('type')
    return str(getattr(kind, '__name__', kind)).split('.')[-1]


def is_remote(config: Setting, file: str = '') -> bool:
    """Whether a data set or metric reads from another storage than the local disk."""
    return bool(config.get('backend_args') or config.get('file_client_args')) or '://' in file
