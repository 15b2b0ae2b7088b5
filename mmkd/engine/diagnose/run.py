"""All checks, the cheapest first; what a failed one makes pointless is skipped."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from mmkd.distiller import Distiller, roles
from mmkd.fields import class_count
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError

from .batch_norm import check_batch_norm
from .check import Check, State
from .classes import check_class_names, check_confusion
from .preprocessing import check_conversion, check_record
from .sample import begin, training_batches, validation_sample
from .scores import check_scores, score
from .signals import check_features, check_levels, check_masks, check_weights, watch_training

_NEED_WEIGHTS = 'class order', 'teacher is worth it', 'feature scales', 'loss weight', 'batch norm'


@dataclass(frozen=True)
class Options:
    """How to look.

    Attributes:
        num: Images of the validation split to score, and of the training split to measure.
        fraction: Wanted size of each method's loss at the start, over that of the task.
        target: What the student shall reach, in units of the config's metric; None: see below.
        student_checkpoint: A trained student, scored as the target on the same images. Without
            either the teacher must beat the untrained student.

    Raises:
        ValueError: A value is out of range.
    """

    num: int = 64
    fraction: float = 0.5
    target: float | None = None
    student_checkpoint: str | None = None
    device: str = 'cpu'

    def __post_init__(self) -> None:
        if self.num < 1:
            raise UserError(f'--num must be >= 1, got {self.num}.')
        if self.fraction <= 0:
            raise UserError(f'--fraction must be > 0, got {self.fraction}.')
        if self.target is not None and self.student_checkpoint is not None:
            raise UserError('--target and --student-checkpoint exclude each other: give one.')


def diagnose(
    cfg: Config, options: Options, progress: Callable[[str], None] = lambda stage: None
) -> list[Check]:
    """Runs every check of a whole distillation config; ``progress`` is told each stage's name.

    Raises:
        ValueError: The config distils nothing, or ``options.student_checkpoint`` was trained on
            other classes.
        FileNotFoundError: ``options.student_checkpoint`` does not exist.
    """
    begin(cfg)
    progress('building the detectors')
    model, fits = _build(cfg)
    if model is None:
        return [fits]
    loaded = _load(model)
    names = roles(model)
    checks = [fits, loaded]
    checks += [check_conversion(model, role, model.pairs[name]) for name, role in names.items()]
    if loaded.state is State.FINDING:
        text = 'not run: the teacher has no weights'
        return [*checks, *(Check(name, State.SKIPPED, text) for name in _NEED_WEIGHTS)]
    checks += [check_record(model, role, model.teachers[name]) for name, role in names.items()]
    model.to(options.device)
    return [*checks, *_on_images(cfg, options, model, progress)]


def _build(cfg: Config) -> tuple[Any, Check]:
    name = 'student and teacher fit'
    try:
        model = MODELS.build(cfg.model)
    except ValueError as error:  # of levels, strides, numbers of classes, heads, arguments
        found = error if isinstance(error, UserError) else UserError(str(error))
        text = f'{found.setting} {found.problem}'.strip()
        remedy = found.remedy or 'correct the setting named there'
        return None, Check(name, State.FINDING, text, remedy)
    return model, Check(name, State.OK, 'levels, strides, classes and heads can be compared')


def _load(model: Distiller) -> Check:
    name = 'teacher checkpoint'
    try:
        model.init_weights()
    except (ValueError, FileNotFoundError) as error:
        remedy = 'model.teacher=dict(config=..., checkpoint=...) of one training'
        return Check(name, State.FINDING, str(error), remedy)
    fitting = [f'{one.checkpoint} fits {one.source}' for one in model.teachers.values()]
    return Check(name, State.OK, '; '.join(fitting))


def _on_images(
    cfg: Config, options: Options, model: Distiller, progress: Callable[[str], None]
) -> list[Check]:
    progress('reading the validation split')
    sample = validation_sample(cfg, options.num)
    names = roles(model)
    checks = [
        check_class_names(role, model.teachers[name], sample.classes)
        for name, role in names.items()
        if model.reads_classes(name) or model.teachers[name].specialist is not None
    ]
    progress(f'scoring teacher and student on {len(sample.ids)} images')
    student = score(model, model, sample)
    for name, role in names.items():
        pair = model.pairs[name]
        if not pair.detects or class_count(pair.teacher.model) != len(sample.classes):
            text = 'not run: it does not detect the classes of the data'
            checks.append(Check(f'{role.removeprefix("the ")} is worth it', State.SKIPPED, text))
            continue
        teacher = score(model, pair, sample)
        checks.append(check_confusion(role, teacher, sample.classes))
        checks.append(check_scores(model, options, sample, role, teacher, student))
    progress('measuring training batches')
    batches = training_batches(cfg, model, options.num)
    checks += check_batch_norm(model, batches)
    seen = watch_training(model, batches)
    checks += [check_levels(seen), *check_features(seen)]
    return [*checks, *check_weights(seen, options.fraction), *check_masks(seen)]
