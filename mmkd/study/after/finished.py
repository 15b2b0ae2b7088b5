"""A training that is over: its config, its log and the checkpoints that it kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import MessageHub

from mmkd.compat import is_distillation, load_checkpoint_file
from mmkd.engine.commands.tool_options import config_of
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError, UserFileNotFoundError
from mmkd.visualization.curves import RunScalars

from ..logs import read_scalars

_CHECKPOINT = re.compile(r'(?:epoch|iter)_(\d+)')
_FOLDERS = (
    'give the work directory of a finished tools/train.py, or of a study of tools/compare.py the '
    'folder of one run, runs/ARM/seed_N'
)


@dataclass(frozen=True)
class FinishedRun:
    """What a run left behind.

    Attributes:
        folder: Its work directory.
        config: The whole config that it ran with.
        log: All that it logged.
        checkpoints: Those that it kept, the oldest first; at least one.
    """

    folder: Path
    config: Config
    log: RunScalars
    checkpoints: list[Path]


def read_finished(folder: Path, option: str, changes: Mapping | None = None) -> FinishedRun:
    """Reads a work directory of ``tools/train.py``, or a run's folder in that of a study.

    Args:
        folder: The directory.
        option: ``'--after'`` for a distillation, ``'--alone'`` for a student without a teacher.
        changes: Settings to replace, such as the place of the data.

    Raises:
        FileNotFoundError: It has no log or no checkpoint.
        ValueError: It is of the other kind.
    """
    what = f'{option} {folder}'
    logs = sorted(folder.glob('*/vis_data/scalars.json'))
    if not logs:
        raise UserFileNotFoundError(what, 'has no log, */vis_data/scalars.json', _FOLDERS)
    matches = {path: _CHECKPOINT.fullmatch(path.stem) for path in folder.glob('*.pth')}
    steps = {path: int(match[1]) for path, match in matches.items() if match}
    if not steps:
        remedy = 'train with default_hooks.checkpoint, or put the checkpoints back'
        raise UserFileNotFoundError(what, 'has no checkpoint, epoch_N.pth or iter_N.pth', remedy)
    config = config_of(str(logs[-1].with_name('config.py')))
    if is_distillation(config) != (option == '--after'):
        kind = 'distils nothing' if option == '--after' else 'is itself a distillation'
        remedy = '--after takes the run of a distillation, --alone that of its student alone'
        raise UserError(what, kind, remedy)
    config.merge_from_dict(dict(changes or {}))
    return FinishedRun(folder, config, read_scalars(folder), sorted(steps, key=steps.__getitem__))


def restore(run: FinishedRun, checkpoint: Path, device: str) -> Any:
    """The detector as it was when a checkpoint was written, with its teachers.

    Schedules are set to the last step before that.

    Raises:
        ValueError, FileNotFoundError: Its weights, or a teacher's, are missing or do not fit.
    """
    model: Any = MODELS.build(run.config.model)
    for teacher in getattr(model, 'teachers', {}).values():
        teacher.load()
    file = load_checkpoint_file(str(checkpoint), map_location='cpu')
    model.load_state_dict(file['state_dict'])
    epoch, step = (max(file['meta'].get(key, 0), 1) for key in ('epoch', 'iter'))
    epochs = run.config.train_cfg.get('max_epochs') or epoch
    steps = run.config.train_cfg.get('max_iters') or step * epochs // epoch
    progress = dict(epoch=epoch - 1, iter=step - 1, max_epochs=epochs, max_iters=steps)
    for key, value in progress.items():
        MessageHub.get_current_instance().update_info(key, value)
    return model.to(device)
