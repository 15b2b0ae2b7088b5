"""Checks of a run's settings before any time is spent on it; each error names the remedy.

What building the detectors shows (unknown methods, other classes, other strides) is their own to
check; a runner builds them first. Here: files, and settings that exclude each other.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from mmkd.compat import load_checkpoint_file
from mmkd.datasets.lint import check_coco_files
from mmkd.engine.checks.arguments import check_arguments, metrics_of
from mmkd.engine.checks.categories import check_categories, check_metric_categories
from mmkd.engine.checks.class_count import check_class_count
from mmkd.engine.checks.model_arguments import check_model
from mmkd.engine.hooks.reproducible import PERSISTENT_WORKERS

# Keys of data_prefix that hold images; others (segmentations, proposals) may be absent unnoticed.
_IMAGE_FOLDERS = ('img', 'img_path', 'sub_data_root')
_SHOWN = 6


def check_training(cfg: Config) -> None:
    """Checks what can be seen without building anything, the cheapest first.

    Args:
        cfg: The config with all command-line options merged into it.

    Raises:
        FileNotFoundError: A checkpoint or a data set's file or folder does not exist.
        ValueError: The teacher has no checkpoint, a setting of the detector or of the data is
            mistyped, train and val have other classes, a head has another number of them,
            settings exclude each other, or mixed precision lacks its device.
    """
    check_checkpoint_settings(cfg)
    _check_precision(cfg)
    check_model(cfg)
    for place, teacher in teacher_settings(cfg).items():
        if checkpoint_of(teacher) is None and not _is_feature_teacher(teacher):
            option = 'PATH' if place == 'model.teacher' else f'{place.split(".")[-1]}=PATH'
            raise ValueError(
                f'{place} has no checkpoint, and an untrained teacher teaches noise: set '
                f'{place}=dict(config=..., checkpoint=PATH), or give --teacher-checkpoint {option}.'
            )
    _check_workers(cfg)
    check_data(cfg, ('train', 'val') if cfg.get('val_cfg') else ('train',))
    if cfg.get('val_cfg'):
        _check_classes(cfg)
    train = (cfg.get('train_dataloader') or {}).get('dataset')
    check_class_count(cfg.get('model'), _class_lists(train, 'train_dataloader.dataset'))


def check_checkpoint_settings(cfg: Config) -> None:
    """Looks for the files of ``load_from``, of resuming, and of student and teacher.

    Raises:
        FileNotFoundError: Naming setting, path and remedy.
    """
    resume, load_from = cfg.get('resume', False), cfg.get('load_from')
    if load_from and _is_absent(load_from):
        remedy = (
            'give the checkpoint to continue from, or --resume alone to continue from the last '
            'one in the work directory'
            if resume
            else 'correct the path, or set load_from=None to start from the configured weights'
        )
        setting = '--resume' if resume else 'load_from'
        raise FileNotFoundError(f'{setting}: there is no file {load_from}: {remedy}.')
    if resume and not load_from:
        _check_last_checkpoint(Path(cfg.work_dir))
    student = {'model.student': cfg.model.get('student')} if is_distillation(cfg) else {}
    for place, detector in {**teacher_settings(cfg), **student}.items():
        path = checkpoint_of(detector)
        if path and _is_absent(path):
            how = 'train it first, or name another file'
            how += ' with --teacher-checkpoint' if 'teacher' in place else ''
            raise FileNotFoundError(
                f'{place}.checkpoint={os.path.normpath(path)!r} does not exist: {how}.'
            )


def _check_last_checkpoint(work_dir: Path) -> None:
    """Refuses a ``last_checkpoint`` that misleads; without one a bare ``--resume`` starts anew."""
    note = work_dir / 'last_checkpoint'
    if note.is_file() and _is_absent(note.read_text().strip()):
        raise FileNotFoundError(
            f'--resume: {note} names {note.read_text().strip()!r}, which does not exist: give the '
            f'checkpoint itself with --resume PATH, or delete {note} to start anew.'
        )


def checkpoint_of(detector: Any) -> str | None:
    """The checkpoint that a setting of a student or teacher names, else None."""
    while isinstance(detector, dict) and 'type' not in detector:
        if detector.get('checkpoint'):
            return str(detector['checkpoint'])
        detector = detector.get('config')
    return None


def named_teachers(cfg: Config) -> dict | None:
    """The dict of named teachers of a distillation config; None where there is one, or none."""
    teacher = cfg.model.get('teacher') if is_distillation(cfg) else None
    named = isinstance(teacher, dict) and not {'config', 'type'} & set(teacher)
    return teacher if named else None


def teacher_settings(cfg: Config) -> dict[str, Any]:
    """What is set for each teacher, by the place of the setting; empty without distillation."""
    if not is_distillation(cfg):
        return {}
    named = named_teachers(cfg)
    if named is None:
        return {'model.teacher': cfg.model.get('teacher')}
    return {f'model.teacher.{name}': teacher for name, teacher in named.items()}


def _is_feature_teacher(teacher: Any) -> bool:
    """Whether its weights may come from ``init_cfg``; that they do is seen when it is loaded."""
    while isinstance(teacher, dict) and 'type' not in teacher:
        teacher = teacher.get('config')
    return isinstance(teacher, dict) and str(teacher['type']).endswith('FeatureTeacher')


def is_distillation(cfg: Config) -> bool:
    """Whether the config's model is a DistillDetector."""
    return str(cfg.get('model', {}).get('type', '')).split('.')[-1] == 'DistillDetector'


def check_teacher_readable(cfg: Config) -> None:
    """Reads the teachers' checkpoints as data: a bad file ends the run before data is read.

    Rank 0 alone does it: a file at an address is downloaded once, and found by the others later.

    Raises:
        FileNotFoundError, ValueError: It is missing, damaged, or a pickle that would run code.
    """
    paths = [checkpoint_of(teacher) for teacher in teacher_settings(cfg).values()]
    for path in filter(None, paths if os.environ.get('RANK', '0') == '0' else []):
        load_checkpoint_file(path, map_location='cpu')


def _is_absent(path: str) -> bool:
    """Whether a path of this machine has no file; addresses (``https://``) are not looked up."""
    return '://' not in str(path) and not Path(path).expanduser().is_file()


def _check_precision(cfg: Config) -> None:
    """MMEngine's wrapper asserts a GPU, whatever the type; ``torch.autocast`` alone does not."""
    kind = (cfg.get('optim_wrapper') or {}).get('type')
    kind = OPTIM_WRAPPERS.get(kind) if isinstance(kind, str) else kind
    device = get_device()
    if isinstance(kind, type) and issubclass(kind, AmpOptimWrapper) and device in ('cpu', 'mps'):
        raise ValueError(
            f'automatic mixed precision (--amp, optim_wrapper.type={kind.__name__}) needs a GPU, '
            f'and this machine offers {device}: leave --amp out, or set '
            'optim_wrapper.type=OptimWrapper without dtype and loss_scale.'
        )


def _check_workers(cfg: Config) -> None:
    hooks = [str(hook.get('type', '')).split('.')[-1] for hook in cfg.get('custom_hooks') or ()]
    loader = cfg.get('train_dataloader') or {}
    if 'ReproducibleHook' not in hooks or not loader.get('num_workers'):
        return
    if loader.get('persistent_workers'):
        raise ValueError(PERSISTENT_WORKERS)


def _check_classes(cfg: Config) -> None:
    """Train and val must name one list: MMDetection numbers a misspelt one otherwise, unnoticed."""
    first: tuple[str, tuple[str, ...]] | None = None
    for split in ('train', 'val'):
        dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset')
        for setting, classes in _class_lists(dataset, f'{split}_dataloader.dataset'):
            first = first or (setting, classes)
            if classes != first[1]:
                raise ValueError(
                    f'{setting}.metainfo.classes={classes} differs from {first[0]}.metainfo.classes'
                    f'={first[1]}: labels are numbers, so both need one list in one order.'
                )


def _class_lists(dataset: Any, place: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(setting, names) of each data set, through wrappers; those that only building shows left out.

    A string as ``classes`` names a file.
    """
    if isinstance(dataset, (list, tuple)):
        for index, part in enumerate(dataset):
            yield from _class_lists(part, f'{place}.{index}')
    if not isinstance(dataset, dict):
        return
    for key in ('dataset', 'datasets'):
        yield from _class_lists(dataset.get(key), f'{place}.{key}')
    kind = dataset.get('type')
    cls = DATASETS.get(kind) if isinstance(kind, str) else kind
    metainfo = dataset.get('metainfo') or getattr(cls, 'METAINFO', {})
    classes = metainfo.get('classes') if isinstance(metainfo, dict) else None
    if classes is None:  # a metainfo that leaves them out
        classes = getattr(cls, 'METAINFO', {}).get('classes')
    if isinstance(classes, (list, tuple)):
        yield place, tuple(classes)


def check_data(cfg: Config, splits: tuple[str, ...]) -> None:
    """Compares the data's settings with what their classes take, then looks for its files.

    Files are data roots, annotation files and image folders, and evaluators' annotations.

    Args:
        cfg: The whole config.
        splits: Of ``'train'``, ``'val'``, ``'test'``: those that the run will read.

    Raises:
        ValueError: A setting is mistyped, see :func:`check_arguments`, a COCO file has other
            categories than the classes, see :func:`check_categories`, or holds what no training can
            use, see :func:`check_coco_files`.
        FileNotFoundError: Lists every setting whose path does not exist.
    """
    check_arguments(cfg, splits)
    missing: dict[str, str] = {}
    for split in splits:
        dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset')
        for setting, path in _absent_paths(dataset, f'{split}_dataloader.dataset'):
            missing.setdefault(path, setting)
        for setting, path in _absent_annotations(cfg.get(f'{split}_evaluator'), split):
            missing.setdefault(path, setting)
    if missing:
        lines = [f'{setting}: there is no {path!r}' for path, setting in missing.items()]
        more = f'\n  and {len(lines) - _SHOWN} more' if len(lines) > _SHOWN else ''
        raise FileNotFoundError(
            'files of the data set do not exist:\n  '
            + '\n  '.join(lines[:_SHOWN])
            + more
            + f'\nPut or link the data there (relative paths start at {Path.cwd()}), or give its '
            'place, e.g. --cfg-options ' + f'{lines[0].split(":")[0]}=PATH'
        )
    for split in splits:
        dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset')
        check_categories(dataset, f'{split}_dataloader.dataset')
        for setting, classes in _class_lists(dataset, f'{split}_dataloader.dataset'):
            for place, metric, cls in metrics_of(cfg, split):
                check_metric_categories(metric, place, cls, classes, f'{setting}.metainfo.classes')
    if os.environ.get('RANK', '0') == '0':  # the others would read the same
        check_coco_files(cfg, splits)


def _absent_paths(dataset: Any, place: str) -> Iterator[tuple[str, str]]:
    """(setting, path) of what does not exist, through wrappers and concatenated data sets."""
    if isinstance(dataset, (list, tuple)):
        for index, part in enumerate(dataset):
            yield from _absent_paths(part, f'{place}.{index}')
        return
    if not isinstance(dataset, dict):
        return
    for key in ('dataset', 'datasets'):
        yield from _absent_paths(dataset.get(key), f'{place}.{key}')
    if dataset.get('backend_args') or dataset.get('file_client_args'):
        return  # another storage than the local disk
    root = dataset.get('data_root') or ''
    if root and not _exists(root):
        yield f'{place}.data_root', root
        return
    prefixes = dataset.get('data_prefix') or {}
    parts = {'ann_file': dataset.get('ann_file')}
    parts.update({f'data_prefix.{key}': prefixes.get(key) for key in _IMAGE_FOLDERS})
    for key, part in parts.items():
        if isinstance(part, str) and part and not _exists(os.path.join(root, part)):
            yield f'{place}.{key}', os.path.join(root, part)


def _absent_annotations(evaluator: Any, split: str) -> Iterator[tuple[str, str]]:
    """(setting, path) of evaluators' annotation files that do not exist."""
    several = isinstance(evaluator, (list, tuple))
    for index, part in enumerate(evaluator if several else [evaluator]):
        path = part.get('ann_file') if isinstance(part, dict) else None
        if path and not part.get('backend_args') and not _exists(path):
            yield f'{split}_evaluator{f".{index}" if several else ""}.ann_file', path


def _exists(path: str) -> bool:
    return '://' in path or Path(path).expanduser().exists()
