"""Names in the configs of detectors: a mistyped one is refused with its path."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor, BaseModule
from mmengine.registry import MODELS

from mmkd.engine.checks.arguments import check_one, looked_up

_PARTS = ('backbone', 'neck', 'rpn_head', 'roi_head', 'bbox_head', 'mask_head', 'student')
"""Settings that hold a part of a detector, whose type must be known."""


def check_model(cfg: Config) -> None:
    """Compares the parts of ``cfg.model`` with what their classes take.

    Parts are modules of MMEngine's kind. Layers (``norm_cfg``, ``conv_cfg``), losses and assigners
    are left to their builders, which add or remove arguments of their own.

    Args:
        cfg: The whole config.

    Raises:
        ValueError: The type of a part is not registered, or a name is none of its class's: names
            the setting's path in the config, the nearest name and all that are accepted.
    """
    scope = cfg.get('default_scope') or 'mmdet'
    for place, part in typed_parts(cfg.get('model'), 'model'):
        key = place.rsplit('.', 1)[-1]
        kind = part['type']
        cls = looked_up(kind, MODELS, scope) if isinstance(kind, str) else kind
        checked = isinstance(cls, type) and issubclass(cls, (BaseModule, BaseDataPreprocessor))
        if checked or (cls is None and key in _PARTS):
            check_one(part, place, MODELS, scope)


def typed_parts(setting: Any, place: str) -> Iterator[tuple[str, Mapping]]:
    """(path, config) of all that names a type in a config, outermost first."""
    if isinstance(setting, Mapping):
        if 'type' in setting:
            yield place, setting
        for key, value in setting.items():
            yield from typed_parts(value, f'{place}.{key}')
    elif isinstance(setting, (list, tuple)):
        for index, value in enumerate(setting):
            yield from typed_parts(value, f'{place}.{index}')
