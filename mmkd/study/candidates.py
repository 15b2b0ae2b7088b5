"""What a search tries, and the images on which it compares."""

import copy
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console

from mmkd.detectors.build import DEFAULT_METHODS
from mmkd.engine.checks.arguments import check_arguments
from mmkd.engine.checks.classes import class_lists
from mmkd.engine.checks.unlabelled import check_unlabelled
from mmkd.registry import DATASETS, MODELS
from mmkd.utils.config_walk import configs_in, datasets_of
from mmkd.utils.errors import UserError
from mmkd.utils.quiet import quiet_host
from mmkd.utils.types import Entries, Setting

from .jobs import TRAIN, Job, make_jobs
from .plan import Arm, Study

SPLIT_SEED, SPLIT_SHARE = 0, 0.2
"""Which of the training images a search is validated on, where the study names no split."""


@dataclass(frozen=True)
class Candidate:
    """An arm, and the weight of each of its methods; None where that is a schedule."""

    arm: Arm
    weights: tuple[float | None, ...]


def fitting(study: Study, console: Console) -> dict[str, Candidate]:
    """The arms whose methods build for the pair, by name, the default method first.

    Raises:
        ValueError: There is none; the console has said why of each.
    """
    arms = [replace(arm, seeds=(0,)) for arm in study.arms]
    jobs = {job.arm: job for job in make_jobs(replace(study, arms=tuple(arms)))}
    found = {}
    for arm in sorted(arms[1:], key=lambda arm: arm.methods != DEFAULT_METHODS):
        try:
            found[arm.name] = Candidate(arm, _weights(arm, jobs[arm.name].config))
        except UserError as error:
            why = str(error).splitlines()[0]
            console.print(f'{arm.title} is left out: {why}', markup=False, soft_wrap=True)
    if not found:
        raise UserError('--budget: no method fits the pair.')
    return found


def check_fit(jobs: Iterable[Job]) -> None:
    """Looks at each arm's data, detector, and the file of a teacher, before any is trained.

    Raises:
        ValueError: A method does not fit the pair, a setting is wrong, or the teacher's weights are
            those of another detector or of other classes; names the arm, or the file, and why.
    """
    first = {job.arm: job for job in reversed(list(jobs)) if job.kind == TRAIN}
    for job in first.values():
        try:
            check_arguments(job.config, ('train', 'val'))
            check_unlabelled(job.config)
            if job.teacher is not None:
                _check_teacher(_built(job.config), job)
        except UserError as error:
            raise UserError(
                f'study: {job.title} cannot be built ({error}): correct it, take it out of '
                'methods, or run the others with --arms.'
            ) from error


def _check_teacher(model: Any, job: Job) -> None:
    if job.needs is not None:  # it is trained first
        return
    (teacher,) = model.teachers.values()
    teacher.checkpoint = job.teacher
    teacher.load()
    classes = next(class_lists(job.config, 'train'), (None, None))[1]
    if classes is not None:
        model.check_classes(classes)


def _built(config: Config) -> Any:
    init_default_scope(config.get('default_scope', 'mmdet'))
    model = copy.deepcopy(config.model)
    model.teacher.checkpoint = None  # a teacher may still have to be trained
    with quiet_host():
        return MODELS.build(model)


def _weights(arm: Arm, config: Config) -> tuple[float | None, ...]:
    if arm.student_scale != 1:
        raise UserError('with student_scale its images are those of the teacher, not the split')
    built = _built(config).distill.values()
    # A weight that auto_scale finds does not depend on the configured one.
    given = [
        None if 'auto_scale' in method else method.get('loss_weight', 0.0) for method in arm.methods
    ]
    return tuple(
        float(method.loss_weight) if isinstance(weight, (int, float)) else None
        for method, weight in zip(built, given, strict=True)
    )


def cut_split(config: Config) -> Entries:
    """Settings with which a share of the training images is for validation, and not trained on.

    Raises:
        ValueError: The training images are of several data sets.
    """
    leaves = [
        (place, dataset)
        for place, dataset in datasets_of(config, 'train')
        if not {'dataset', 'datasets', 'labelled'} & set(dataset)
    ]
    if len(leaves) != 1:
        raise UserError(
            f'study: {config.filename} trains on {len(leaves)} data sets, of which no split is cut '
            'for the search: name one by search_options, settings of the search alone.'
        )
    place, leaf = leaves[0]
    train, val = _parted(leaf)
    validated = next(one for _, one in datasets_of(config, 'val') if 'pipeline' in one)
    options = {
        f'{place}.indices': train,
        'val_dataloader.dataset': {
            **leaf,
            'indices': val,
            'pipeline': validated['pipeline'],
            '_delete_': True,
        },
    }
    for where, metric in configs_in(config.val_evaluator, 'val_evaluator'):
        if 'ann_file' in metric:  # of a part of a file: MMDetection's own metric counts all images
            options[f'{where}.ann_file'] = str(Path(leaf.get('data_root') or '', leaf['ann_file']))
            if metric['type'] in ('CocoMetric', 'mmdet.CocoMetric'):
                options[f'{where}.type'] = 'mmkd.CocoMetric'
    return options


def _parted(leaf: Setting) -> tuple[Sequence[int], Sequence[int]]:
    """Indices to train on, and to validate on, both ascending."""
    indices = leaf.get('indices')
    if indices is None:
        init_default_scope('mmdet')
        with quiet_host():
            indices = len(DATASETS.build(copy.deepcopy(dict(leaf))))
    indices = list(range(indices)) if isinstance(indices, int) else list(indices)
    shuffled = random.Random(SPLIT_SEED).sample(indices, len(indices))
    count = max(1, round(SPLIT_SHARE * len(indices)))
    return sorted(shuffled[count:]), sorted(shuffled[:count])
