"""A resumed distillation run continues with its own adapters."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint

from mmkd.registry import HOOKS
from mmkd.utils.errors import UserError

_STATE = (
    'meta.epoch meta.iter message_hub.log_scalars message_hub.runtime_info message_hub.resumed_keys'
).split()


@HOOKS.register_module()
class AdapterResumeHook(Hook):
    """Refuses to resume from a checkpoint that lacks the run's state or adapters of the model.

    MMEngine loads without strictness and would go on with freshly drawn adapters beside an
    optimizer state that belongs to others. The model says by ``adapter_prefix`` (``'distill.'``)
    which of its keys are adapters; a model without that attribute has none. ``load_from`` is not
    checked, as it may start from a plain student.

    Raises:
        ValueError: On resuming, the checkpoint does not say how far its run was, or an adapter's
            key is missing from it or has another shape there; the message names the keys, the
            file, and ``load_from`` as the remedy.
    """

    priority = 'HIGH'  # before EMAHook trades entries of the state dict

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Looks for the run's state, and compares the adapters' keys and shapes."""
        if not runner._resume:
            return
        _check_state(runner, checkpoint)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        prefix = getattr(model, 'adapter_prefix', None)
        if not prefix:
            return
        stored = {
            key.removeprefix('module.'): tuple(value.shape)
            for key, value in checkpoint.get('state_dict', checkpoint).items()
            if hasattr(value, 'shape')
        }
        wrong = [
            f'{key} {tuple(value.shape)}: '
            + (f'{stored[key]} there' if key in stored else 'missing')
            for key, value in model.state_dict().items()
            if key.startswith(prefix) and stored.get(key) != tuple(value.shape)
        ]
        if wrong:
            raise UserError(
                f'cannot resume from {checkpoint_of(runner)}: {len(wrong)} keys of the adapters do '
                f'not fit: {"; ".join(wrong[:10])}{"; ..." if len(wrong) > 10 else ""}. Resume '
                'with the methods that the run was started with, or start a new run from these '
                'student weights: load_from instead of resume (--cfg-options load_from=PATH).'
            )


def _check_state(runner: Runner, checkpoint: dict) -> None:
    """Refuses a file of weights alone, which MMEngine fails on key by key."""
    parts = (name.split('.') for name in _STATE)
    lacking = [f'{e}.{key}' for e, key in parts if (checkpoint.get(e) or {}).get(key) is None]
    if lacking:
        raise UserError(
            f'cannot resume from {checkpoint_of(runner)}: it has no {", ".join(lacking)}, as a '
            'file of weights alone. Resume from a checkpoint that training wrote (epoch_N.pth), or '
            'start a new run from these weights: load_from instead of resume (--cfg-options '
            'load_from=PATH).'
        )


def checkpoint_of(runner: Runner) -> str:
    """The file that a runner loads, for messages."""
    return str(runner._load_from or find_latest_checkpoint(runner.work_dir))
