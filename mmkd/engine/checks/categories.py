"""The categories of a COCO file against the classes of a config.

MMDetection's ``CocoDataset`` numbers the categories that it finds by their order in the file and
calls them by the config's list: a class that the file lacks moves the labels of those behind it,
another order gives every box of it a wrong name, a name that two categories have is two labels.
``CocoMetric`` numbers its file alike. Neither says a word.
"""

import json
import mmap
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric, LVISMetric
from mmdet.registry import DATASETS

from mmkd.settings import nearest

_KEY = re.compile(rb'"categories"\s*:\s*(?=\[)')
_WINDOW = 1 << 16


def check_categories(dataset: Any, place: str) -> None:
    """Compares the two lists, through wrappers and concatenated data sets.

    Args:
        dataset: Config of a data set, or a list of them.
        place: Its path in the config.

    Raises:
        ValueError: A class is no category of the file or the name of two, the order differs, or the
            file has no list of categories; names the setting, the lists and the remedy.
    """
    if isinstance(dataset, (list, tuple)):
        for index, part in enumerate(dataset):
            check_categories(part, f'{place}.{index}')
    if not isinstance(dataset, Mapping):
        return
    for key in ('dataset', 'datasets'):
        check_categories(dataset.get(key), f'{place}.{key}')
    kind = dataset.get('type')
    cls = DATASETS.get(kind) if isinstance(kind, str) else kind
    # A subclass that loads otherwise may number otherwise.
    if getattr(cls, 'load_data_list', None) is not CocoDataset.load_data_list:
        return
    path = Path(dataset.get('data_root') or '') / (dataset.get('ann_file') or '')
    classes = (dataset.get('metainfo') or {}).get('classes') or cls.METAINFO.get('classes')
    if dataset.get('backend_args') or isinstance(classes, str) or not path.is_file():
        return
    names = category_names(path)
    if names is None:
        raise ValueError(
            f'{place}.ann_file: {os.path.normpath(path)} has no list of categories with names, as '
            "COCO's files have: tools/check_dataset.py says what is wrong with it."
        )
    _check_named_once(tuple(classes), names, f'{place}.ann_file: {os.path.normpath(path)}')
    _compare(tuple(classes), names, f'{place}.metainfo.classes', os.path.normpath(path), cls)


def check_metric_categories(
    metric: Mapping, place: str, cls: Any, classes: tuple[str, ...], setting: str
) -> None:
    """Compares the classes of the evaluated data with the categories of a metric's own file.

    Args:
        metric: Config of a metric.
        place: Its path in the config.
        cls: Its class.
        classes: Names of the data set.
        setting: Where they are set.

    Raises:
        ValueError: As of :func:`check_categories`.
    """
    path = Path(str(metric.get('ann_file') or ''))
    names = category_names(path) if path.suffix == '.json' and path.is_file() else None
    if names is None or metric.get('backend_args'):
        return
    _check_named_once(classes, names, f'{place}.ann_file: {os.path.normpath(path)}')
    by_file = issubclass(cls, CocoMetric) and not issubclass(cls, LVISMetric)
    if by_file and not metric.get('sort_categories'):
        _compare(classes, names, setting, os.path.normpath(path), cls)


def _check_named_once(classes: tuple[str, ...], names: list[str], file: str) -> None:
    twice = next((name for name in classes if names.count(name) > 1), None)
    if twice is not None:
        both = ' and '.join(f'categories[{i}]' for i, name in enumerate(names) if name == twice)
        raise ValueError(
            f'{file}: {both} are both called {twice!r}, and each would have a label of its own: '
            'rename or remove the one without boxes.'
        )


def _compare(
    classes: tuple[str, ...], names: list[str], setting: str, path: str, reader: type
) -> None:
    missing = [name for name in classes if name not in names]
    if missing:
        raise ValueError(
            f'{setting} has {missing[:5]}, no categories of {path}: they would have no object, and '
            f'the labels of classes behind them would move.{nearest(missing[0], names)} The file '
            f'has {names[:80]}. Correct the name, take it out, or add the category to the file.'
        )
    taken = tuple(name for name in names if name in classes)
    if taken != classes:
        first = next(i for i, name in enumerate(taken) if (*classes, None)[i] != name)
        raise ValueError(
            f'{setting} has another order than the categories of {path}: {reader.__name__} numbers '
            f'by the file, so label {first}, called {classes[first]!r}, would be {taken[first]!r}. '
            f'Set classes={taken}.'
        )


def category_names(path: Path) -> list[str] | None:
    """Names of a COCO file's categories in their order; None where it has no list of them.

    The list alone is read, if it is to be found: a file of a large set takes many seconds to read.
    """
    try:
        with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            places = [found.end() for found in _KEY.finditer(text)]
            one = len(places) == 1
            entries = _decoded(text, places[0]) if one else json.loads(text[:])['categories']
        return [entry['name'] for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _decoded(text: mmap.mmap, start: int) -> Any:
    """The JSON value that begins there, read in a window that grows until it holds it."""
    window = _WINDOW
    while True:
        part = text[start : start + window].decode('utf-8', 'ignore')
        try:
            return json.JSONDecoder().raw_decode(part)[0]
        except ValueError:
            if start + window >= len(text):
                raise
        window *= 8
