"""A resumed distillation run continues with its own adapters."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint

from mmkd.registry import HOOKS


@HOOKS.register_module()
class AdapterResumeHook(Hook):
    """Refuses to resume from a checkpoint that lacks adapters of the model.

    MMEngine loads without strictness and would go on with freshly drawn adapters beside an
    optimizer state that belongs to others. The model says by ``adapter_prefix`` (``'distill.'``)
    which of its keys are adapters; a model without that attribute is not checked, and neither is
    ``load_from``, which may start from a plain student.

    Raises:
        ValueError: On resuming, an adapter's key is missing from the checkpoint or has another
            shape there; the message names the keys, the file, and ``load_from`` as the remedy.
    """

    priority = 'HIGH'  # before EMAHook trades entries of the state dict

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares the adapters' keys and shapes with the checkpoint's."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        prefix = getattr(model, 'adapter_prefix', None)
        if not prefix or not runner._resume:
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
            file = runner._load_from or find_latest_checkpoint(runner.work_dir)
            raise ValueError(
                f'cannot resume from {file}: {len(wrong)} keys of the adapters do not fit: '
                f'{"; ".join(wrong[:10])}{"; ..." if len(wrong) > 10 else ""}. Resume with the '
                'methods that the run was started with, or start a new run from these student '
                'weights: load_from instead of resume (--cfg-options load_from=PATH).'
            )
