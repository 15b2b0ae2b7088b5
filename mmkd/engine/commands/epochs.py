"""``--epochs``: a config's training made longer or shorter, with what counts in epochs."""

import math
from typing import Any

from mmengine.config import Config

from mmkd.utils.config_walk import configs_in
from mmkd.utils.errors import UserError

_SCALED = ('begin', 'end', 'T_max', 'step_size', 'alone_epochs')


def set_epochs(config: Config, epochs: int | None) -> int:
    """Sets the number of epochs and scales with it what counts in epochs, in place; gives it back.

    Schedulers that count iterations (a warm-up) stay as they are, hooks that change the pipeline at
    an epoch (``switch_epoch``, ``num_last_epochs``) move with the end, and so do the schedules and
    first stages of methods and ``model.stages``; None keeps all as it is.

    Raises:
        ValueError: The config trains by iterations, or has more stages than epochs.
    """
    old = config.train_cfg.get('max_epochs')
    if old is None:
        raise UserError(
            f'{config.filename} has no train_cfg.max_epochs: it trains by iterations, and here '
            'epochs are counted. Set train_cfg=dict(type="EpochBasedTrainLoop", max_epochs=...).'
        )
    if epochs is None or epochs == old:
        return int(old)
    config.train_cfg.max_epochs = epochs
    interval = config.train_cfg.get('val_interval', 1)
    config.train_cfg.val_interval = max(1, min(interval, epochs))
    if 'val_begin' in config.train_cfg:
        config.train_cfg.val_begin = max(1, round(config.train_cfg.val_begin * epochs / old))
    if config.train_cfg.get('dynamic_intervals'):
        config.train_cfg.dynamic_intervals = [
            (max(1, round(begin * epochs / old)), every)
            for begin, every in config.train_cfg.dynamic_intervals
        ]
    schedulers: Any = config.get('param_scheduler') or []
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        if scheduler.get('by_epoch', True):
            _scale(scheduler, epochs / old)
    for hook in config.get('custom_hooks') or ():
        if 'switch_epoch' in hook:
            hook.switch_epoch = round(hook.switch_epoch * epochs / old)
        if 'num_last_epochs' in hook:
            hook.num_last_epochs = max(1, round(hook.num_last_epochs * epochs / old))
    for _, part in configs_in((config.get('model') or {}).get('methods'), 'methods', None):
        if part.get('by_epoch', True):
            _scale(part, epochs / old)
    before = end = 0
    stages = (config.get('model') or {}).get('stages') or ()
    if len(stages) > epochs:
        raise UserError(
            f'{epochs} epochs',
            f'are fewer than the {len(stages)} parts of model.stages',
            'train longer',
        )
    for index, stage in enumerate(stages):
        if 'epochs' in stage:  # the ends are rounded, so that the sum is; each part keeps an epoch
            before, begin = before + stage.epochs, end
            last = epochs - (len(stages) - 1 - index)
            end = min(max(begin + 1, round(before * epochs / old)), last)
            stage.epochs = end - begin
    return epochs


def _scale(scheduler: Any, ratio: float) -> None:
    for key in _SCALED:
        if isinstance(scheduler.get(key), int):
            least = 0 if key == 'begin' or not scheduler[key] else 1
            scheduler[key] = max(least, round(scheduler[key] * ratio))
    begin, end = scheduler.get('begin', 0), scheduler.get('end', math.inf)
    if isinstance(begin, int) and begin >= end:  # rounded to nothing
        scheduler['begin'] = end - 1
    if 'milestones' in scheduler:
        scheduler.milestones = [max(1, round(step * ratio)) for step in scheduler.milestones]
