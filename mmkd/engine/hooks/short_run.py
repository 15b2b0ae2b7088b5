"""What counts in iterations and fits large data sets can outlast a training on a small one."""

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmkd.utils.config_walk import type_name


class ShortRunHook(Hook):
    """Warns of a warm-up or a measuring ``auto_scale`` that takes more than half of the training.

    MMDetection's configs warm up for 500 or 1000 iterations, whatever the data. Forty images have
    ten an epoch: a detector that stays at a thousandth of its learning rate finds nothing, and one
    whose method still counts 0 has learnt from no teacher.
    """

    def before_train(self, runner: Runner) -> None:
        """Says so once, with the setting that shortens it."""
        steps = runner.max_iters
        for length, what, remedy in (*_warm_ups(runner), *_measuring(runner)):
            if 2 * length > steps:
                runner.logger.warning(
                    f'{what} for {length} iterations, and this training has {steps}. Train longer, '
                    f'or shorten it: {remedy % max(steps // 10, 1)}'
                )


def _warm_ups(runner: Runner) -> Iterator[tuple[int, str, str]]:
    schedulers: Any = runner.cfg.get('param_scheduler') or []
    alone = not isinstance(schedulers, list)
    for index, entry in enumerate([schedulers] if alone else schedulers):
        first = {'LinearLR': 'start_factor', 'ConstantLR': 'factor'}.get(type_name(entry))
        if not entry.get('by_epoch', True) and first and entry.get(first, 1 / 3) < 1:
            setting = 'param_scheduler' if alone else f'param_scheduler.{index}'
            what = f'{setting} keeps the learning rate low'
            yield entry.get('end', 0), what, f'--cfg-options {setting}.end=%d'


def _measuring(runner: Runner) -> Iterator[tuple[int, str, str]]:
    model: Any = runner.model.module if is_model_wrapper(runner.model) else runner.model
    named = (runner.cfg.get('model') or {}).get('methods')
    for index, method in enumerate(getattr(model, 'distill', {}).values()):
        if method.auto_scale is not None:
            what = f'the loss of {method.name} counts 0 while auto_scale measures,'
            fraction, place = method.auto_scale.fraction, f'model.methods.{index}.auto_scale'
            remedy = f'--cfg-options {place}.fraction={fraction:g} {place}.iters=%d'
            if not named:  # the default method
                scale = f'auto_scale: {{fraction: {fraction:g}, iters: %d}}'
                remedy = f"--method '{{type: mmkd.{type(method).__name__}, {scale}}}'"
            yield method.auto_scale.iters, what, remedy
