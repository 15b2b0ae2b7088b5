"""A cache of a teacher's maps needs a pipeline whose outcome an image's metainfo tells."""

from mmengine.config import Config

from mmkd.utils.config_walk import datasets_of, type_name
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Setting

_TOLD = frozenset(
    'LoadImageFromFile LoadAnnotations LoadProposals FilterAnnotations Resize FixScaleResize '
    'FixShapeResize RandomResize RandomChoiceResize RandomFlip Pad PackDetInputs'.split()
)
"""Transforms that keep the pixels, or whose effect ``img_shape``, ``scale_factor`` and ``flip``
tell."""
_NEEDED = ('img_path', 'img_shape', 'scale_factor')


def check_cache(cfg: Config, teachers: Setting) -> None:
    """Refuses ``cache`` of a teacher beside a pipeline that a cache cannot tell apart.

    Args:
        cfg: The whole config.
        teachers: Settings of the teachers, by their places.

    Raises:
        UserError: Names the transform, or what ``PackDetInputs`` leaves out.
    """
    cached = [place for place, one in teachers.items() if _has_cache(one)]
    if not cached:
        return
    for place, dataset in datasets_of(cfg, 'train', with_unlabelled=True):
        pipeline = dataset.get('pipeline') or ()
        flips = any(type_name(one) == 'RandomFlip' for one in pipeline)
        for index, transform in enumerate(pipeline):
            where, name = f'{place}.pipeline.{index}', type_name(transform)
            if name not in _TOLD:
                raise UserError(
                    f'{cached[0]}.cache',
                    f'knows an image by its path, size and flip, and {where}, {name}, changes it '
                    'otherwise',
                    f'take {name} out of the pipeline, or cache out of the teacher',
                )
            kept = transform.get('meta_keys')
            lacking = {*_NEEDED, *['flip', 'flip_direction'] * flips} - {*(kept or ())}
            if kept is not None and lacking:
                raise UserError(
                    f'{where}.meta_keys={tuple(kept)}',
                    f'lacks {sorted(lacking)}, by which {cached[0]}.cache knows an image',
                    'add them',
                )


def _has_cache(teacher: Detector) -> bool:
    return isinstance(teacher, dict) and teacher.get('cache') is not None
