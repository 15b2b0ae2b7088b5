"""Names in the configs of data loaders and evaluators: a mistyped one is refused with its path.

MMEngine calls constructors with what a config holds, late (the evaluator after the training data
is read) and with Python's own error. Here signatures are compared first.
"""

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcv.transforms import Compose, KeyMapper, RandomApply, RandomChoice, TestTimeAug
from mmdet.datasets import CocoDataset, XMLDataset
from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS, DATASETS, EVALUATOR, METRICS, TRANSFORMS, Registry
from torch.utils.data import DataLoader

from mmkd.settings import accepted_arguments, check_known, nearest

_OF_MMENGINE = ('type', '_scope_')
_OF_RUNNER = ('num_batch_per_epoch', 'disable_subprocess_warning')
_COMPOSING = (Compose, KeyMapper, RandomApply, RandomChoice, TestTimeAug)
"""Steps that build others from the same registry; albumentations' have names of their own."""

_FILTERS = {
    CocoDataset.filter_data: ('filter_empty_gt', 'min_size'),
    XMLDataset.filter_data: ('filter_empty_gt', 'min_size', 'bbox_min_size'),
}
"""Keys of ``filter_cfg`` that MMDetection's classes read; they pass over others in silence."""


def check_arguments(cfg: Config, splits: Sequence[str]) -> None:
    """Compares loaders, data sets, pipelines, samplers and metrics with what their classes take.

    A class that does something of its own with further arguments may be given any.

    Args:
        cfg: The whole config.
        splits: Of ``'train'``, ``'val'``, ``'test'``: those that the run will read.

    Raises:
        ValueError: A type is not registered, a name is none of its class's (names the setting's
            path in the config, the nearest name and all that are accepted), or the classes of a
            data set are no list of names.
    """
    scope = cfg.get('default_scope') or 'mmdet'
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if isinstance(loader, Mapping):
            _check_loader(loader, f'{split}_dataloader', scope)
        for path, metric, cls in metrics_of(cfg, split):
            needed = getattr(cls, 'needed_meta_keys', lambda config: ())(metric)
            dataset = (loader or {}).get('dataset')
            _check_meta_keys(dataset, f'{split}_dataloader.dataset', needed, path)


def _check_loader(loader: Mapping, place: str, scope: str) -> None:
    _check_names(loader, place, 'the loader', [*accepted_arguments(DataLoader)[0], *_OF_RUNNER])
    for key in ('sampler', 'batch_sampler'):
        if isinstance(loader.get(key), Mapping):
            check_one(loader[key], f'{place}.{key}', DATA_SAMPLERS, scope)
    _check_dataset(loader.get('dataset'), f'{place}.dataset', scope)


def _check_dataset(dataset: Any, place: str, scope: str) -> None:
    """A data set, and those inside wrappers and concatenations."""
    for path, part in _entries(dataset, place):
        cls = check_one(part, path, DATASETS, scope)
        known = _FILTERS.get(getattr(cls, 'filter_data', None)) or getattr(cls, 'FILTER_KEYS', None)
        if known and isinstance(part.get('filter_cfg'), Mapping):
            _check_names(part['filter_cfg'], f'{path}.filter_cfg', 'filter_cfg', known, 'key')
        _check_classes(part, path, cls)
        for key in ('dataset', 'datasets'):
            _check_dataset(part.get(key), f'{path}.{key}', scope)
        for step, transform in _entries(part.get('pipeline'), f'{path}.pipeline'):
            _check_transform(transform, step, scope)


def _check_classes(dataset: Mapping, place: str, cls: Any) -> None:
    """The classes are a list of names, each once, or the path of a file of names."""
    metainfo = dataset.get('metainfo')
    classes = metainfo.get('classes') if isinstance(metainfo, Mapping) else None
    setting = f'{place}.metainfo.classes'
    if classes is None:
        classes = getattr(cls, 'METAINFO', {}).get('classes') or ()
        setting = f'{place}: {getattr(cls, "__name__", cls)}.METAINFO classes'
    if isinstance(classes, str):
        if '://' in classes or Path(classes).is_file():
            return
        names = tuple(name.strip() for name in classes.split(','))
        raise ValueError(
            f'{setting} is the text {classes!r}, whose letters would be the classes, and no such '
            f'file exists: write {names}, or name a file with a class a line.'
        )
    if not isinstance(classes, (list, tuple)) or not all(isinstance(n, str) for n in classes):
        raise ValueError(f"{setting} must be a list of names, e.g. ('cat',), got {classes!r}.")
    twice = [name for name in classes if classes.count(name) > 1]
    if twice:
        raise ValueError(
            f'{setting} names {twice[0]!r} twice, which would be two labels of one class: take one '
            'out.'
        )


def _check_transform(transform: Mapping, place: str, scope: str) -> None:
    """A step of a pipeline, and the steps that it chooses from."""
    cls = check_one(transform, place, TRANSFORMS, scope)
    if not (isinstance(cls, type) and issubclass(cls, _COMPOSING)):
        return
    for key in ('transforms', 'policies'):
        for path, inner in _entries(transform.get(key), f'{place}.{key}'):
            _check_transform(inner, path, scope)


def metrics_of(cfg: Config, split: str) -> Iterator[tuple[str, Mapping, Any]]:
    """(path, config, class) of the metrics of a split's evaluator, or evaluators; checked."""
    scope = cfg.get('default_scope') or 'mmdet'
    for place, part in _entries(cfg.get(f'{split}_evaluator'), f'{split}_evaluator'):
        if 'metrics' in part:
            check_one({'type': 'Evaluator', **part}, place, EVALUATOR, scope)
            entries = _entries(part['metrics'], f'{place}.metrics')
        else:
            entries = iter([(place, part)])
        for path, metric in entries:
            yield path, metric, check_one(metric, path, METRICS, scope)


def _check_meta_keys(dataset: Any, place: str, needed: Sequence[str], metric: str) -> None:
    """What a metric reads is kept by the step that packs a sample."""
    for path, part in _entries(dataset, place):
        for key in ('dataset', 'datasets'):
            _check_meta_keys(part.get(key), f'{path}.{key}', needed, metric)
        for step, transform in _entries(part.get('pipeline'), f'{path}.pipeline'):
            if str(transform.get('type')).split('.')[-1] != 'PackDetInputs':
                continue
            lacking = [key for key in needed if key not in transform.get('meta_keys', ())]
            if lacking:
                raise ValueError(
                    f'{step}.meta_keys lacks {lacking[0]!r}, which {metric} reads: add it, e.g. '
                    "meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', "
                    f'{lacking[0]!r}).'
                )


def check_one(part: Mapping, place: str, registry: Registry, scope: str) -> Any:
    """Compares one config with its class, which is returned."""
    if 'type' not in part:
        raise ValueError(f'{place} has no type: it holds {sorted(map(str, part))}.')
    kind = part['type']
    cls = kind
    if isinstance(kind, str):
        cls = looked_up(kind, registry, part.get('_scope_') or scope)
    if cls is None:
        raise ValueError(
            f'{place}.type={kind!r} is not registered.{nearest(kind, _names(registry))} A class of '
            'your own must be imported through custom_imports.'
        )
    accepted, open_ended = accepted_arguments(cls)
    if not open_ended:
        given = {name: value for name, value in part.items() if name not in _OF_MMENGINE}
        _check_names(given, place, getattr(cls, '__name__', str(cls)), accepted)
    return cls


def _check_names(
    given: Mapping, place: str, called: str, accepted: Sequence[str], what: str = 'argument'
) -> None:
    for name, value in given.items():
        shown = reprlib.repr(value)
        check_known(f'{place}.{name}={shown}: {called}', [name], accepted, what)


def looked_up(kind: str, registry: Registry, scope: str) -> Any:
    """The class registered under a name as a config of that scope writes it, or None."""
    with registry.switch_scope_and_registry(scope) as found:
        return found.get(kind)


def _names(registry: Registry) -> Iterator[str]:
    """Names as configs write them: bare in MMDetection's registry and above, else with scope."""
    yield from registry.module_dict
    for scope, child in registry.children.items():
        prefix = '' if scope == 'mmdet' else f'{scope}.'
        yield from (prefix + name for name in child.module_dict)


def _entries(setting: Any, place: str) -> Iterator[tuple[str, Mapping]]:
    """(path, config) of a config, or of the configs in a list of them or of lists."""
    if isinstance(setting, Mapping):
        yield place, setting
    elif isinstance(setting, (list, tuple)):
        for index, part in enumerate(setting):
            yield from _entries(part, f'{place}.{index}')
