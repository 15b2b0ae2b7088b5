"""Builds the configured methods through the registry; knows none of them by name."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from mmkd.fields import all_fields
from mmkd.observation import DetectorInfo
from mmkd.registry import MODELS
from mmkd.settings import accepted_arguments, check_known
from mmkd.utils.errors import UserError
from mmkd.utils.types import Setting

from .pair import ENSEMBLE, ensemble_info

_HEADS = ('roi_head', 'roi_stages', 'rpn', 'dense')
"""Fields that a method's ``on`` chooses from."""
DEFAULT_METHODS: tuple[dict, ...] = (dict(type='mmkd.Recipe'),)
"""What a config trains with that names no method."""


def build_methods(
    configs: Sequence[dict],
    student: DetectorInfo,
    teachers: Mapping[str, DetectorInfo],
    comparable: Mapping[str, Callable[[str], bool]] | None = None,
) -> nn.ModuleDict:
    """Methods by name, set up for the detectors.

    Args:
        configs: One dict a method, with ``type``; ``auto_scale`` and ``teacher``, the name of the
            one that it reads, may stand in each.
        student: Description of the student.
        teachers: Of each teacher, by its name.
        comparable: By a teacher's name, whether its and the student's value of a field mean the
            same; for methods that choose by it what they are, as :class:`mmkd.methods.Recipe`.

    Raises:
        ValueError: ``methods`` is empty, two have one name, a type is unknown, an argument is
            wrong, or a detector lacks what a method reads.
    """
    if not configs:
        raise UserError('methods', 'is empty', "name at least one, e.g. [dict(type='mmkd.FGFI')]")
    methods, known = nn.ModuleDict(), all_fields()
    if not isinstance(configs, Sequence) or not all(isinstance(one, Mapping) for one in configs):
        raise UserError(
            f"methods must be a list of dicts, e.g. [dict(type='mmkd.FGFI')], got {configs!r}."
        )
    for config in configs:
        check_method_type(config.get('type'))
        config = _with_scope(config)
        auto_scale, name = config.pop('auto_scale', None), config.pop('teacher', None)
        # An ensemble has no head that answers as the student's.
        alike = dict.fromkeys([*teachers, ENSEMBLE], _never) | dict(comparable or {})
        one = name if name in list(alike) else next(iter(alike))
        method = _build(config, student, alike[one])
        method.set_auto_scale(auto_scale)
        method.teacher = _teacher(method.name, name, teachers)
        if method.name in methods:
            raise UserError(
                'methods',
                f'has two entries named {method.name!r}',
                'give one a name of its own, '
                f"e.g. dict(type={config['type']!r}, name='{method.name}_2')",
            )
        needed = (known[name].needs for name in method.teacher_fields if name in known)
        _check_offered(method, 'student', method.student_fields.union(*needed), student)
        for read in read_teachers(method, teachers):
            role = 'teacher' if len(teachers) == 1 else f'teacher {read!r}'
            _check_offered(method, role, method.teacher_fields, teachers[read])
        if method.teacher == ENSEMBLE:
            method.setup(student, ensemble_info(teachers, method.teacher_fields))
        else:
            method.setup(student, teachers[method.teacher])
        # A region says what it reads once it knows the detectors.
        _check_offered(method, 'student', method.student_fields, student)
        # A method that never runs must not wait for gradients in DDP's buckets.
        method.requires_grad_(method.active)
        methods[method.name] = method
    return methods


def read_teachers(method: Any, teachers: Iterable[str]) -> list[str]:
    """Names of the teachers that a method reads: one, or all for the ensemble."""
    return list(teachers) if method.teacher == ENSEMBLE else [method.teacher]


def _teacher(method: str, name: Any, teachers: Setting) -> str:
    known = [*teachers, *([ENSEMBLE] if len(teachers) > 1 else [])]
    if name is None and len(teachers) == 1:
        return known[0]
    if name not in known:
        raise UserError(
            f'methods: {method} must name the teacher that it reads, teacher=..., one of {known}, '
            f'got {name!r}.'
        )
    return name


def _check_offered(method: Any, role: str, reads: frozenset[str], info: DetectorInfo) -> None:
    lacking = sorted(reads - set(info.fields))
    if lacking:
        known = all_fields()
        # A coder goes with its head.
        named = [name for name in lacking if 'coder' not in name] or lacking
        words = [known[name].words if name in known else repr(name) for name in named]
        heads = [name for name in _HEADS if name in info.fields]
        on = getattr(method, 'on', None)
        offered = heads[0] if heads and isinstance(on, str) else heads
        other = f'on={offered!r}, if it takes that, or ' if heads and on is not None else ''
        raise UserError(
            method.name,
            f'reads {" and ".join(words)}, and {info.name}, the {role}, has none of that kind',
            f'use {other}a method on features, which any detector has (fgfi, hint)',
        )


def _never(field: str) -> bool:
    return False


def _build(config: dict, student: DetectorInfo, comparable: Callable[[str], bool]) -> Any:
    kind = config['type']
    cls = kind if isinstance(kind, type) else MODELS.get(kind)
    accepted, others = accepted_arguments(cls)
    known = [*accepted, 'auto_scale', 'teacher']
    check_known(f'methods: {kind}', set(config) - {'type'}, known, others=others)
    choose = getattr(cls, 'choose', None)
    return MODELS.build(config if choose is None else choose(config, student, comparable))


def _with_scope(config: dict) -> dict:
    # Under default_scope = 'mmdet' a bare name is sought in MMDetection's registry alone.
    name = config['type']
    return dict(config, type=f'mmkd.{name}' if name in MODELS.module_dict else name)


def check_method_type(name: object) -> None:
    """Refuses a type that is not registered, with the nearest name that is.

    Args:
        name: ``type`` of a method's config: a registered name, with or without scope, or a class.

    Raises:
        ValueError: Nothing of that name is registered.
    """
    if isinstance(name, type) or (name is not None and MODELS.get(str(name)) is not None):
        return
    known = sorted(key for key, cls in MODELS.module_dict.items() if hasattr(cls, 'teacher_fields'))
    plain = str(name).split('.')[-1].lower()
    near = difflib.get_close_matches(plain, [key.lower() for key in known], n=1, cutoff=0.4)
    hint = ''.join(f" Did you mean 'mmkd.{key}'?" for key in known if key.lower() in near)
    raise UserError(
        f'methods: type {name!r} is not registered.{hint} Known: '
        f'{", ".join("mmkd." + key for key in known)}. A method of your own must be imported '
        'through custom_imports.'
    )


def refuse_settings(others: Iterable[str], detector: type) -> None:
    """Refuses settings that the detector that distils does not have, with the nearest that it has.

    Args:
        others: Names of what it was given besides.
        detector: Its class.

    Raises:
        ValueError: There is one; or as :func:`refuse_inherited`.
    """
    refuse_inherited(others)
    check_known('model: DistillDetector', others, accepted_arguments(detector)[0])


def refuse_inherited(names: Iterable[str]) -> None:
    """Refuses settings of the plain detector in the model that distils it.

    Args:
        names: Settings of the model.

    Raises:
        ValueError: Names ``_delete_=True``, which was forgotten.
    """
    inherited = sorted({'backbone', 'neck', 'rpn_head', 'roi_head', 'bbox_head'} & set(names))
    if inherited:
        raise UserError(
            'model',
            f'has type mmkd.DistillDetector and {inherited} of the detector that it inherits from '
            '_base_',
            'add _delete_=True: model=dict(_delete_=True, type="mmkd.DistillDetector", '
            'student=_base_.model, ...)',
        )
