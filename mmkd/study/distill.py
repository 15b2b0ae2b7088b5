"""One distillation, from configs and a folder to the plain student and what that reaches."""

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.runner import find_latest_checkpoint
from rich.console import Console
from rich.table import Table

from mmkd.compat import is_distillation
from mmkd.detectors.detector_source import resolve_spec
from mmkd.engine.checks.preflight import check_test
from mmkd.engine.commands.data import teacher_remedy
from mmkd.engine.commands.export import export_student
from mmkd.engine.commands.tool_options import read_config, set_teacher_checkpoints
from mmkd.engine.commands.train_and_test import test_checkpoint, train
from mmkd.engine.diagnose import Options, diagnose, render
from mmkd.utils.errors import UserError
from mmkd.utils.quiet import quiet_host
from mmkd.utils.random_state import forked_rng

from .logs import find_metric, metrics_of_test

_LOOKED_AT = 8
"""Images that are looked at before training: it shall begin soon."""


class Distilled(NamedTuple):
    """What a distillation leaves.

    Attributes:
        checkpoint: The plain student, for :attr:`config`.
        config: The student's own.
        metrics: What that file reaches on the test data, by name.
    """

    checkpoint: Path
    config: Path
    metrics: dict[str, float]


def distill(
    student: str | Path,
    teacher: str | Path | None = None,
    teacher_checkpoint: str | Path | Sequence[str] | None = None,
    methods: Sequence[str | dict] | None = None,
    *,
    data: str | Path | None = None,
    format: str | None = None,
    train: str | None = None,
    val: str | None = None,
    test: str | None = None,
    unlabelled: str | Path | None = None,
    epochs: int | None = None,
    work_dir: str | Path | None = None,
    cfg_options: dict[str, Any] | None = None,
    student_checkpoint: str | Path | None = None,
) -> Distilled:
    """Trains a student under a teacher, exports it, and tests it alone.

    Args:
        student: Config of a plain detector, or of a pair: a file, ``mmdet::NAME.py``,
            ``mmkd::NAME.py``, or the bare name of one of ``configs/``.
        teacher: The same of the teacher; None: the pair's.
        teacher_checkpoint: Its weights, file or URL; ``['NAME=FILE', ...]`` of several.
        methods: Names (``'fgfi'``) or configs (``dict(type='mmkd.FGFI', loss_weight=0.02)``); None:
            the config's.
        data: Folder that replaces the configs' data; class names are read from it.
        format: Its layout: ``'voc'``, ``'coco'`` or ``'kitti'``.
        train: Its list to train on, by name or path; None: see
            :func:`mmkd.datasets.folder.read_folder`, here and below.
        val: That to validate on.
        test: That to test on.
        unlabelled: Folder of images that the teacher labels.
        epochs: To train, the schedule scaled with them; None: the config's.
        work_dir: Default: ``work_dirs/STUDENT_TEACHER_METHODS_FOLDER``.
        cfg_options: Settings that replace those of the whole config.
        student_checkpoint: The same student trained alone, which is tested beside the result.

    Returns:
        Where the student is, and what it reaches.

    Raises:
        UserError: A setting, a file or the data is refused.
    """
    if isinstance(teacher_checkpoint, (str, Path)):
        teacher_checkpoint = [str(teacher_checkpoint)]
    args = argparse.Namespace(
        config=str(student),
        teacher=None if teacher is None else str(teacher),
        teacher_checkpoint=None if teacher_checkpoint is None else [*teacher_checkpoint],
        methods=methods,
        data_folder=None if data is None else str(data),
        format=format,
        train=train,
        val=val,
        test=test,
        unlabelled=None if unlabelled is None else str(unlabelled),
        epochs=epochs,
        work_dir=None if work_dir is None else str(work_dir),
        cfg_options=cfg_options,
        student_checkpoint=None if student_checkpoint is None else str(student_checkpoint),
        launcher='none',
    )
    return run(args, Console())


def run(args: argparse.Namespace, console: Console) -> Distilled:
    """:func:`distill` with the options of ``tools/distill.py``.

    The work directory holds ``distill.py`` (the config that was used), ``student.py`` (the
    student's alone), the checkpoints of the training, ``student.pth`` and, in ``test/``, the
    metrics. An export that is there already is replaced, as the checkpoints are.

    Args:
        args: The options.
        console: Where tables go.
    """
    cfg = read_config(args)
    set_teacher_checkpoints(cfg, args.teacher_checkpoint)
    if not is_distillation(cfg):
        raise UserError(
            cfg.filename,
            'has no teacher',
            'add --teacher CONFIG --teacher-checkpoint FILE, or give a file of configs/pairs/',
        )
    if (scale := cfg.model.get('student_scale', 1)) != 1:
        raise UserError(
            f'model.student_scale={scale}',
            'makes the images of the student smaller than those that its own config loads, on '
            'which it would be tested',
            'use mmkd train, which validates it on the smaller ones, then mmkd export',
        )
    own = args.own_data
    notes, remedy = ((), None) if own is None else (own.said, teacher_remedy(args))
    folder = Path(cfg.work_dir)
    used, alone, file = (folder / name for name in ('distill.py', 'student.py', 'student.pth'))
    plain = _plain(cfg)
    check_test(plain)  # it ends with one
    folder.mkdir(parents=True, exist_ok=True)
    cfg.dump(used)
    plain.dump(alone)
    for note in (*notes, f'the config that is used: {used}'):
        console.print(note, markup=False, soft_wrap=True)
    looks = Options(_LOOKED_AT, student_checkpoint=args.student_checkpoint, device=get_device())

    def look() -> None:
        # The look seeds its own numbers; the training's are those of its seed.
        with forked_rng(), console.status('looking at the data and both detectors'), quiet_host():
            checks = diagnose(Config.fromfile(used), looks)
        console.print(render(checks, f'before training, on {_LOOKED_AT} images (mmkd diagnose)'))

    train(cfg, notes, remedy, look)
    export_student(find_latest_checkpoint(str(folder)), file, force=True)
    tested = {'distilled': (file, folder / 'test')}
    if args.student_checkpoint is not None:
        tested = {'alone': (Path(args.student_checkpoint), folder / 'test_alone'), **tested}
    reached = {}
    for name, (checkpoint, out) in tested.items():
        test_checkpoint(plain, checkpoint, out)
        reached[name] = metrics_of_test(out)
    metrics = reached['distilled']
    metric = find_metric('auto', metrics) if metrics else 'mAP'
    table = Table('plain student', metric)
    for name in tested:
        value = reached[name].get(metric)
        table.add_row(name, 'nothing detected' if value is None else f'{value:.4f}')
    console.print(table)
    console.print(f'{file} is a checkpoint of {alone}', markup=False, soft_wrap=True)
    return Distilled(file, alone, metrics)


def _plain(cfg: Config) -> Config:
    """The config of the student alone, which trains and tests in MMDetection."""
    plain = copy.deepcopy(cfg)
    plain.model = resolve_spec(cfg.model.student, 'student').model
    loader = plain.train_dataloader
    if 'labelled' in loader.dataset:
        loader.dataset = loader.dataset.labelled
        loader.sampler = ConfigDict(type='DefaultSampler', shuffle=True)
    return plain
