"""The data sets of a config, as the linter reads them."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from mmdet.datasets import CocoDataset, XMLDataset
from mmdet.evaluation import CocoMetric, LVISMetric
from mmdet.registry import DATASETS, METRICS
from mmengine.registry import Registry

from mmkd.utils.types import Entries, Setting

from ...utils.coco_classes import compare_classes, first_mismatch
from ...utils.config_walk import configs_in, datasets_of, is_remote
from ...utils.errors import UserError, UserFileNotFoundError
from ..kitti import KITTIDataset
from ..reading import read_lines
from ..voc_folder import VOCFolderDataset
from .coco import category_names, check_coco_file, read_coco
from .readers import read_kitti, read_voc
from .records import Box, Record, Split

SPLITS = ('train', 'val', 'test')


def splits_of_config(cfg: Setting, names: Sequence[str] = SPLITS) -> list[Split]:
    """The splits of a config's data loaders; where test is val it is read once.

    Data sets of VOC, COCO and KITTI are read from their files, so that what their classes skip or
    refuse is seen; any other is built, and what it holds is looked at.
    """
    splits: list[Split] = []
    done: list[list[str]] = []
    for name in names:
        for _, part in datasets_of(cfg, name):
            if any(part.get(key) for key in ('dataset', 'datasets', 'labelled')):
                continue  # a wrapper
            where = ('type', 'data_root', 'ann_file', 'data_prefix')
            key = [repr(part.get(setting)) for setting in where]
            if key not in done:
                splits.append(_read(part, name))
            if name != 'train':  # to validate on what was trained on is worth a finding
                done.append(key)
    if not splits:
        raise UserError(f'the config has no data set under {[f"{n}_dataloader" for n in names]}.')
    return splits


def check_coco_files(cfg: Setting, names: Sequence[str]) -> None:
    """Refuses COCO files that would stop a run or mislead it.

    They are the files of data sets that ``CocoDataset`` loads, and those of metrics. MMDetection
    numbers the categories that it finds by their order in the file and calls them by the config's
    list, without a word. Another storage than the local disk is not looked at.
    """
    read: dict[str, tuple[str, ...]] = {}
    for name in names:
        known = []
        for place, part in datasets_of(cfg, name):
            cls, file = _class(part), _path(part, part.get('ann_file'))
            setting, classes = f'{place}.metainfo.classes', classes_of(part)
            if classes is not None:
                known.append((setting, classes))
            # A subclass that loads otherwise may number otherwise.
            reader = getattr(cls, 'load_data_list', None)
            if reader is CocoDataset.load_data_list and not is_remote(part, file):
                file = os.path.normpath(file)
                read[file] = check_coco_file(file, _coco_images(part))
                compare_classes(setting, classes or (), f'{place}.ann_file={file}', read[file])
        evaluator = cfg.get(f'{name}_evaluator')
        for place, metric in configs_in(evaluator, f'{name}_evaluator', ('metrics',)):
            cls, file = _class(metric, METRICS), metric.get('ann_file') or ''
            if is_remote(metric, file) or not file:
                continue
            file = os.path.normpath(file)
            by_file = issubclass(cls or object, CocoMetric) and not issubclass(cls, LVISMetric)
            if by_file and file not in read:
                read[file] = check_coco_file(file)
            categories = read[file] if by_file else category_names(file)
            numbered = by_file and not metric.get('sort_categories')
            for setting, classes in known:
                compare_classes(setting, classes, f'{place}.ann_file={file}', categories, numbered)


def classes_of(dataset: Setting) -> tuple[str, ...] | None:
    """The classes of a data set's config or class; None where a file or building names them."""
    own = getattr(_class(dataset), 'METAINFO', {}).get('classes')
    classes = (dataset.get('metainfo') or {}).get('classes') or own
    return tuple(classes) if isinstance(classes, (list, tuple)) else None


def _read(config: Setting, name: str) -> Split:
    """One data set, by the reader of its class."""
    cls = _class(config)
    if cls is None:
        raise UserError(f'data set type {config.get("type")!r} is not registered.')
    # A subclass that loads otherwise has another layout.
    readers: dict[object, Callable[[Setting, str], Split]] = {
        XMLDataset.load_data_list: _voc,
        VOCFolderDataset.load_data_list: _voc,
        CocoDataset.load_data_list: _coco,
        KITTIDataset.load_data_list: _kitti,
    }
    try:
        return readers.get(cls.load_data_list, _any)(config, name)
    except FileNotFoundError as error:
        raise UserFileNotFoundError(f'{name}_dataloader.dataset.ann_file: {error}') from None


def _class(config: Setting, registry: Registry = DATASETS) -> Any:
    """The class of a config, None where it is not registered."""
    kind = config.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def _path(config: Setting, part: str | None) -> str:
    return os.path.join(config.get('data_root') or '', part or '')


def _given(config: Setting, *keys: str) -> Entries:
    return {key: config[key] for key in keys if key in config}


def _voc(config: Setting, name: str) -> Split:
    prefix = (config.get('data_prefix') or {}).get('sub_data_root', '')
    return read_voc(
        _path(config, prefix),
        _path(config, config.get('ann_file', 'ImageSets/Main/train.txt')),
        name=name,
        classes=classes_of(config),
        **_given(config, 'ignore_classes', 'img_subdir', 'ann_subdir', 'img_suffix'),
    )


def _coco_images(config: Setting) -> str:
    return _path(config, (config.get('data_prefix') or {}).get('img'))


def _coco(config: Setting, name: str) -> Split:
    # Categories that are not among the classes are left out by CocoDataset on purpose.
    split = read_coco(_path(config, config.get('ann_file')), _coco_images(config), name=name)
    if found := first_mismatch(classes_of(config) or (), split.classes or ()):
        label, called, real = found
        it_is = 'nothing' if real is None else repr(real)
        split.faults.append(('class-order', f'label {label} is called {called!r}, it is {it_is}'))
    return split


def _kitti(config: Setting, name: str) -> Split:
    file = _path(config, config.get('ann_file', 'ImageSets/train.txt'))
    prefix = config.get('data_prefix') or {}
    return read_kitti(
        _path(config, prefix.get('img', 'training/image_2')),
        _path(config, prefix.get('label', 'training/label_2')),
        read_lines(file),
        name=name,
        source=file,
        **_given(config, 'img_suffix', 'with_labels'),
    )


def _any(config: Setting, name: str) -> Split:
    """What a data set of another layout holds once it is built."""
    try:
        dataset = DATASETS.build({**config, 'pipeline': [], 'test_mode': True, 'lazy_init': False})
    except Exception as error:
        raise UserError(f'{name}_dataloader.dataset cannot be built: {error}') from error
    classes = tuple(dataset.metainfo.get('classes') or ())
    records = [_record(dataset.get_data_info(i), classes) for i in range(len(dataset))]
    return Split(name, records, classes or None, source=dataset.ann_file)


def _record(info: Setting, classes: Sequence[str]) -> Record:
    names = dict(enumerate(classes))
    boxes = [
        Box(names.get(one['bbox_label'], f'label {one["bbox_label"]}'), tuple(one['bbox']))
        for one in info.get('instances') or ()
    ]
    size = (info['width'], info['height']) if 'width' in info else None
    return Record(info['img_path'], info['img_path'], size, boxes)
