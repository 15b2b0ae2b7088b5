"""Train, val and heads agree on the classes: MMDetection trains a label beyond them unnoticed."""

from collections.abc import Iterator, Mapping

from mmengine.config import Config

from mmkd.datasets.lint import classes_of
from mmkd.utils.config_walk import configs_in, datasets_of
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector

_HEADS = ('bbox_head', 'mask_head')
_OTHER_COUNTS = ('language_model', 'panoptic_head', 'panoptic_fusion_head')
"""Parts of models that number classes otherwise: by words, or things and stuff together."""

ClassList = tuple[str, tuple[str, ...]]


def class_lists(cfg: Config, split: str) -> Iterator[ClassList]:
    """(setting of a data set, its classes) of a split; those that only building shows left out."""
    for place, dataset in datasets_of(cfg, split):
        if (classes := classes_of(dataset)) is not None:
            yield place, classes


def check_one_list(cfg: Config) -> None:
    """Train and val must name one list: MMDetection numbers a misspelt one otherwise, unnoticed."""
    lists = [*class_lists(cfg, 'train'), *class_lists(cfg, 'val')]
    for place, classes in lists:
        if classes != lists[0][1]:
            raise UserError(
                f'{place}.metainfo.classes={classes}',
                f'differs from {lists[0][0]}.metainfo.classes={lists[0][1]}',
                'labels are numbers, so both need one list in one order',
            )


def check_class_count(model: Detector, found: ClassList | None) -> None:
    """Compares ``num_classes`` of every head of a detector, or a student, with the classes found.

    ``found`` is (setting of a data set that it learns from, its classes), None where unknown.
    """
    if found is None or not isinstance(model, Mapping):
        return
    detectors = (model, model.get('student') or {}, model.get('detector') or {})
    if any(key in one for one in detectors for key in _OTHER_COUNTS):
        return
    setting, classes = found
    for place, part in configs_in(model, 'model', None):
        head = next((key for key in reversed(place.split('.')) if not key.isdigit()), '')
        count = part.get('num_classes')
        counts = head in _HEADS and isinstance(count, int) and not part.get('class_agnostic')
        if counts and count != len(classes):
            shown = ', '.join(classes[:4]) + ', ...' * (len(classes) > 4)
            raise UserError(
                f'{place}.num_classes={count}, but {setting}',
                f'has {len(classes)} classes ({shown})',
                f'set {place}.num_classes={len(classes)}, or name other classes in '
                f'{setting}.metainfo',
            )
