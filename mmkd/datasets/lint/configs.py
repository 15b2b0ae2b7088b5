"""The data sets of a config, as the linter reads them."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from mmdet.datasets import CocoDataset, XMLDataset
from mmdet.registry import DATASETS

from ..kitti import KITTIDataset
from ..reading import read_lines
from ..voc_folder import VOCFolderDataset
from .coco import check_coco_file, read_coco
from .readers import read_kitti, read_voc
from .records import Box, Record, Split

SPLITS = ('train', 'val', 'test')


def splits_of_config(cfg: Mapping[str, Any], names: Sequence[str] = SPLITS) -> list[Split]:
    """The splits of a config's data loaders; where test is val it is read once.

    Data sets of VOC, COCO and KITTI are read from their files, so that what their classes skip or
    refuse is seen; any other is built, and what it holds is looked at.

    Args:
        cfg: The config.
        names: Of ``'train'``, ``'val'``, ``'test'``: loaders to look at.

    Raises:
        ValueError: No loader is there, or a data set cannot be built.
        FileNotFoundError: A split file does not exist.
    """
    splits: list[Split] = []
    done: list[tuple] = []
    for name in names:
        dataset = (cfg.get(f'{name}_dataloader') or {}).get('dataset')
        for part in _parts(dataset):
            key = (
                part.get('type'),
                part.get('data_root'),
                part.get('ann_file'),
                repr(part.get('data_prefix')),
            )
            if key not in done:
                splits.append(_read(part, name))
            if name != 'train':  # to validate on what was trained on is worth a finding
                done.append(key)
    if not splits:
        raise ValueError(f'the config has no data set under {[f"{n}_dataloader" for n in names]}.')
    return splits


def check_coco_files(cfg: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuses COCO files that would stop a run or mislead it; each is read once.

    They are the files of data sets that ``CocoDataset`` loads, and those of mmkd's and
    MMDetection's ``CocoMetric``. Another storage than the local disk is not looked at.

    Args:
        cfg: The config.
        names: Of ``'train'``, ``'val'``, ``'test'``: what the run will read.

    Raises:
        ValueError: Lists what is wrong with a file, or which of its images are missing.
    """
    files: dict[str, str | None] = {}
    for name in names:
        evaluator = cfg.get(f'{name}_evaluator')
        for metric in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator or {}]:
            kind = metric.get('type')
            kind = getattr(kind, '__name__', str(kind)).split('.')[-1]
            if kind == 'CocoMetric' and metric.get('ann_file') and not metric.get('backend_args'):
                files[os.path.normpath(metric['ann_file'])] = None
    for name in names:
        for part in _parts((cfg.get(f'{name}_dataloader') or {}).get('dataset')):
            reader = getattr(_class(part), 'load_data_list', None)
            if reader is CocoDataset.load_data_list and not part.get('backend_args'):
                files[os.path.normpath(_path(part, part.get('ann_file')))] = _coco_images(part)
    for file, images in files.items():
        check_coco_file(file, images)


def _parts(dataset: Any) -> Iterator[Mapping[str, Any]]:
    """The data sets inside wrappers and concatenations."""
    if isinstance(dataset, (list, tuple)):
        for part in dataset:
            yield from _parts(part)
    elif isinstance(dataset, Mapping):
        inner = dataset.get('dataset') or dataset.get('datasets')
        if inner is not None:
            yield from _parts(inner)
        else:
            yield dataset


def _read(config: Mapping[str, Any], name: str) -> Split:
    """One data set, by the reader of its class."""
    cls = _class(config)
    if cls is None:
        raise ValueError(f'data set type {config.get("type")!r} is not registered.')
    # A subclass that loads otherwise has another layout.
    readers: dict[Any, Callable[[Mapping[str, Any], str, type], Split]] = {
        XMLDataset.load_data_list: _voc,
        VOCFolderDataset.load_data_list: _voc,
        CocoDataset.load_data_list: _coco,
        KITTIDataset.load_data_list: _kitti,
    }
    try:
        return readers.get(cls.load_data_list, _any)(config, name, cls)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{name}_dataloader.dataset.ann_file: {error}') from None


def _class(config: Mapping[str, Any]) -> Any:
    """The class of a data set, None where it is not registered."""
    kind = config.get('type')
    return DATASETS.get(kind) if isinstance(kind, str) else kind


def _path(config: Mapping[str, Any], part: str | None) -> str:
    return os.path.join(config.get('data_root') or '', part or '')


def _classes(config: Mapping[str, Any], cls: Any) -> tuple[str, ...] | None:
    return (config.get('metainfo') or {}).get('classes') or cls.METAINFO.get('classes')


def _voc(config: Mapping[str, Any], name: str, cls: type) -> Split:
    prefix = (config.get('data_prefix') or {}).get('sub_data_root', '')
    return read_voc(
        _path(config, prefix),
        _path(config, config.get('ann_file', 'ImageSets/Main/train.txt')),
        name=name,
        classes=_classes(config, cls),
        ignore_classes=config.get('ignore_classes', ()),
        img_subdir=config.get('img_subdir', 'JPEGImages'),
        ann_subdir=config.get('ann_subdir', 'Annotations'),
        img_suffix=config.get('img_suffix', '.jpg'),
    )


def _coco_images(config: Mapping[str, Any]) -> str:
    return _path(config, (config.get('data_prefix') or {}).get('img'))


def _coco(config: Mapping[str, Any], name: str, cls: type) -> Split:
    # Categories that are not among the classes are left out by CocoDataset on purpose.
    split = read_coco(_path(config, config.get('ann_file')), _coco_images(config), name=name)
    wanted = tuple(_classes(config, cls) or ())
    taken = tuple(category for category in split.classes or () if category in wanted)
    # CocoDataset numbers them by the file and calls them by the config.
    for label, (called, real) in enumerate(zip_longest(wanted, taken)):
        if called != real:
            found = 'nothing' if real is None else repr(real)
            detail = f'label {label} is called {called!r}, it is {found}'
            split.faults.append(('class-order', detail))
            break
    return split


def _kitti(config: Mapping[str, Any], name: str, cls: type) -> Split:
    file = _path(config, config.get('ann_file', 'ImageSets/train.txt'))
    prefix = config.get('data_prefix') or {}
    return read_kitti(
        _path(config, prefix.get('img', 'training/image_2')),
        _path(config, prefix.get('label', 'training/label_2')),
        read_lines(file),
        name=name,
        source=file,
        img_suffix=config.get('img_suffix', '.png'),
        with_labels=config.get('with_labels', True),
    )


def _any(config: Mapping[str, Any], name: str, cls: type) -> Split:
    """What a data set of another layout holds once it is built."""
    try:
        dataset = DATASETS.build({**config, 'pipeline': [], 'test_mode': True, 'lazy_init': False})
    except Exception as error:
        raise ValueError(f'{name}_dataloader.dataset cannot be built: {error}') from error
    classes = tuple(dataset.metainfo.get('classes') or ())
    records = [_record(dataset.get_data_info(i), classes) for i in range(len(dataset))]
    return Split(name, records, classes or None, source=dataset.ann_file)


def _record(info: Mapping[str, Any], classes: Sequence[str]) -> Record:
    boxes = []
    for instance in info.get('instances') or ():
        label = instance['bbox_label']
        known = 0 <= label < len(classes)
        x1, y1, x2, y2 = instance['bbox']
        boxes.append(Box(classes[label] if known else f'label {label}', (x1, y1, x2, y2)))
    size = (info['width'], info['height']) if 'width' in info else None
    return Record(info['img_path'], info['img_path'], size, boxes)
