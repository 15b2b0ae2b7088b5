"""Heads have as many classes as the data: MMDetection trains a label beyond them as background."""

from collections.abc import Iterable, Mapping
from typing import Any

from mmkd.engine.checks.model_arguments import typed_parts

_HEADS = ('bbox_head', 'mask_head')
_OTHER_COUNTS = ('language_model', 'panoptic_head', 'panoptic_fusion_head')
"""Parts of models that number classes otherwise: by words, or things and stuff together."""


def check_class_count(model: Any, class_lists: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    """Compares ``num_classes`` of every head that sets it with the number of classes.

    Args:
        model: Config of the detector, or of a distillation.
        class_lists: (setting of a data set, its classes), of the data sets that it learns from.

    Raises:
        ValueError: They differ: names both settings and the number to set.
    """
    found = next(iter(class_lists), None)
    if found is None or not isinstance(model, Mapping):
        return
    detectors = (model, model.get('student') or {}, model.get('detector') or {})
    if any(key in one for one in detectors for key in _OTHER_COUNTS):
        return
    setting, classes = found
    for place, part in typed_parts(model, 'model'):
        head = next((key for key in reversed(place.split('.')) if not key.isdigit()), '')
        count = part.get('num_classes')
        if head not in _HEADS or not isinstance(count, int) or part.get('class_agnostic'):
            continue
        if count != len(classes):
            raise ValueError(
                f'{place}.num_classes={count}, but {setting} has {len(classes)} classes '
                f'({_shown(classes)}): set {place}.num_classes={len(classes)}, or name other '
                f'classes in {setting}.metainfo.'
            )


def _shown(classes: tuple[str, ...]) -> str:
    return ', '.join(classes[:4]) + (', ...' if len(classes) > 4 else '')
