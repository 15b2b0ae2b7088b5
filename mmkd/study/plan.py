"""What a study compares, read from a study file or put together from a command line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError

from mmkd.compat import is_distillation, resolve_config_path
from mmkd.datasets.folder import DataFolder
from mmkd.engine.checks.preflight import checkpoint_of
from mmkd.utils.types import Entries, Setting

from ..utils.errors import UserError, UserFileNotFoundError

TEACHER, STUDENT = 'teacher', 'student'
_KEYS = set(
    'name pair teacher student methods seeds cfg_options max_epochs metric work_dir record '
    'search_options'.split()
)
_DETECTOR_KEYS = {'config', 'checkpoint', 'cfg_options', 'max_epochs', 'seeds'}
_ARM_KEYS = set(
    'methods seeds cfg_options title student_scale pairing stages unlabelled inherit'.split()
)
_NAME = re.compile(r'\w[\w.+-]*')


@dataclass(frozen=True)
class Detector:
    """Teacher or student of a study.

    Attributes:
        config: Its config file, or ``mmdet::NAME.py``.
        checkpoint: Trained weights; None where the study trains it.
        cfg_options: Changes to its config, over the study's.
        max_epochs: Epochs to train it; None: what the study says for the student, what the config
            says for the teacher.
    """

    config: str
    checkpoint: str | None = None
    cfg_options: Setting = field(default_factory=dict)
    max_epochs: int | None = None


@dataclass(frozen=True)
class Arm:
    """One way to train the student.

    Attributes:
        name: Folder and key in ``study.json``.
        title: Name in tables and figures.
        methods: Configs of the methods; empty for the student alone.
        cfg_options: Changes to its config, over the study's and the student's.
        student_scale: Side of the student's images over the teacher's; where it is not 1, images
            are loaded as the teacher's config loads them.
        pairing: How levels pair then, see :class:`mmkd.DistillDetector`.
        stages: Of the training, see there; None: one.
        unlabelled: How it learns from images without labels, which ``cfg_options`` bring, see
            there; None: it is given none.
        inherit: Parts that begin with the teacher's weights, see there; None: none.
    """

    name: str
    title: str
    methods: tuple[dict, ...]
    seeds: tuple[int, ...]
    cfg_options: Setting = field(default_factory=dict)
    student_scale: float = 1.0
    pairing: str = 'shift'
    stages: Sequence[Setting] | None = None
    unlabelled: Setting | None = None
    inherit: bool | Sequence[str] | None = None


@dataclass(frozen=True)
class Study:
    """A comparison: one teacher, one student, several ways to train it, under one schedule.

    Attributes:
        arms: The student alone first, then the methods.
        cfg_options: Changes to every config, the teacher's too.
        max_epochs: Epochs of every student; None: what its config says.
        metric: Name in the log, or ``'auto'``.
        work_dir: Folder of runs and outcome.
        record: File of the finished runs' numbers; None: nothing is recorded.
        data: The folder that takes the place of the configs' data; None: each config's own.
        search_options: Changes to the students' config in a search alone, see
            :class:`mmkd.study.Search`; they name its split. Empty: one is cut.
    """

    name: str
    teacher: Detector
    student: Detector
    arms: tuple[Arm, ...]
    cfg_options: Setting
    max_epochs: int | None
    metric: str
    work_dir: Path
    record: Path | None = None
    search_options: Setting = field(default_factory=dict)
    data: DataFolder | None = None


def read_study(
    path: str | Path | None, overrides: Setting, methods: Setting | None = None
) -> Study:
    """Reads a study.

    Args:
        path: Study file: Python, YAML or JSON, as MMEngine reads configs; or the config of a pair;
            None: ``overrides`` say everything. Paths in it are sought from its folder, then from
            the current one.
        overrides: Settings that replace those of the file; None values are left out.
        methods: Those of a study that names none.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: A setting is unknown, missing or out of range, or ``pair`` is not a pair.
    """
    settings: Entries = {}
    folder = Path.cwd()
    if path is not None:
        folder = Path(path).resolve().parent
        settings = _read_file(Path(path))
        if 'model' in settings:
            settings = dict(pair=str(Path(path).resolve()))
    for key, value in overrides.items():
        old: Any = settings.get(key) if key != 'methods' else None
        if value is not None:
            both = isinstance(value, Mapping) and isinstance(old, Mapping)
            settings[key] = {**old, **value} if both else value
    if methods:
        settings.setdefault('methods', methods)
    unknown = sorted(set(settings) - _KEYS)
    if unknown:
        raise UserError(f'study: unknown settings {unknown}; there are {sorted(_KEYS)}.')
    return make_study(settings, folder, Path(path).stem if path else 'study')


def make_study(settings: Setting, folder: Path, name: str) -> Study:
    """A study from plain settings; see :func:`read_study`."""
    seeds = _seeds(settings.get('seeds', (0, 1, 2)), 'seeds')
    methods = settings.get('methods') or {}
    if not methods:
        raise UserError(
            "study: methods is empty: name at least one, e.g. {'fgfi': [{'type': 'mmkd.FGFI'}]}."
        )
    arms = [make_arm(key, value, seeds) for key, value in methods.items()]
    settings = {**settings, **_detectors_of_pair(settings, folder)}
    student = settings.get(STUDENT)
    own = student.get('seeds') if isinstance(student, Mapping) else None
    # The student alone runs with every seed of any method: differences are paired by seed.
    union = sorted({seed for arm in arms for seed in arm.seeds} | set(own or seeds))
    name = settings.get('name', name)
    return Study(
        name=name,
        teacher=_make_detector(settings.get(TEACHER), TEACHER, folder),
        student=_make_detector(student, STUDENT, folder),
        arms=(Arm(STUDENT, 'student alone', (), tuple(union)), *arms),
        cfg_options=dict(settings.get('cfg_options') or {}),
        max_epochs=_epochs(settings, 'max_epochs'),
        metric=settings.get('metric', 'auto'),
        work_dir=Path(settings.get('work_dir', Path('work_dirs') / 'studies' / name)).resolve(),
        record=(folder / settings['record']).resolve() if settings.get('record') else None,
        search_options=dict(settings.get('search_options') or {}),
    )


def _read_file(path: Path) -> Entries:
    if not path.is_file():
        raise UserFileNotFoundError(f'there is no study file {path} (looked in {Path.cwd()}).')
    try:
        return Config.fromfile(path).to_dict()
    except ConfigParsingError as error:
        raise UserError(f'{path} cannot be read: {error}') from error


def _detectors_of_pair(settings: Setting, folder: Path) -> Entries:
    """Teacher and student of ``pair``, under what the study itself says of them.

    The pair's checkpoint is taken where there is one already; else the study trains the teacher.
    """
    if not settings.get('pair'):
        return {}
    path = _find(str(settings['pair']), folder, 'pair.config')
    pair = Config.fromfile(path)
    teacher = pair.model.get(TEACHER) if is_distillation(pair) else None
    if not isinstance(teacher, Mapping) or 'config' not in teacher:
        raise UserError(f'study: {path} is not a pair of a student and one teacher with a config.')
    if pair.model.get('student_scale', 1) != 1 and not settings.get(STUDENT):
        raise UserError(
            f'study: {path} sets student_scale: name the config of the student alone as student, '
            'and student_scale and pairing beside each list of methods.'
        )
    checkpoint = checkpoint_of(teacher)
    there = checkpoint and ('://' in checkpoint or Path(checkpoint).is_file())
    found = {
        TEACHER: dict(config=teacher['config'], checkpoint=checkpoint if there else None),
        STUDENT: dict(config=path),
    }
    for role, own in found.items():
        given = settings.get(role) or {}
        replaced = not isinstance(given, Mapping) or 'config' in given
        found[role] = given if replaced else {**own, **given}
    return found


def _make_detector(value: Any, role: str, folder: Path) -> Detector:
    if isinstance(value, (str, Path)):
        value = dict(config=str(value))
    if not isinstance(value, Mapping) or 'config' not in value:
        raise UserError(
            f'study: {role} must be a config file or dict(config=..., checkpoint=...), '
            f'got {value!r}.'
        )
    unknown = sorted(set(value) - _DETECTOR_KEYS)
    if unknown:
        raise UserError(f'study: {role} has unknown settings {unknown}: {sorted(_DETECTOR_KEYS)}.')
    if role == STUDENT and value.get('checkpoint'):
        raise UserError(
            'study: student.checkpoint: the student is trained by the study; to start it from '
            'weights set load_from or its init_cfg in cfg_options.'
        )
    checkpoint = value.get('checkpoint')
    return Detector(
        config=_find(str(value['config']), folder, f'{role}.config'),
        checkpoint=_find(str(checkpoint), folder, f'{role}.checkpoint') if checkpoint else None,
        cfg_options=dict(value.get('cfg_options') or {}),
        max_epochs=_epochs(value, f'{role}.max_epochs'),
    )


def _find(path: str, folder: Path, setting: str) -> str:
    if '::' in path or '://' in path:
        return path
    for candidate in (folder / path, Path.cwd() / path):
        if candidate.is_file():
            return str(candidate.resolve())
    resolve_config_path(path)
    remedy = ', or leave it out and the study trains the teacher' if 'checkpoint' in setting else ''
    raise UserFileNotFoundError(
        f'study: {setting}={path!r} does not exist (looked in {folder} and {Path.cwd()}): correct '
        f'the path{remedy}.'
    )


def make_arm(name: str, value: Any, seeds: tuple[int, ...]) -> Arm:
    """An arm as a study writes it: a method, a list of methods, or a dict of settings.

    Args:
        name: Of the arm.
        value: See above.
        seeds: Where the arm names none.

    Raises:
        ValueError: It is none of these, or a setting is unknown.
    """
    if name in (TEACHER, STUDENT) or not _NAME.fullmatch(name):
        raise UserError(
            f'study: a method may not be named {name!r}: it is a folder; take letters, digits and '
            f'"_.+-", and neither {TEACHER!r} nor {STUDENT!r}.'
        )
    if isinstance(value, str):
        value = dict(type=value)
    entry = value if isinstance(value, Mapping) and 'type' not in value else dict(methods=value)
    unknown = sorted(set(entry) - _ARM_KEYS)
    methods = entry.get('methods')
    methods = [methods] if isinstance(methods, (str, Mapping)) else list(methods or ())
    methods = [dict(type=m) if isinstance(m, str) else dict(m) for m in methods]
    if unknown or not methods or not all('type' in method for method in methods):
        raise UserError(
            f'study: methods[{name!r}] must be a list of method configs, or a dict of '
            f'{sorted(_ARM_KEYS)}; got {value!r}.'
        )
    if entry.get('unlabelled') is not None and entry.get('student_scale', 1) != 1:
        raise UserError(
            f'study: methods[{name!r}] has both student_scale, whose images are those of the '
            "teacher's config, and unlabelled, which needs others: leave one out."
        )
    own = entry.get('seeds')
    own = {
        'methods': tuple(methods),
        'seeds': seeds if own is None else _seeds(own, f'methods[{name!r}].seeds'),
        'cfg_options': dict(entry.get('cfg_options') or {}),
    }
    return Arm(name, **{'title': name, **entry, **own})


def _seeds(value: Any, setting: str) -> tuple[int, ...]:
    seeds = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    whole = all(isinstance(seed, int) and seed >= 0 for seed in seeds)
    if not seeds or not whole or len(set(seeds)) < len(seeds):
        raise UserError(f'study: {setting} must be distinct integers >= 0, got {value!r}.')
    return seeds


def _epochs(settings: Setting, name: str) -> int | None:
    value = settings.get('max_epochs')
    if value is not None and (not isinstance(value, int) or value < 1):
        raise UserError(f'study: {name} must be an integer >= 1, got {value!r}.')
    return value
