"""A warm-up that fits large data sets can outlast a training on a small one."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner


class WarmUpHook(Hook):
    """Warns where the learning rate warms up for more than half of the training.

    MMDetection's configs warm up for 500 or 1000 iterations, whatever the data; forty images have
    ten an epoch, and a detector that stays at a thousandth of its rate finds nothing.
    """

    def before_train(self, runner: Runner) -> None:
        """Says so once, with the setting that shortens it."""
        schedulers: Any = runner.cfg.get('param_scheduler') or []
        for index, entry in enumerate(schedulers if isinstance(schedulers, list) else []):
            end = entry.get('end', 0)
            counts_iterations = not entry.get('by_epoch', True)
            if (
                counts_iterations
                and entry.get('start_factor', 1) < 1
                and 2 * end > runner.max_iters
            ):
                runner.logger.warning(
                    f'param_scheduler.{index} warms up for {end} iterations, and this training has '
                    f'{runner.max_iters}: the learning rate is low for most of them. Shorten it: '
                    f'--cfg-options param_scheduler.{index}.end={max(runner.max_iters // 10, 1)}'
                )
