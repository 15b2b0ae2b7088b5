"""Class names in checkpoints, wherever a version of MMDetection wrote them.

MMDetection 2 writes ``meta.CLASSES``, 3.0.0rc ``meta.dataset_meta.CLASSES``, 3 ``classes`` there.

Removable when files of the first two are no longer taken.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class ClassDifference(NamedTuple):
    """How the classes of a checkpoint and of data differ."""

    reordered: bool  # whether they are the same names in another order
    text: str  # both lists, in words that follow the name of the checkpoint


def class_names(checkpoint: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The classes that a checkpoint's weights were trained on, by label; None where it has none."""
    meta = checkpoint.get('meta')
    for place in (meta.get('dataset_meta'), meta) if isinstance(meta, Mapping) else ():
        for key in ('classes', 'CLASSES'):
            names = place.get(key) if isinstance(place, Mapping) else None
            if isinstance(names, (list, tuple)) and names and all(type(n) is str for n in names):
                return tuple(names)
    return None


def class_difference(
    trained: Sequence[str], data: Sequence[str], where: str = 'the training data'
) -> ClassDifference | None:
    """Compares the names of a checkpoint with those of data, label by label; None: they agree.

    ``where`` is what to call the data set.
    """
    trained, data = tuple(trained), tuple(data)
    if trained == data:
        return None
    reordered = sorted(trained) == sorted(data)
    text = f'was trained on the classes {trained}, {where} has {data}'
    if reordered:
        label = next(i for i, name in enumerate(trained) if name != data[i])
        text += (
            f', the same names in another order: label {label} is {trained[label]!r} there and '
            f'{data[label]!r} here'
        )
    return ClassDifference(reordered, text)
