"""``--data FOLDER``: a config's detectors, of any classes, on a folder of one's own."""

import argparse
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmkd.compat import is_distillation
from mmkd.datasets.folder import FORMATS, SPLITS, DataFolder, image_list, read_folder
from mmkd.detectors.detector_source import resolve_spec
from mmkd.engine.checks.preflight import named_teachers
from mmkd.utils.config_walk import configs_in
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Entries, Setting

_CUTS = Path('work_dirs') / 'splits'
_USUAL_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
_NO_BOXES = {
    'mask_head': 'learns masks',
    'panoptic_head': 'numbers things and stuff together',
    'language_model': 'is told its classes in words',
}
"""Parts of detectors that boxes with class names do not train."""


def add_data_options(parser: Any, *, unlabelled: bool = False) -> None:
    """``--data`` and its kin, for :func:`use_data`; ``unlabelled`` where the command trains."""
    group = parser.add_argument_group("data of your own, in place of the config's")
    add = group.add_argument
    add(
        '--data',
        dest='data_folder',
        metavar='FOLDER',
        help='class names are read from it; heads, data loaders and metric follow',
    )
    add('--format', choices=FORMATS, help='layout of the folder')
    for split in SPLITS:
        add(
            f'--{split}',
            metavar='NAME',
            help='list of the folder, or the path of one or of a .json',
        )
    if unlabelled:
        add('--unlabelled', metavar='FOLDER', help='images that the teacher labels')
    parser.set_defaults(unlabelled=None)


def read_data(args: argparse.Namespace) -> DataFolder | None:
    """What ``--data`` names; None without it.

    Raises:
        ValueError: An option of the data is given without ``--data``, or the reverse; or as
            :func:`read_folder`.
    """
    names = {split: getattr(args, split) for split in SPLITS}
    if args.data_folder is None:
        others = dict(format=args.format, **names, unlabelled=args.unlabelled)
        for option, value in others.items():
            if value is not None:
                raise UserError(f'--{option} {value}', 'needs --data', 'name the folder with it')
        return None
    if args.format is None:
        raise UserError(
            f'--data {args.data_folder}', 'needs its layout', f'add --format {"|".join(FORMATS)}'
        )
    return read_folder(args.data_folder, args.format, names, _CUTS)


def use_data(cfg: Config, data: DataFolder, unlabelled: str | None = None) -> None:
    """Puts a folder in place of the data that a config names, in place.

    Pipelines and loaders stay the config's; what repeats or concatenates data sets is left out.

    Args:
        cfg: The whole config of a detector or a distillation.
        data: The folder.
        unlabelled: A folder of images for the teacher to label.

    Raises:
        ValueError: A detector learns something else than boxes, the config has no training data
            whose pipeline could be kept, or unlabelled images have no teacher.
    """
    for role, model, classes in _detectors(cfg):
        _set_classes(model, len(classes or data.classes), role)
    train = (cfg.get('train_dataloader') or {}).get('dataset')
    if not train:
        raise UserError(
            f'{cfg.filename} has no train_dataloader.dataset, so --data lacks its pipeline.'
        )
    for split in SPLITS:
        name = f'{split}_dataloader'
        loader = cfg.get(name) or copy.deepcopy(cfg.get('val_dataloader') or cfg.train_dataloader)
        new = dict(data.datasets[split])
        if split == 'train':
            new['filter_cfg'] = dict(filter_empty_gt=True)
        else:
            new['test_mode'] = True
            cfg[f'{split}_cfg'] = cfg.get(f'{split}_cfg') or dict(type=f'{split.title()}Loop')
            cfg[f'{split}_evaluator'] = data.metrics[split]
        loader['dataset'] = _filled(loader['dataset'], new, split)
        cfg[name] = loader
    saving = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if saving.get('save_best'):  # by a metric of the config's data, which is none of the folder's
        saving.update(save_best='auto', rule='greater')
    if unlabelled is not None:
        _add_unlabelled(cfg, train, data, unlabelled)


def _detectors(cfg: Config) -> Iterator[tuple[str, Detector, Sequence[str] | None]]:
    """(role, model config, classes that it declares) of all, written into the config whole."""
    if not is_distillation(cfg):
        yield 'the detector', cfg.model, None
        return
    cfg.model.student = _whole(cfg.model.student, 'student')
    yield 'the student', cfg.model.student.get('config', cfg.model.student), None
    named = named_teachers(cfg)
    teachers = {
        name: _whole(one, 'teacher')
        for name, one in (named or dict(teacher=cfg.model.teacher)).items()
    }
    for teacher in teachers.values():
        yield 'the teacher', teacher.get('config', teacher), teacher.get('classes')
    cfg.model.teacher = teachers['teacher'] if named is None else teachers


def _whole(spec: Detector, role: str) -> ConfigDict:
    """The setting of a detector with its model written out."""
    found = resolve_spec(spec, role, frozen=True)
    entries = dict(checkpoint=found.checkpoint, classes=found.classes)
    given = {key: value for key, value in entries.items() if value is not None}
    return ConfigDict(config=found.model, **given) if given else found.model


def _set_classes(model: Detector, number: int, role: str) -> None:
    """Sets ``num_classes`` of every head of boxes."""
    part: Any
    for place, part in configs_in(model, 'model', None):
        for key, why in _NO_BOXES.items():
            if part.get(key):
                raise UserError(
                    f'--data: {role} {model.get("type")}',
                    f'has a {key} and {why}, of which a folder of boxes says nothing',
                    'give the config of a detector of boxes',
                )
        head = next(key for key in reversed(place.split('.')) if not key.isdigit())
        if head == 'bbox_head' and 'num_classes' in part and not part.get('class_agnostic'):
            part['num_classes'] = number


def _filled(dataset: Setting, new: Entries, split: str) -> Entries:
    """The new data set with the pipeline of the old one, in its wrapper that mixes images."""
    inner = dataset.get('dataset') or dataset.get('labelled')
    if inner is None and dataset.get('datasets'):
        inner = dataset['datasets'][0]
    if inner is None:
        pipeline = copy.deepcopy(dataset.get('pipeline') or [])
        return dict(new, pipeline=pipeline if split == 'train' else _evaluated(pipeline, new))
    if str(dataset['type']).endswith('MultiImageMixDataset'):
        return dict(dataset, dataset=_filled(inner, new, split))
    return _filled(inner, new, split)


def _evaluated(pipeline: list, dataset: Entries) -> list:
    """A pipeline that hands the metric the annotations that it reads."""
    names = [str(step['type']).split('.')[-1] for step in pipeline]
    if 'PackDetInputs' not in names:
        raise UserError(
            '--data', f'needs a test pipeline with PackDetInputs, got {names}', 'add it at the end'
        )
    packing = names.index('PackDetInputs')
    if dataset['type'] == 'mmkd.KITTIDataset':
        keys = pipeline[packing].get('meta_keys', _USUAL_KEYS)
        pipeline[packing]['meta_keys'] = tuple(dict.fromkeys([*keys, 'instances']))
    if 'LoadAnnotations' not in names:
        pipeline.insert(packing, dict(type='LoadAnnotations', with_bbox=True))
    return pipeline


def _add_unlabelled(cfg: Config, train: Setting, data: DataFolder, folder: str) -> None:
    if not is_distillation(cfg):
        raise UserError(
            f'--unlabelled {folder}',
            'needs a teacher that labels the images',
            'add --teacher CONFIG --teacher-checkpoint FILE',
        )
    images = _filled(train, image_list(folder, data.classes, _CUTS), 'train')
    labelled = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='mmkd.WithUnlabelled', labelled=labelled, unlabelled=images
    )
    cfg.train_dataloader.sampler = dict(type='mmkd.UnlabelledSampler')
    cfg.model.unlabelled = cfg.model.get('unlabelled') or dict(score_thr=0.5, task_weight=1.0)


def teacher_remedy(args: argparse.Namespace) -> str:
    """The command that makes a teacher of ``--data``."""
    named = args.teacher or "THE_TEACHER'S_CONFIG"
    return (
        f'train one on this data: mmkd train {named} --data {args.data_folder} --format '
        f'{args.format}'
    )
