"""The README's table of methods, from the registry, so that it cannot go stale."""

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmkd.registry import FIELDS, MODELS

_MARKS = '<!-- methods -->\n', '<!-- /methods -->\n'
_ANY = {'features', 'backbone', 'priors', 'proposals'}
_HELPERS = {'bbox_coder', 'rpn_bbox_coder', 'dense_bbox_coder', 'priors'}


def methods() -> list[type]:
    """The registered methods, by name."""
    base = sys.modules['mmkd.methods'].DistillMethod
    kinds = set(MODELS.module_dict.values())
    found = [k for k in kinds if issubclass(k, base) and k.__module__.startswith('mmkd.methods')]
    return sorted(found, key=lambda kind: kind.__name__.lower())


def table(root: Path, effects: Mapping[str, Sequence[str]]) -> str:
    """Markdown: method, paper, what it reads, which detectors, config, measured effect.

    Args:
        root: The repository.
        effects: What studies say of a method, lines by its class.
    """
    rows = [
        '| method | paper | compares | detectors | config | mAP over the student alone |',
        '|---|---|---|---|---|---|',
    ]
    for kind in methods():
        rows.append(f'{_row(kind, root)} {"<br>".join(effects.get(kind.__name__, ()))} |')
    return '\n'.join(rows) + '\n'


def facts(kind: type) -> tuple[str, str, str]:
    """A method's paper, what it compares, and which detectors it takes, in words."""
    paper = (sys.modules[kind.__module__].__doc__ or '').strip().rstrip('.')
    method = kind()
    fields = method.student_fields | method.teacher_fields
    words = sorted({FIELDS.get(_registered(field)).words for field in fields - _HELPERS})
    return paper, ', '.join(words), 'any' if fields <= _ANY else 'with these heads'


def _row(kind: type, root: Path) -> str:
    file = Path(inspect.getfile(kind)).stem
    paper, compared, detectors = facts(kind)
    page, config = Path(f'docs/methods/{file}.md'), Path(f'configs/{file}_faster_rcnn_r50_voc.py')
    if not (root / config).exists():
        config = next(root.glob(f'configs/{file}_*.py'), root / config).relative_to(root)
    if not (root / page).exists():  # parts of another method
        page = Path('docs/methods/chen2017.md')
    named = f'[config]({config})' if (root / config).exists() else '`--method`'
    return f'| [`{kind.__name__}`]({page}) | {paper} | {compared} | {detectors} | {named} |'


def _registered(field: str) -> str:
    return next(name for name, kind in FIELDS.module_dict.items() if kind.name == field)


def with_table(text: str, root: Path, effects: Mapping[str, Sequence[str]]) -> str:
    """The text of a page with the table between its marks made anew."""
    first, last = (re.escape(mark) for mark in _MARKS)
    fresh = _MARKS[0] + table(root, effects) + _MARKS[1]
    return re.sub(f'{first}.*{last}', lambda _: fresh, text, flags=re.DOTALL)
