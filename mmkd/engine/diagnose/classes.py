"""Teacher and data call the same things by the same labels."""

from collections.abc import Sequence

import numpy as np

from mmkd.distiller import TeacherLike

from .check import Check, State, judge
from .scores import Score

_ENOUGH = 5
"""Objects of a class that the teacher must have found before its labels are judged."""

_REMEDY = (
    "set metainfo=dict(classes=...) of the data to the teacher's list in the teacher's order, or "
    'train the teacher on the list of the data'
)


def check_class_names(role: str, teacher: TeacherLike, classes: Sequence[str]) -> Check:
    """Names in a teacher's checkpoint against those of the data."""
    name = _named('class names', role)
    known = teacher.classes
    if known is None:
        return Check(name, State.INFO, f'the checkpoint of {role} names no classes')
    if tuple(known) == tuple(classes):
        return Check(name, State.OK, f'{len(classes)}, in the same order')
    if teacher.specialist is not None and set(known) <= set(classes):
        return Check(name, State.OK, f'a specialist for {list(known)}')
    differing = [
        f'label {label} is {own!r} in the data and {other!r} for {role}'
        for label, (own, other) in enumerate(zip(classes, known, strict=False))
        if own != other
    ]
    counts = f'{len(classes)} in the data and {len(known)} for {role}'
    return Check(name, State.FINDING, differing[0] if differing else counts, _REMEDY)


def check_confusion(role: str, teacher: Score, classes: Sequence[str]) -> Check:
    """Whether a teacher finds the objects of a class and mostly calls them something else.

    This sees another class order where the checkpoint names no classes.
    """
    name, table = _named('class order', role), teacher.confusion
    total = 0 if table is None else int(table.sum())
    if table is None or total < _ENOUGH:
        text = f'not run: the teacher found {total} annotated objects of the sample'
        return Check(name, State.SKIPPED, text)
    wrong = []
    for label, row in enumerate(table):
        called = int(row.argmax())
        if row.sum() >= _ENOUGH and called != label and row[called] > row.sum() / 2:
            true, other = (
                repr(classes[i]) if i < len(classes) else f'label {i}' for i in (label, called)
            )
            wrong.append(f'{true} is called {other} in {row[called]} of {row.sum()} cases')
    text = f'{int(np.trace(table))} of {total} objects found are called by their name'
    return judge(name, not wrong, '; '.join(wrong) or text, _REMEDY)


def _named(what: str, role: str) -> str:
    return what if role == 'the teacher' else f'{what} of {role}'
