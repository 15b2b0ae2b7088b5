"""Checks of a run's settings before any time is spent on it; each error names the remedy.

What building the detectors shows (unknown methods, other classes, other strides) is their own to
check; a runner builds them first. Here: files, and settings that exclude each other.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from mmkd.compat import is_distillation
from mmkd.datasets.lint import check_coco_files
from mmkd.engine.checks.arguments import check_arguments, check_model, metrics_of
from mmkd.engine.checks.cache import check_cache
from mmkd.engine.checks.classes import check_class_count, check_one_list, class_lists
from mmkd.engine.checks.unlabelled import check_unlabelled
from mmkd.engine.hooks.reproducible import PERSISTENT_WORKERS
from mmkd.utils.config_walk import datasets_of, is_remote, type_name
from mmkd.utils.errors import UserError, UserFileNotFoundError
from mmkd.utils.types import Detector, Entries, Setting

# Keys of data_prefix that hold images; others (segmentations, proposals) may be absent unnoticed.
_IMAGE_FOLDERS = ('img', 'img_path', 'sub_data_root')
_SHOWN = 6


def check_training(cfg: Config) -> None:
    """Checks what can be seen without building anything, the cheapest first.

    ``cfg`` has all command-line options merged into it.

    Raises:
        UserError: Names the first setting that is mistyped, absent, or at odds with another.
        FileNotFoundError: A checkpoint or a data set's file or folder does not exist.
    """
    check_checkpoint_settings(cfg)
    _check_precision(cfg)
    check_model(cfg)
    for place, teacher in teacher_settings(cfg).items():
        if checkpoint_of(teacher) is None and not _is_feature_teacher(teacher):
            option = 'PATH' if place == 'model.teacher' else f'{place.split(".")[-1]}=PATH'
            raise UserError(
                place,
                'has no checkpoint, and an untrained teacher teaches noise',
                f'set {place}=dict(config=..., checkpoint=PATH), or give --teacher-checkpoint '
                f'{option}',
            )
    hooks = [type_name(hook) for hook in cfg.get('custom_hooks') or ()]
    loader = cfg.get('train_dataloader') or {}
    persistent = loader.get('num_workers') and loader.get('persistent_workers')
    if persistent and 'ReproducibleHook' in hooks:
        raise UserError(PERSISTENT_WORKERS)
    check_unlabelled(cfg)
    check_cache(cfg, teacher_settings(cfg))
    check_data(cfg, ('train', 'val') if cfg.get('val_cfg') else ('train',))
    if cfg.get('val_cfg'):
        check_one_list(cfg)
    check_class_count(cfg.get('model'), next(class_lists(cfg, 'train'), None))


def check_checkpoint_settings(cfg: Config) -> None:
    """Looks for the files of ``load_from``, of resuming, and of student and teacher."""
    files: list[tuple[str, str | None, str]] = []
    load_from = cfg.get('load_from')
    if load_from and not cfg.get('resume') and (cfg.get('model') or {}).get('inherit'):
        raise UserError(
            f'load_from={load_from!r}',
            f'would overwrite what model.inherit={cfg.model.inherit!r} takes over',
            'leave one out',
        )
    if not cfg.get('resume'):
        remedy = 'correct the path, or set load_from=None to start from the configured weights'
        files.append(('load_from', load_from, remedy))
    elif load_from:
        remedy = 'give the checkpoint to continue from, or --resume alone to continue from the last'
        files.append(('--resume', load_from, f'{remedy} one in the work directory'))
    elif (note := Path(cfg.work_dir) / 'last_checkpoint').is_file():  # else a run starts anew
        remedy = f'give the checkpoint itself with --resume PATH, or delete {note} to start anew'
        files.append((f'--resume: in {note} checkpoint', note.read_text().strip(), remedy))
    remedy = 'train it first, or name another file'
    for place, detector in teacher_settings(cfg).items():
        option = f'{remedy} with --teacher-checkpoint'
        files.append((f'{place}.checkpoint', checkpoint_of(detector), option))
    if is_distillation(cfg):
        path = checkpoint_of(cfg.model.get('student'))
        files.append(('model.student.checkpoint', path, remedy))
    for setting, path, remedy in files:
        if path and not _exists(path, Path.is_file):
            place = f'{setting}={os.path.normpath(path)!r}'
            raise UserFileNotFoundError(place, 'does not exist', remedy)


def _layers(detector: Detector) -> Iterator[dict]:
    """A setting of a student or teacher, and what its ``config`` holds in turn."""
    while isinstance(detector, dict):
        yield detector
        detector = None if 'type' in detector else detector.get('config')


def checkpoint_of(detector: Detector) -> str | None:
    """The checkpoint that a setting of a student or teacher names, else None."""
    given = (one.get('checkpoint') for one in _layers(detector) if 'type' not in one)
    return next((str(path) for path in given if path), None)


def named_teachers(cfg: Config) -> dict | None:
    """The dict of named teachers of a distillation config; None where there is one, or none."""
    teacher = cfg.model.get('teacher') if is_distillation(cfg) else None
    named = isinstance(teacher, dict) and not {'config', 'type'} & set(teacher)
    return teacher if named else None


def teacher_settings(cfg: Config) -> Entries:
    """What is set for each teacher, by the place of the setting; empty without distillation."""
    if not is_distillation(cfg):
        return {}
    named = named_teachers(cfg)
    if named is None:
        return {'model.teacher': cfg.model.get('teacher')}
    return {f'model.teacher.{name}': teacher for name, teacher in named.items()}


def _is_feature_teacher(teacher: Detector) -> bool:
    """Whether its weights may come from ``init_cfg``; that they do is seen when it is loaded."""
    return any(type_name(one).endswith('FeatureTeacher') for one in _layers(teacher))


def _check_precision(cfg: Config) -> None:
    """MMEngine's wrapper asserts a GPU, whatever the type; ``torch.autocast`` alone does not."""
    kind = (cfg.get('optim_wrapper') or {}).get('type')
    kind = OPTIM_WRAPPERS.get(kind) if isinstance(kind, str) else kind
    device = get_device()
    if isinstance(kind, type) and issubclass(kind, AmpOptimWrapper) and device in ('cpu', 'mps'):
        raise UserError(
            f'automatic mixed precision (--amp, optim_wrapper.type={kind.__name__}) needs a GPU, '
            f'and this machine offers {device}: leave --amp out, or set '
            'optim_wrapper.type=OptimWrapper without dtype and loss_scale.'
        )


def check_data(cfg: Config, splits: tuple[str, ...]) -> None:
    """Compares the data's settings with what their classes take, then looks for its files.

    Files are data roots, annotation files and image folders, and evaluators' annotations, of those
    of ``'train'``, ``'val'``, ``'test'`` that the run will read; every one that is missing is
    listed. See also :func:`check_arguments` and :func:`check_coco_files`.
    """
    check_arguments(cfg, splits)
    missing: dict[str, str] = {}
    for split in splits:
        for place, dataset in datasets_of(cfg, split, with_unlabelled=True):
            for key, path in _paths(dataset):
                missing.setdefault(path, f'{place}.{key}')
        for place, metric, _ in metrics_of(cfg, split):
            file = metric.get('ann_file')
            if file and not is_remote(metric, file) and not _exists(file):
                missing.setdefault(file, f'{place}.ann_file')
    if missing:
        lines = [f'{setting}: there is no {path!r}' for path, setting in missing.items()]
        lines[_SHOWN:] = [f'and {len(lines) - _SHOWN} more'] * (len(lines) > _SHOWN)
        raise UserFileNotFoundError(
            'files of the data set do not exist:\n  ' + '\n  '.join(lines) + '\nPut or link the '
            f'data there (relative paths start at {Path.cwd()}), or give its place, e.g. '
            f'--cfg-options {lines[0].split(":")[0]}=PATH'
        )
    if os.environ.get('RANK', '0') == '0':  # the others would read the same
        check_coco_files(cfg, splits)


def check_test(cfg: Config) -> None:
    """Refuses a test that the config does not describe, then looks at its data."""
    parts = ('test_dataloader', 'test_evaluator', 'test_cfg')
    # An empty dict is MMEngine's default loop.
    lacking = [name for name in parts if cfg.get(name) is None]
    if lacking:
        raise UserError(
            ', '.join(lacking),
            f'of {cfg.filename} say nothing, so there is no test',
            'set test_dataloader, test_evaluator and test_cfg; most configs repeat those of val',
        )
    check_data(cfg, ('test',))


def _paths(dataset: Setting) -> Iterator[tuple[str, str]]:
    """(setting, path) of what a data set reads and does not exist."""
    if is_remote(dataset):
        return
    root = dataset.get('data_root') or ''
    if root and not _exists(root):
        yield 'data_root', root
        return
    prefixes = dataset.get('data_prefix') or {}
    parts = {f'data_prefix.{key}': prefixes.get(key) for key in _IMAGE_FOLDERS}
    for key, part in {'ann_file': dataset.get('ann_file'), **parts}.items():
        if isinstance(part, str) and part and not _exists(os.path.join(root, part)):
            yield key, os.path.join(root, part)


def _exists(path: str, test: Callable[[Path], bool] = Path.exists) -> bool:
    """Whether a path of this machine is there; addresses (``https://``) are not looked up."""
    return '://' in str(path) or test(Path(path).expanduser())
