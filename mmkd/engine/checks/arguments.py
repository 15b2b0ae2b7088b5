"""Names in configs of models, data and metrics: a mistyped one is refused with its path.

MMEngine calls constructors with what a config holds, late (the evaluator after the training data
is read) and with Python's own error. Here signatures are compared first.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcv.transforms import Compose, KeyMapper, RandomApply, RandomChoice, TestTimeAug
from mmdet.datasets import CocoDataset, XMLDataset
from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor, BaseModule
from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    EVALUATOR,
    METRICS,
    MODELS,
    TRANSFORMS,
    Registry,
)
from torch.utils.data import DataLoader

from mmkd.settings import accepted_arguments, check_entries, nearest
from mmkd.utils.config_walk import configs_in, datasets_of, type_name
from mmkd.utils.errors import UserError

_OF_RUNNER = ('num_batch_per_epoch', 'disable_subprocess_warning')
_PARTS = ('backbone', 'neck', 'rpn_head', 'roi_head', 'bbox_head', 'mask_head', 'student')
"""Settings that hold a part of a detector, whose type must be known."""
_COMPOSING = (Compose, KeyMapper, RandomApply, RandomChoice, TestTimeAug)
"""Steps that build others from the same registry; albumentations' have names of their own."""
_FILTERS = {
    CocoDataset.filter_data: ('filter_empty_gt', 'min_size'),
    XMLDataset.filter_data: ('filter_empty_gt', 'min_size', 'bbox_min_size'),
}
"""Keys of ``filter_cfg`` that MMDetection's classes read; they pass over others in silence."""


def check_model(cfg: Config) -> None:
    """Refuses parts of ``cfg.model`` of an unknown type, and names that their classes do not take.

    Parts are modules of MMEngine's kind. Layers (``norm_cfg``, ``conv_cfg``), losses and assigners
    are left to their builders, which add or remove arguments of their own.
    """
    scope = _scope(cfg)
    for place, part in configs_in(cfg.get('model'), 'model', None):
        if 'type' not in part:
            continue
        cls = _class(part, MODELS, scope)
        checked = isinstance(cls, type) and issubclass(cls, (BaseModule, BaseDataPreprocessor))
        if checked or (cls is None and place.rsplit('.', 1)[-1] in _PARTS):
            _check_one(part, place, MODELS, scope)


def check_arguments(cfg: Config, splits: Sequence[str]) -> None:
    """Compares loaders, data sets, pipelines, samplers and metrics with what their classes take.

    A class that does something of its own with further arguments may be given any. Splits are those
    of ``'train'``, ``'val'``, ``'test'`` that the run will read.

    Raises:
        UserError: A type is not registered, a name is none of its class's, the classes of a data
            set are no list of names, or a pipeline drops what a metric reads.
    """
    scope = _scope(cfg)
    for split in splits:
        loader, place = cfg.get(f'{split}_dataloader'), f'{split}_dataloader'
        if isinstance(loader, Mapping):
            accepted = [*accepted_arguments(DataLoader)[0], *_OF_RUNNER]
            check_entries(place, loader, 'the loader', accepted)
            for key in ('sampler', 'batch_sampler'):
                for path, sampler in configs_in(loader.get(key), f'{place}.{key}'):
                    _check_one(sampler, path, DATA_SAMPLERS, scope)
        needed = [
            (key, path)
            for path, metric, cls in metrics_of(cfg, split)
            for key in getattr(cls, 'needed_meta_keys', lambda config: ())(metric)
        ]
        for path, dataset in datasets_of(cfg, split, with_unlabelled=True):
            _check_dataset(dataset, path, scope)
            for step, transform in configs_in(dataset.get('pipeline'), f'{path}.pipeline'):
                _check_transform(transform, step, scope)
                if type_name(transform) == 'PackDetInputs':
                    _check_packed(transform, step, needed)


def metrics_of(cfg: Config, split: str) -> Iterator[tuple[str, Mapping, Any]]:
    """(path, config, class) of the metrics of a split's evaluator, or evaluators; checked."""
    scope, place = _scope(cfg), f'{split}_evaluator'
    for path, part in configs_in(cfg.get(place), place, ('metrics',)):
        if 'metrics' in part:
            _check_one({'type': 'Evaluator', **part}, path, EVALUATOR, scope)
        else:
            yield path, part, _check_one(part, path, METRICS, scope)


def _check_dataset(dataset: Mapping, place: str, scope: str) -> None:
    cls = _check_one(dataset, place, DATASETS, scope)
    known = _FILTERS.get(getattr(cls, 'filter_data', None)) or getattr(cls, 'FILTER_KEYS', None)
    if known and isinstance(dataset.get('filter_cfg'), Mapping):
        check_entries(f'{place}.filter_cfg', dataset['filter_cfg'], 'filter_cfg', known, 'key')
    metainfo = dataset.get('metainfo')
    classes = metainfo.get('classes') if isinstance(metainfo, Mapping) else None
    setting = f'{place}.metainfo.classes'
    if classes is None:
        classes = getattr(cls, 'METAINFO', {}).get('classes') or ()
        setting = f'{place}: {getattr(cls, "__name__", cls)}.METAINFO classes'
    if isinstance(classes, str):
        if '://' not in classes and not Path(classes).is_file():
            problem = 'whose letters would be the classes, and no such file exists'
            names = tuple(name.strip() for name in classes.split(','))
            remedy = f'write {names}, or name a file with one class per line'
            raise UserError(setting, f'is the text {classes!r}, {problem}', remedy)
    elif not isinstance(classes, (list, tuple)) or not all(isinstance(n, str) for n in classes):
        raise UserError(setting, f"must be a list of names, e.g. ('cat',), got {classes!r}")
    elif twice := [name for name in classes if classes.count(name) > 1]:
        problem = f'names {twice[0]!r} twice, which would be two labels of one class'
        raise UserError(setting, problem, 'take one out')


def _check_transform(transform: Mapping, place: str, scope: str) -> None:
    """A step of a pipeline, and the steps that it chooses from."""
    cls = _check_one(transform, place, TRANSFORMS, scope)
    if isinstance(cls, type) and issubclass(cls, _COMPOSING):
        for key in ('transforms', 'policies'):
            for path, inner in configs_in(transform.get(key), f'{place}.{key}'):
                _check_transform(inner, path, scope)


def _check_packed(transform: Mapping, place: str, needed: Sequence[tuple[str, str]]) -> None:
    for key, metric in needed:
        if key not in transform.get('meta_keys', ()):
            usual = "'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'"
            remedy = f'add it, e.g. meta_keys=({usual}, {key!r})'
            raise UserError(f'{place}.meta_keys', f'lacks {key!r}, which {metric} reads', remedy)


def _check_one(part: Mapping, place: str, registry: Registry, scope: str) -> Any:
    """Compares one config with its class, which is returned."""
    if 'type' not in part:
        raise UserError(place, f'has no type: it holds {sorted(map(str, part))}')
    cls = _class(part, registry, scope)
    if cls is None:
        near = nearest(part['type'], _names(registry))
        own = 'A class of your own must be imported through custom_imports'
        raise UserError(f'{place}.type={part["type"]!r} is not registered.{near} {own}.')
    given = {name: value for name, value in part.items() if name not in ('type', '_scope_')}
    accepted, others = accepted_arguments(cls)
    check_entries(place, given, getattr(cls, '__name__', str(cls)), accepted, others=others)
    return cls


def _scope(cfg: Config) -> str:
    return cfg.get('default_scope') or 'mmdet'


def _class(part: Mapping, registry: Registry, scope: str) -> Any:
    """The class of a config, None where a config of that scope cannot name it so."""
    if not isinstance(part['type'], str):
        return part['type']
    with registry.switch_scope_and_registry(part.get('_scope_') or scope) as found:
        return found.get(part['type'])


def _names(registry: Registry) -> Iterator[str]:
    """Names as configs write them: bare in MMDetection's registry and above, else with scope."""
    yield from registry.module_dict
    for scope, child in registry.children.items():
        prefix = '' if scope == 'mmdet' else f'{scope}.'
        yield from (prefix + name for name in child.module_dict)
