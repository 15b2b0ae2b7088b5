"""The runs of a study, each with its whole config."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config
from mmengine.hub import get_config

from mmkd.engine.commands.data import use_data
from mmkd.engine.commands.epochs import set_epochs
from mmkd.engine.commands.methods import registered_method

from ..compat import is_distillation
from ..utils.errors import UserError
from .plan import STUDENT, TEACHER, Arm, Detector, Study

TRAIN, TEST = 'train', 'test'
_LOG_INTERVAL = 10
_REPRODUCIBLE = 'ReproducibleHook'
_LOADERS = 'train_dataloader', 'val_dataloader', 'test_dataloader'


@dataclass(frozen=True)
class Job:
    """One run in a process of its own.

    Attributes:
        index: Place in the study's list, from 0.
        arm: Name of the arm, or ``'teacher'``.
        title: Name in tables.
        seed: Of the run; None for a teacher that is only tested.
        kind: ``'train'`` or ``'test'``.
        config: All of it; ``work_dir`` is left to the command line.
        epochs: Epochs it trains; 0 for a test.
        plain: Config of the detector that comes out, without teacher and methods.
        tested: Checkpoint that a test reads.
        teacher: Checkpoint of the teacher that a distillation reads.
        needs: Index of the job that must be finished first, or None.
    """

    index: int
    arm: str
    title: str
    seed: int | None
    kind: str
    config: Config
    plain: Config
    work_dir: Path
    epochs: int = 0
    tested: str | None = None
    teacher: str | None = None
    needs: int | None = None

    @property
    def name(self) -> str:
        """Name in messages."""
        return self.title if self.seed is None else f'{self.title}, seed {self.seed}'

    @property
    def checkpoint(self) -> Path:
        """The weights that the job trains or tests."""
        return Path(self.tested) if self.tested else self.work_dir / f'epoch_{self.epochs}.pth'

    @property
    def lock_file(self) -> Path:
        """What the one process that runs it locks: beside its folder, which may be made again."""
        return self.work_dir.with_name(f'.{self.work_dir.name}.lock')


def make_jobs(study: Study) -> list[Job]:
    """The teacher's job, then seed by seed the student alone and every method.

    Raises:
        FileNotFoundError, ValueError: A config is missing or does not train by epochs, or a
            method's type is unknown.
    """
    teacher, student = _teacher_job(study), _load(study.student, study)
    jobs = [teacher]
    for seed in sorted({seed for arm in study.arms for seed in arm.seeds}):
        for arm in study.arms:
            if seed in arm.seeds:
                jobs.append(_student_job(study, arm, seed, len(jobs), teacher, student))
    return jobs


def select(
    jobs: Sequence[Job], only: int | None = None, arms: Sequence[str] | None = None
) -> list[Job]:
    """The jobs to run now: the one of index ``only``, or those of ``arms`` with the teacher's.

    Raises:
        ValueError: There is no such index or arm.
    """
    if only is not None:
        if not 0 <= only < len(jobs):
            raise UserError(f'--only={only}: the jobs are 0 to {len(jobs) - 1}; see --list.')
        return [jobs[only]]
    known = list(dict.fromkeys(job.arm for job in jobs))
    unknown = [arm for arm in arms or () if arm not in known]
    if unknown:
        raise UserError(f'--arms: there are no {unknown}; the study has {known}.')
    return [job for job in jobs if arms is None or job.arm in (*arms, TEACHER)]


def _teacher_job(study: Study) -> Job:
    detector = study.teacher
    config, folder = _load(detector, study), study.work_dir / 'runs' / TEACHER
    _test_on_val(config)
    tested = detector.checkpoint
    if tested:
        return Job(0, TEACHER, TEACHER, None, TEST, config, config, folder, tested=tested)
    epochs = set_epochs(config, detector.max_epochs)
    seed = study.arms[0].seeds[0]
    _prepare(config, seed)
    return Job(0, TEACHER, TEACHER, seed, TRAIN, config, config, folder, epochs)


def _student_job(
    study: Study, arm: Arm, seed: int, index: int, teacher: Job, student: Config
) -> Job:
    config = copy.deepcopy(student)
    # Schedules of methods and stages count in epochs too, and are scaled with the training.
    model, methods = config.model, [registered_method(method) for method in arm.methods]
    own = dict(methods=methods, stages=arm.stages, unlabelled=arm.unlabelled, inherit=arm.inherit)
    distilled = copy.deepcopy(own)
    config.model = {key: value for key, value in distilled.items() if value is not None}
    epochs = set_epochs(config, study.student.max_epochs or study.max_epochs)
    scaled, config.model = config.model, model
    config.merge_from_dict(dict(arm.cfg_options))
    _test_on_val(config)
    _prepare(config, seed)
    plain = copy.deepcopy(config)
    if arm.methods:
        config.model = dict(
            type='mmkd.DistillDetector',
            student=config.model,
            teacher=dict(config=teacher.config.model, checkpoint=str(teacher.checkpoint)),
            **scaled,
        )
        if arm.student_scale != 1:
            # Both detectors are given what the teacher's config loads; the student's is shrunk.
            for loader in _LOADERS:
                config[loader].dataset = copy.deepcopy(teacher.config[loader].dataset)
            config.model.update(student_scale=arm.student_scale, pairing=arm.pairing)
            options = arm.cfg_options.items()
            config.merge_from_dict({k: v for k, v in options if k.split('.')[0] in _LOADERS})
            _test_on_val(config)
    folder = study.work_dir / 'runs' / arm.name / f'seed_{seed}'
    job = Job(index, arm.name, arm.title, seed, TRAIN, config, plain, folder, epochs)
    if not arm.methods:
        return job
    needs = teacher.index if teacher.kind == TRAIN else None
    return replace(job, teacher=str(teacher.checkpoint), needs=needs)


def _load(detector: Detector, study: Study) -> Config:
    path = detector.config
    config = get_config(path) if '::' in path else Config.fromfile(path)
    if is_distillation(config):
        if detector is not study.student or 'methods' in config.model:
            raise UserError(
                f'study: {path} is a distillation config; name the plain config of its {STUDENT} '
                f'or {TEACHER}, and its methods under "methods".'
            )
        config.model = config.model.student  # of a pair
    if study.data is not None:
        use_data(config, study.data)
    config.merge_from_dict({**study.cfg_options, **detector.cfg_options})
    return config


def _test_on_val(config: Config) -> None:
    """Students are read off their last validation; a test must answer on the same images."""
    if not config.get('val_dataloader') or not config.get('val_evaluator'):
        raise UserError(f'study: {config.filename} has no val_dataloader or no val_evaluator.')
    config.test_dataloader = copy.deepcopy(config.val_dataloader)
    config.test_evaluator = copy.deepcopy(config.val_evaluator)
    config.test_cfg = config.get('test_cfg') or dict(type='TestLoop')


def _prepare(config: Config, seed: int) -> None:
    """Same seed, same initial weights and data order; one checkpoint; a log fit for curves."""
    config.setdefault('randomness', {})
    config.randomness.update(seed=seed)
    imports = config.setdefault('custom_imports', dict(imports=[], allow_failed_imports=False))
    if 'mmkd' not in imports['imports']:
        imports['imports'] = [*imports['imports'], 'mmkd']
    hooks = list(config.get('custom_hooks') or [])
    if not any(str(hook.get('type', '')).endswith(_REPRODUCIBLE) for hook in hooks):
        hooks.append(dict(type=f'mmkd.{_REPRODUCIBLE}'))
        for split in ('train', 'val', 'test'):
            if config.get(f'{split}_dataloader'):
                config[f'{split}_dataloader'].persistent_workers = False
    config.custom_hooks = hooks
    default = config.setdefault('default_hooks', {})
    default.setdefault('logger', dict(type='LoggerHook'))
    default.logger.interval = min(default.logger.get('interval', _LOG_INTERVAL), _LOG_INTERVAL)
    default.setdefault('checkpoint', {})
    default.checkpoint.update(type='mmkd.CheckpointHook', interval=1, max_keep_ckpts=1)
