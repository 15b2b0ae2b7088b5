"""A plain detector's training stops at NaN, and its weights are looked at before they are saved."""

from contextlib import nullcontext
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from mmkd.detectors.nan_guard import NanGuard
from mmkd.registry import HOOKS


@HOOKS.register_module()
class NanGuardHook(Hook):
    """Does for any detector what :class:`mmkd.detectors.DistillDetector` does by itself.

    A loss that is NaN or infinite ends the run, on a CPU after the step, on a GPU when the next one
    begins (see :class:`NanGuard`); weights that are not finite are not saved, so that no good
    checkpoint is pruned for them. A model with a ``nan_guard`` of its own is left to it.

    Args:
        enabled: False switches it off: ``default_hooks.nan_guard.enabled=False``.

    Raises:
        ValueError: Names the losses, the iteration and the images, or the weights.
    """

    priority = 'LOW'  # after EMAHook has put its weights in, before CheckpointHook saves

    def __init__(self, enabled: bool = True) -> None:
        self.guard = NanGuard(enabled)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Reads what a GPU has answered of the last step."""
        self.guard.check()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Looks at the losses of the step."""
        if _guards_itself(runner):
            return
        losses = {key: value for key, value in outputs.items() if isinstance(value, Tensor)}
        samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
        wrapper = runner.optim_wrapper
        amp = isinstance(wrapper, AmpOptimWrapper)
        with wrapper.optim_context(runner.model) if amp else nullcontext():  # as the forward pass
            self.guard.look_at_losses(
                losses, samples if isinstance(samples, list) else [], runner.iter
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Looks at the weights, those of EMA included."""
        if not _guards_itself(runner):
            averaged = checkpoint.get('ema_state_dict', {})
            self.guard.check_weights({**averaged, **checkpoint['state_dict']})


def _guards_itself(runner: Runner) -> bool:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return hasattr(model, 'nan_guard')
