"""All looks at finished runs, their pictures, and the findings that matter most."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
from mmdet.registry import DATASETS
from mmengine.config import Config
from rich.table import Table

from mmkd import visualization
from mmkd.engine.checks.classes import class_lists
from mmkd.engine.checks.preflight import check_data
from mmkd.engine.diagnose import Check, State
from mmkd.engine.diagnose.sample import ValidationSample, begin, validation_sample
from mmkd.fields import class_count
from mmkd.utils.errors import UserError, UserImportError
from mmkd.visualization import Boxes
from mmkd.visualization.curves import RunScalars

from ..logs import find_metric
from ..models import truth_of
from . import agreement, copies, gains, influence
from .finished import FinishedRun, restore
from .gains import ALONE, DISTILLED, TEACHER, Found

_FINDINGS = 5
_PICTURED = 4


@dataclass(frozen=True)
class Outcome:
    """What finished runs show.

    Attributes:
        tables: The numbers.
        findings: At most five, what invalidates most first; then what is worth knowing and what
            could not be looked at.
        pictures: Files that were written.
    """

    tables: list[Table]
    findings: list[Check]
    pictures: list[Path]


def diagnose_after(
    run: FinishedRun,
    alone: FinishedRun | None,
    num: int,
    fraction: float,
    device: str,
    progress: Callable[[str], None],
) -> Outcome:
    """Looks at a finished distillation, and at the same student trained alone.

    Args:
        run: The distillation.
        alone: The student alone; None: what was gained is left out.
        num: Images of the validation split to detect on, and of the training split to measure.
        fraction: Wanted size of a method's loss over the task's, for remedies.
        device: Of the models.
        progress: Is told each stage.

    Raises:
        ValueError: The two runs differ in their data.
        FileNotFoundError: A teacher's checkpoint or a data set is missing.
    """
    begin(run.config)
    progress('reading the data sets')
    images = {split: _image_paths(run.config, split) for split in ('train', 'val', 'test')}
    if alone is not None:
        _check_same_data(alone, run, images)
    checks = [_check_copies(images, progress)]
    acted = influence.measure_influence(run, num, device, progress)
    model = restore(run, run.checkpoints[-1], device).eval()
    sample = validation_sample(run.config, num)
    knowing = [  # of several teachers the first is looked at
        name
        for name, pair in model.pairs.items()
        if pair.detects and class_count(pair.teacher.model) == len(sample.classes)
    ]
    sides: dict[str, tuple[Any, Any, ValidationSample]] = {}
    if knowing:
        sides[TEACHER] = model.pairs[knowing[0]], model, sample
    if alone is not None:
        single = restore(alone, alone.checkpoints[-1], device).eval()
        sides[ALONE] = single, single, validation_sample(alone.config, num)
    sides[DISTILLED] = model, model, sample
    found = {name: gains.detect(name, *side, progress) for name, side in sides.items()}
    progress('average precision by class and size')
    truths = [truth_of(info['instances']) for info in sample.infos]
    rows = gains.measure_gains(found, truths, sample.classes)
    if not rows:
        raise UserError('val_dataloader', 'has no object on the images looked at', 'raise --num')
    tables = [influence.influence_table(acted), gains.gains_table(rows, len(truths))]
    if alone is not None:
        checks += [gains.check_gain(rows), gains.check_lead(rows)]
    checks += [influence.check_strength(one, fraction) for one in acted]
    checks += [influence.check_direction(one, run) for one in acted]
    progress("the teacher's answers on the student's RoIs")
    counts = agreement.measure_agreement(run, model, knowing[0], num) if knowing else None
    if counts is not None:
        tables.insert(1, agreement.agreement_table(counts))
        checks.append(agreement.check_agreement(counts, model.reads_classes(knowing[0])))
    if alone is not None:
        checks.append(gains.check_parts(rows))
    logs = ({} if alone is None else {ALONE: alone.log}) | {DISTILLED: run.log}
    pictures = _draw(run.folder / 'diagnose', logs, found, truths, sample)
    return Outcome(tables, choose(checks), pictures)


def choose(checks: Sequence[Check]) -> list[Check]:
    """The first five findings, then what is worth knowing and what could not be looked at."""
    findings = [check for check in checks if check.state is State.FINDING]
    others = [check for check in checks if check.state in (State.INFO, State.SKIPPED)]
    return findings[:_FINDINGS] + others


def _image_paths(config: Config, split: str) -> list[str]:
    """Files of a split's images, each once; none where the config has no such split."""
    if not config.get(f'{split}_dataloader'):
        return []
    check_data(config, (split,))
    dataset = DATASETS.build(copy.deepcopy(config[f'{split}_dataloader'].dataset))
    paths = [str(dataset.get_data_info(index)['img_path']) for index in range(len(dataset))]
    return list(dict.fromkeys(paths))


def _check_same_data(alone: FinishedRun, run: FinishedRun, images: Mapping[str, list[str]]) -> None:
    """Refuses a student alone that has seen, or was scored on, other images or classes."""
    lists = [[names for _, names in class_lists(one.config, 'val')] for one in (alone, run)]
    for split in ('train', 'val'):
        first, second = set(_image_paths(alone.config, split)), set(images[split])
        # Beside unlabelled images the student alone has the labelled ones.
        some = split == 'train' and run.config.model.get('unlabelled') and first < second
        if (first != second and not some) or lists[0] != lists[1]:
            raise UserError(
                f'--alone {alone.folder}',
                f'has other data than {run.folder}: {len(first)} and {len(second)} {split} images, '
                f'{len(first & second)} of them in both; classes {lists[0]} and {lists[1]}',
                'give the student that was trained alone on the same data',
            )


def _check_copies(images: Mapping[str, list[str]], progress: Callable[[str], None]) -> Check:
    splits = {split: images[split] for split in ('val', 'test')}
    if splits['test'] == splits['val']:
        del splits['test']
    try:
        near = copies.near_copies(images['train'], splits, progress)
    except UserImportError as error:
        return Check('train and test', State.SKIPPED, f'not run: {error}')
    return copies.check_copies(near, {split: len(paths) for split, paths in splits.items()})


def _draw(
    folder: Path,
    logs: Mapping[str, RunScalars],
    found: Found,
    truths: Sequence[Boxes],
    sample: ValidationSample,
) -> list[Path]:
    """Curves of losses and of the metric; the images on which the distilled student lost most."""
    last = {name: values[-1] for name, (_, values) in logs[DISTILLED].val.items()}
    figures = {
        'losses': visualization.draw_loss_curves(logs),
        'metric': visualization.draw_metric_curves(logs, find_metric('auto', last)),
    }
    worst = gains.lost_most(found, truths, _PICTURED) if ALONE in found else []
    if worst:
        figures['lost_most'] = visualization.draw_detections(
            [mmcv.imread(sample.infos[i]['img_path'], channel_order='rgb') for i in worst],
            [truths[i] for i in worst],
            {name: [boxes[i] for i in worst] for name, boxes in found.items()},
            sample.classes,
        )
    return [
        visualization.save_figure(figure, folder / f'{name}.png', force=True)
        for name, figure in figures.items()
    ]
