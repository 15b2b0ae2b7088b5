"""The classes of a config against the categories of a COCO file, which number the labels."""

from collections.abc import Sequence
from itertools import zip_longest

from ..settings import nearest
from .errors import UserError

Mismatch = tuple[int, str | None, str | None]


def first_mismatch(classes: Sequence[str], categories: Sequence[str]) -> Mismatch | None:
    """(label, its name among the classes, among the categories) of the first that differ.

    Categories that are not among the classes are left out, as CocoDataset does.
    """
    pairs = zip_longest(classes, [name for name in categories if name in classes])
    return next(((label, *pair) for label, pair in enumerate(pairs) if pair[0] != pair[1]), None)


def compare_classes(
    setting: str, classes: Sequence[str], file: str, names: Sequence[str], numbered: bool = True
) -> None:
    """Refuses classes that the categories of a COCO file would give other labels.

    ``setting`` says where the classes are set, ``file`` which file has the categories ``names`` and
    what names it. Where the reader does not number by the file (``numbered``), a category named
    twice is all that counts.
    """
    found = first_mismatch(classes, names)
    if found is None:
        return
    twice = next((name for name in classes if names.count(name) > 1), None)
    if twice is not None:
        both = ' and '.join(f'categories[{i}]' for i, name in enumerate(names) if name == twice)
        problem = f'are both called {twice!r}, and each would have a label of its own'
        raise UserError(f'{file}: {both}', problem, 'rename or remove the one without boxes')
    if not numbered:
        return
    missing = [name for name in classes if name not in names]
    if missing:
        raise UserError(
            setting,
            f'has {missing[:5]}, no categories of {file}, so the labels of classes behind them '
            f'would move.{nearest(missing[0], names)} The file has {list(names[:80])}',
            'correct the name, take it out, or add the category to the file',
        )
    label, called, real = found
    raise UserError(
        setting,
        f'has another order than the categories of {file}, by which labels are numbered: label '
        f'{label}, called {called!r}, would be {real!r}',
        f'set classes={tuple(name for name in names if name in classes)}',
    )
