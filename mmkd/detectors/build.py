"""Builds the configured methods through the registry; knows none of them by name."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from mmkd.observation import Layout
from mmkd.registry import MODELS
from mmkd.settings import accepted_arguments, nearest


def build_methods(configs: Sequence[dict], student: Layout, teacher: Layout) -> nn.ModuleDict:
    """Methods by name, set up for the two detectors.

    Args:
        configs: One dict a method, with ``type``; ``auto_scale`` may stand in each.
        student: Layout of the student.
        teacher: Layout of the teacher.

    Raises:
        ValueError: ``methods`` is empty, two have one name, a type is unknown, an argument is
            wrong, or a detector lacks what a method reads.
    """
    if not configs:
        raise ValueError("methods is empty: name at least one, e.g. [dict(type='mmkd.FGFI')].")
    methods = nn.ModuleDict()
    if not isinstance(configs, Sequence) or not all(isinstance(one, Mapping) for one in configs):
        raise ValueError(
            f"methods must be a list of dicts, e.g. [dict(type='mmkd.FGFI')], got {configs!r}."
        )
    for config in configs:
        check_method_type(config.get('type'))
        config = _with_scope(config)
        auto_scale = config.pop('auto_scale', None)
        method = _build(config)
        method.set_auto_scale(auto_scale)
        if method.name in methods:
            raise ValueError(
                f'methods has two entries named {method.name!r}: give one a name of its own, '
                f"e.g. dict(type={config['type']!r}, name='{method.name}_2')."
            )
        for role, fields, layout in (
            ('student', method.student_reads, student),
            ('teacher', method.teacher_reads, teacher),
        ):
            lacking = sorted(fields - layout.fields)
            if lacking:
                raise ValueError(
                    f'{method.name} reads {lacking} of the {role}, which offers only '
                    f'{sorted(layout.fields)}: choose another method or another {role}.'
                )
        method.setup(student, teacher)
        # A method that never runs must not wait for gradients in DDP's buckets.
        method.requires_grad_(method.active)
        methods[method.name] = method
    return methods


def _build(config: dict) -> Any:
    kind = config['type']
    accepted, open_ended = accepted_arguments(kind if isinstance(kind, type) else MODELS.get(kind))
    unknown = [key for key in config if key not in accepted and key != 'type']
    if unknown and not open_ended:
        hint = nearest(unknown[0], [*accepted, 'auto_scale'])
        raise ValueError(
            f'methods: {kind} has no argument {unknown[0]!r}.{hint} It takes {list(accepted)}.'
        )
    return MODELS.build(config)


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
    known = sorted(key for key, cls in MODELS.module_dict.items() if hasattr(cls, 'teacher_reads'))
    plain = str(name).split('.')[-1].lower()
    near = difflib.get_close_matches(plain, [key.lower() for key in known], n=1, cutoff=0.4)
    hint = ''.join(f" Did you mean 'mmkd.{key}'?" for key in known if key.lower() in near)
    raise ValueError(
        f'methods: type {name!r} is not registered.{hint} Known: '
        f'{", ".join("mmkd." + key for key in known)}. A method of your own must be imported '
        'through custom_imports.'
    )
