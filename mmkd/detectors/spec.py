"""From what a user writes for ``student`` or ``teacher`` to a detector."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from torch import nn

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
    """

    model: ConfigDict
    checkpoint: str | None
    source: str


def resolve_spec(spec: DetectorSpec, role: str) -> ResolvedSpec:
    """Reads the model config that a setting points to.

    Args:
        spec: See :data:`DetectorSpec`.
        role: ``'student'`` or ``'teacher'``, for errors.

    Raises:
        FileNotFoundError: A config path does not exist.
        TypeError, ValueError: The setting holds no detector.
    """
    if isinstance(spec, Config):
        return ResolvedSpec(_model_of(spec, role, 'a Config'), None, spec.filename or 'a Config')
    if isinstance(spec, (str, Path)):
        return ResolvedSpec(*_from_file(str(spec), None, role))
    if not isinstance(spec, dict):
        raise TypeError(
            f'{role} must be a config path, an mmdet:: path, a model dict, a Config or '
            f'dict(config=..., checkpoint=...), got {type(spec).__name__}.'
        )
    if 'type' in spec:
        return ResolvedSpec(ConfigDict(copy.deepcopy(spec)), None, f'{role} {spec["type"]}')
    unknown = set(spec) - {'config', 'checkpoint', 'cfg_options'}
    if 'config' not in spec or unknown:
        raise ValueError(
            f'{role} has the keys {sorted(spec)}: a model dict needs "type"; otherwise only '
            '"config", "checkpoint" and "cfg_options" are read, and "config" is needed.'
        )
    inner, options = spec['config'], spec.get('cfg_options')
    if isinstance(inner, (str, Path)):
        model, checkpoint, source = _from_file(str(inner), options, role)
    else:
        if options:
            raise ValueError(f'{role}.cfg_options needs {role}.config to be a path.')
        resolved = resolve_spec(inner, role)
        model, checkpoint, source = resolved.model, resolved.checkpoint, resolved.source
    return ResolvedSpec(model, spec.get('checkpoint', checkpoint), source)


def _from_file(path: str, options: dict | None, role: str) -> tuple[ConfigDict, None, str]:
    if '::' in path:
        config = get_config(path)
    elif not Path(path).is_file():
        raise FileNotFoundError(
            f'{role}: no config at {path!r} (looked in {Path.cwd()}). Give the path of a config '
            'file, or mmdet::folder/name.py for one that MMDetection ships.'
        )
    else:
        config = Config.fromfile(path)
    if options:
        config.merge_from_dict(dict(options))
    return _model_of(config, role, path), None, path


def _model_of(config: Config, role: str, source: str) -> ConfigDict:
    model = config.get('model')
    if model is None:
        raise ValueError(f'{role}: {source} has no "model".')
    if str(model.get('type', '')).split('.')[-1] == 'DistillDetector':
        raise ValueError(
            f'{role}: {source} is itself a distillation config; give the plain config of the '
            f'detector that you mean, e.g. the student named in it.'
        )
    return copy.deepcopy(model)


def build_detector(spec: ResolvedSpec) -> nn.Module:
    """Builds the detector on the CPU with MMDetection's registry; reads no checkpoint."""
    return MODELS.build(spec.model)


def class_count(detector: nn.Module) -> int | None:
    """Foreground classes of a detector; None where its head does not say."""
    head: Any = getattr(detector, 'bbox_head', None)
    if head is None and hasattr(detector, 'roi_head'):
        head = detector.roi_head.bbox_head
    if isinstance(head, nn.ModuleList):
        head = head[-1]
    return getattr(head, 'num_classes', None)
