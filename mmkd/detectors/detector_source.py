"""From what a user writes for ``student`` or ``teacher`` to a detector."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from torch import nn

from ..compat import is_distillation, resolve_config_path
from ..utils.errors import UserError, UserFileNotFoundError, UserTypeError

DetectorSpec: TypeAlias = str | Path | dict | Config
"""A config path, an ``mmdet::`` path, a model dict, a Config, or
``dict(config=..., checkpoint=..., cfg_options=...)``."""


@dataclass(frozen=True)
class ResolvedSpec:
    """A model config and where it came from.

    Attributes:
        model: Config of the detector, with the key ``type``.
        checkpoint: Path or URL of its weights, or None.
        source: What to call the detector in an error: its config path, or its type.
        classes: Class names that the setting declares, or None.
        cache: The setting ``cache``, or None; see :class:`mmkd.detectors.cache.FeatureCache`.
        speed: Settings of :class:`mmkd.detectors.fuse.Speed`.
    """

    model: ConfigDict
    checkpoint: str | None
    source: str
    classes: tuple[str, ...] | None = None
    cache: object = None
    speed: Mapping[str, object] = field(default_factory=dict)


ONLY = 'teacher'
"""Name of a teacher that is the only one."""

_SPEED = ('fuse', 'dtype', 'compile', 'graph')
_NO_NAMES = ('ensemble', 'student', 'checkpoint', 'cfg_options', 'classes', 'cache', *_SPEED)
"""What a teacher cannot be called: it is said of others, or is a setting of one."""


def resolve_teachers(setting: DetectorSpec) -> dict[str, ResolvedSpec]:
    """Reads the configs of one teacher, or of a dict of named ones.

    A dict with ``config`` or ``type`` is one teacher.

    Args:
        setting: What a user writes for ``teacher``.

    Returns:
        Specs by name; the only one is called :data:`ONLY`.

    Raises:
        FileNotFoundError, TypeError, ValueError: As :func:`resolve_spec`; or names are mixed with
            the settings of one teacher.
    """
    if not isinstance(setting, Mapping) or 'config' in setting or 'type' in setting:
        if isinstance(setting, Mapping):
            named = [
                name
                for name, one in setting.items()
                if name != 'config' and isinstance(one, Mapping) and 'config' in one
            ]
            if named:
                raise UserError(
                    f'teacher is one teacher (it has "{"config" if "config" in setting else "type"}'
                    f'") and also names {named}: where a base config has one teacher, begin the '
                    'dict of named ones with _delete_=True.'
                )
        return {ONLY: resolve_spec(setting, 'teacher', frozen=True)}
    wrong = [name for name in setting if not str(name).isidentifier() or name in _NO_NAMES]
    if wrong or not setting:
        raise UserError(
            f'teacher has the keys {sorted(setting)}: it needs "config" (or "type") of one '
            'teacher, or names of several, identifiers other than '
            f'{", ".join(map(repr, _NO_NAMES))}.'
        )
    return {name: resolve_spec(one, f'teacher.{name}', True) for name, one in setting.items()}


def resolve_spec(spec: DetectorSpec, role: str, frozen: bool = False) -> ResolvedSpec:
    """Reads the model config that a setting points to.

    Args:
        spec: See :data:`DetectorSpec`.
        role: ``'student'`` or ``'teacher'``, for errors.
        frozen: Whether it is a teacher: ``classes``, ``cache`` and the settings of ``speed`` may be
            named beside ``config``.

    Raises:
        FileNotFoundError: A config path does not exist.
        TypeError, ValueError: The setting holds no detector.
    """
    if isinstance(spec, Config):
        return ResolvedSpec(_model_of(spec, role, 'a Config'), None, spec.filename or 'a Config')
    if isinstance(spec, (str, Path)):
        return ResolvedSpec(*_from_file(str(spec), None, role))
    if not isinstance(spec, dict):
        raise UserTypeError(
            f'{role} must be a config path, an mmdet:: path, a model dict, a Config or '
            f'dict(config=..., checkpoint=...), got {type(spec).__name__}.'
        )
    if 'type' in spec:
        return ResolvedSpec(ConfigDict(copy.deepcopy(spec)), None, f'{role} {spec["type"]}')
    known = ['config', 'checkpoint', 'cfg_options'] + ['classes', 'cache', *_SPEED] * frozen
    if 'config' not in spec or set(spec) - set(known):
        *first, last = (f'"{key}"' for key in known)
        raise UserError(
            f'{role} has the keys {sorted(spec)}: a model dict needs "type"; otherwise only '
            f'{", ".join(first)} and {last} are read, and "config" is needed.'
        )
    inner, options = spec['config'], spec.get('cfg_options')
    if isinstance(inner, (str, Path)):
        model, checkpoint, source = _from_file(str(inner), options, role)
    else:
        if options:
            raise UserError(f'{role}.cfg_options needs {role}.config to be a path.')
        resolved = resolve_spec(inner, role)
        model, checkpoint, source = resolved.model, resolved.checkpoint, resolved.source
    classes = spec.get('classes')
    if classes is not None and (isinstance(classes, str) or not isinstance(classes, Sequence)):
        raise UserError(f'{role}.classes must be a list of class names, got {classes!r}.')
    return ResolvedSpec(
        model,
        spec.get('checkpoint', checkpoint),
        source,
        None if classes is None else tuple(classes),
        spec.get('cache'),
        {key: spec[key] for key in _SPEED if key in spec},
    )


def _from_file(path: str, options: dict | None, role: str) -> tuple[ConfigDict, None, str]:
    path = resolve_config_path(path)
    if '::' in path:
        config = get_config(path)
    elif not Path(path).is_file():
        raise UserFileNotFoundError(
            f'{role}: no config',
            f'at {path!r} (looked in {Path.cwd()})',
            'give its path; {{ fileDirname }}/name.py is one beside the config that names it, and '
            'mmdet::folder/name.py one that MMDetection ships',
        )
    else:
        config = Config.fromfile(path)
    if options:
        config.merge_from_dict(dict(options))
    return _model_of(config, role, path), None, path


def _model_of(config: Config, role: str, source: str) -> ConfigDict:
    model = config.get('model')
    if model is None:
        raise UserError(f'{role}: {source} has no "model".')
    if is_distillation(config):
        raise UserError(
            f'{role}: {source}',
            'is itself a distillation config',
            'give the plain config of the detector that you mean, e.g. the student named in it',
        )
    return copy.deepcopy(model)


def build_detector(spec: ResolvedSpec) -> nn.Module:
    """Builds the detector on the CPU with MMDetection's registry; reads no checkpoint."""
    return MODELS.build(spec.model)
