"""The teacher sees the pixels that it was trained on."""

import ast
from collections.abc import Mapping
from typing import Any

from mmkd.compat import load_checkpoint_file
from mmkd.distiller import Distiller, PairLike, TeacherLike
from mmkd.utils.types import Entries, Setting

from .check import Check, State, judge


def check_conversion(model: Distiller, role: str, pair: PairLike) -> Check:
    """Whether the images are converted for a teacher, which messages call ``role``."""
    name = f'preprocessing of student and {role.removeprefix("the ")}'
    if pair.converter is None:
        return Check(name, State.OK, 'mean, std, channel order and padding are the same')
    student = _described(_of_module(model.data_preprocessor))
    teacher = _described(_of_module(pair.teacher.model.data_preprocessor))
    return Check(
        name, State.INFO, f'student: {student}; teacher: {teacher}: images are converted exactly'
    )


def check_record(model: Distiller, role: str, teacher: TeacherLike) -> Check:
    """A teacher's config against what its checkpoint says it was trained with."""
    name = f'preprocessing of {role}'
    if teacher.checkpoint is None:
        return Check(name, State.INFO, 'it has no checkpoint, its weights come from init_cfg')
    meta = load_checkpoint_file(teacher.checkpoint, map_location='cpu').get('meta') or {}
    recorded = recorded_preprocessing(str(meta.get('cfg') or meta.get('config') or ''))
    if recorded is None:
        return Check(name, State.INFO, 'its checkpoint does not record how it was trained')
    # A backbone alone may have no preprocessor: it sees the student's images as they are.
    configured = _of_module(teacher.model.data_preprocessor or model.data_preprocessor)
    differing = [key for key in recorded if recorded[key] != configured.get(key)]
    what = '; '.join(
        f'{key} is {configured.get(key)} in the config and was {recorded[key]} in training'
        for key in differing
    )
    remedy = (
        f'set data_preprocessor.{", ".join(differing)} of {teacher.source} to the recorded '
        'values; the student may keep its own, images are converted'
    )
    right = f'as its checkpoint records: {_described(configured)}'
    return judge(name, not differing, what or right, remedy)


def recorded_preprocessing(text: str) -> Entries | None:
    """mean, std and channel order in a config's text; None where it does not tell.

    The text comes from a checkpoint, which is data: it is parsed and never run. Both MMDetection 3
    (``model.data_preprocessor``) and 2 (``img_norm_cfg``) are read.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    values = {
        node.targets[0].id: _value(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    model = values.get('model')
    model = model if isinstance(model, Mapping) else {}
    student = model.get('student')  # a distilled student may teach
    for owner in (model, student if isinstance(student, Mapping) else {}, values):
        found = owner.get('data_preprocessor')
        if isinstance(found, Mapping):
            return _settings(found)
    old = values.get('img_norm_cfg')
    if isinstance(old, Mapping):
        return _settings({**old, 'bgr_to_rgb': old.get('to_rgb', True)})
    return None


def _settings(found: Setting) -> Entries:
    """Settings in one form; ``rgb_to_bgr`` swaps the same channels as ``bgr_to_rgb``."""
    settings: Entries = {
        key: None if found.get(key) is None else [round(float(n), 3) for n in found[key]]
        for key in ('mean', 'std')
    }
    return settings | {'bgr_to_rgb': bool(found.get('bgr_to_rgb') or found.get('rgb_to_bgr'))}


def _of_module(preprocessor: Any) -> Entries:
    """The same of a built data preprocessor."""
    normalises = getattr(preprocessor, '_enable_normalize', False)
    settings: Entries = {'bgr_to_rgb': getattr(preprocessor, '_channel_conversion', False)}
    for key in ('mean', 'std') if normalises else ():
        settings[key] = getattr(preprocessor, key).flatten().tolist()
    return _settings(settings)


def _described(settings: Setting) -> str:
    order = 'RGB' if settings['bgr_to_rgb'] else 'BGR'
    return f'mean {settings["mean"]}, std {settings["std"]}, {order}'


def _value(node: ast.expr) -> Any:
    """The value of a literal or of ``dict(...)``; None for anything else."""
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args):
            return None
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        keys = [_value(key) if key is not None else None for key in node.keys]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
