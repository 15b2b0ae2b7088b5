"""Checkpoints that load under ``weights_only=True`` without an allow-list."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmkd.registry import HOOKS
from mmkd.utils.errors import UserError
from mmkd.utils.serialization import NotPlainError, from_plain, to_plain

from .adapter_resume import checkpoint_of

# Tensors by name, whoever wrote them; the first carries module versions in an attribute.
_TENSORS = ('state_dict', 'ema_state_dict')
_INFORMATION = ('meta', 'message_hub')


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Writes the log history and metas of a checkpoint as plain Python and tensors.

    MMEngine pickles HistoryBuffers and NumPy values into a checkpoint, so that a safe loader
    (``torch.load(..., weights_only=True)``, torch's default since 2.6) refuses it. With this hook
    the file holds numbers, strings, containers and tensors alone; on loading, the objects are
    built anew, and a resumed run continues its log history. A checkpoint from elsewhere passes
    through unchanged.

    A part of the message hub or the metas without a plain form (some object that a hook left
    there) is left out of the file; another entry is stored as it is, and the file then needs an
    allow-list. Either gives one warning that names it.
    """

    # Hooks run from high to low priority: what others add to a checkpoint is converted too.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Replaces every entry but the tensors by its plain form, in place."""
        for key in [key for key in checkpoint if key not in _TENSORS]:
            try:
                checkpoint[key] = to_plain(checkpoint[key])
            except NotPlainError as error:
                if key in _INFORMATION:
                    checkpoint[key] = self._plain_parts(runner, key, checkpoint[key])
                else:
                    self._warn(runner, f'{key} is stored as it is, not plain: {error}.')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Builds HistoryBuffers and arrays anew, in place.

        Raises:
            ValueError: An entry is damaged.
        """
        for key in [key for key in checkpoint if key not in _TENSORS]:
            try:
                checkpoint[key] = from_plain(checkpoint[key])
            except (TypeError, ValueError) as error:
                raise UserError(
                    f'{checkpoint_of(runner)}: its {key} is damaged ({error}). Take another '
                    'checkpoint of the run.'
                ) from error

    def _plain_parts(self, runner: Runner, name: str, value: dict) -> dict:
        """The parts of ``value`` that have a plain form."""
        plain = {}
        for key, part in value.items():
            try:
                plain[key] = to_plain(part)
            except NotPlainError as error:
                if isinstance(part, dict):
                    plain[key] = self._plain_parts(runner, f'{name}.{key}', part)
                else:
                    self._warn(runner, f'{name}.{key} is left out of the checkpoint: {error}.')
        return plain

    def _warn(self, runner: Runner, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            runner.logger.warning(
                f'{message} Numbers, strings, lists, dicts and tensors can be stored.'
            )
