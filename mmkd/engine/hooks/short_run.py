"""What counts in iterations and fits large data sets can outlast a training on a small one."""

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


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
    for index, entry in enumerate(schedulers if isinstance(schedulers, list) else []):
        if not entry.get('by_epoch', True) and entry.get('start_factor', 1) < 1:
            setting = f'param_scheduler.{index}'
            what = f'{setting} keeps the learning rate low'
            yield entry.get('end', 0), what, f'--cfg-options {setting}.end=%d'


def _measuring(runner: Runner) -> Iterator[tuple[int, str, str]]:
    model: Any = runner.model.module if is_model_wrapper(runner.model) else runner.model
    for method in getattr(model, 'distill', {}).values():
        if method.auto_scale is not None:
            what = f'the loss of {method.name} counts 0 while auto_scale measures,'
            scale = f'auto_scale: {{fraction: {method.auto_scale.fraction}, iters: %d}}'
            remedy = f"--method '{{type: mmkd.{type(method).__name__}, {scale}}}'"
            yield method.auto_scale.iters, what, remedy
