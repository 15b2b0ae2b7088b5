"""What there is to distil with: methods, pairs and data sets, and what each needs."""

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from mmkd.compat.scope import config_folder
from mmkd.datasets.download import CATALOGUE
from mmkd.engine.commands.methods_table import facts, methods
from mmkd.utils import snake_case
from mmkd.utils.config_walk import datasets_of

_BASES = re.compile(r"^_base_ = (\[.*?\]|'[^']*')", re.MULTILINE | re.DOTALL)
_TEACHER = re.compile(r"\bconfig='[^']*?(\w+)\.py'")
_CHECKPOINT = re.compile(r"\bcheckpoint ?= ?'([^']+)'")


class Entry(NamedTuple):
    """One thing of a list.

    Attributes:
        name: As command lines take it.
        what: One sentence.
        needs: What must be there to use it.
    """

    name: str
    what: str
    needs: str


def list_methods() -> Iterator[Entry]:
    """What ``--method`` takes."""
    for kind in methods():
        paper, compared, detectors = facts(kind)
        heads = 'any detectors' if detectors == 'any' else 'detectors with these heads'
        yield Entry(snake_case(kind.__name__), paper, f'{compared}; {heads}')


def list_pairs() -> Iterator[Entry]:
    """The files of ``configs/pairs/``, with their data and teachers' checkpoints.

    They are read as text: MMEngine takes a second for each.
    """
    for file in sorted((config_folder() / 'pairs').glob('*.py')):
        texts = {one: one.read_text(encoding='utf-8') for one in _with_bases(file)}
        data = next((one.stem for one in texts if one.parent.name == 'datasets'), 'of its base')
        teacher = _first(_TEACHER, texts.values())
        weights = _seen(_first(_CHECKPOINT, texts.values()))
        needs = f'data set {data}; teacher {teacher} from {weights}'
        yield Entry(f'mmkd::pairs/{file.name}', _first_line(file), needs)


def _with_bases(file: Path) -> Iterator[Path]:
    yield file
    found = _BASES.search(file.read_text(encoding='utf-8'))
    given = ast.literal_eval(found[1]) if found else []
    for base in [given] if isinstance(given, str) else given:
        if '::' not in base:
            yield from _with_bases((file.parent / base).resolve())


def _first(pattern: re.Pattern[str], texts: Iterable[str]) -> str:
    return next(found[1] for text in texts if (found := pattern.search(text)))


def list_datasets() -> Iterator[Entry]:
    """The data sets of the configs with their folders, and those that can be downloaded."""
    for file in sorted((config_folder() / '_base_' / 'datasets').glob('*.py')):
        needs = _data_of(Config.fromfile(file))
        if needs:
            yield Entry(f'mmkd::_base_/datasets/{file.name}', _first_line(file), needs)
    for name, entry in CATALOGUE.items():
        yield Entry(name, entry.title, f'mmkd download {name} --unpack')


LISTS: dict[str, Callable[[], Iterator[Entry]]] = dict(
    methods=list_methods, pairs=list_pairs, datasets=list_datasets
)


def _data_of(config: Config) -> str:
    roots = [one.get('data_root') for _, one in datasets_of(config, 'train')]
    return ', '.join(_seen(root) for root in dict.fromkeys(filter(None, roots)))


def _seen(path: str) -> str:
    absent = '://' not in path and not os.path.exists(path)
    return f'{path} (not there)' if absent else path


def _first_line(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or ''
    return text.partition('\n')[0]
