"""Keys of checkpoints: what is the student's, what is an adapter's, what does not fit."""

import re
from collections.abc import Mapping
from typing import Any

from mmengine.logging import MessageHub, MMLogger
from torch import Tensor, nn

from ..utils.errors import UserError

ADAPTER_PREFIX = 'distill.'
"""Prefix of adapter keys in a checkpoint; the student's keys have none."""

STUDENT_PREFIX = 'student.'
"""Prefix of the student's keys in the detector that distils; not in its checkpoint."""

_SHOWN = 8


def student_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a plain detector: adapters left out, the ``module.`` of DDP taken off."""
    plain = {key.removeprefix('module.'): value for key, value in state.items()}
    return {key: value for key, value in plain.items() if not key.startswith(ADAPTER_PREFIX)}


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], what: str, config: str) -> None:
    """Loads weights that fit exactly; copies that MMDetection 2 made of them are left out.

    Args:
        model: The detector that takes them.
        state: Its weights by key.
        what: What is loaded, for the error, e.g. ``'teacher checkpoint r101.pth'``.
        config: Where the detector comes from, for the error.

    Raises:
        ValueError: Lists missing, unexpected and differently shaped keys.
    """
    copies = {'ema_' + key.replace('.', '_') for key in state} & set(state)
    if copies:
        MMLogger.get_current_instance().info(
            f'{what} holds {len(copies)} ema_* copies, which the EMAHook of MMDetection 2 kept to '
            'resume from: they are left out, the averaged weights have the plain names.'
        )
        state = {key: value for key, value in state.items() if key not in copies}
    report = misfit_report(model.state_dict(), state)
    if report:
        raise UserError(
            f'{what} does not fit {config}:\n{report}\n'
            'Give the config that the checkpoint was trained with, or a checkpoint of this config.'
        )
    # Strictness is checked above; batch norm counters may be missing in old files.
    model.load_state_dict(state, strict=False)


def misfit_report(
    expected: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    taker: str = 'model',
    giver: str = 'checkpoint',
) -> str:
    """Lines that say how two sets of weights differ; empty where they agree.

    ``taker`` and ``giver`` are what to call whose they are.

    ``num_batches_tracked`` of batch norm may be absent: old checkpoints have none.
    """
    missing = [k for k in expected if k not in given and not k.endswith('num_batches_tracked')]
    unexpected = [k for k in given if k not in expected]
    shapes = [
        f'{k}: {giver} {tuple(given[k].shape)}, {taker} {tuple(expected[k].shape)}'
        for k in expected
        if k in given and given[k].shape != expected[k].shape
    ]
    parts = {'missing': missing, 'unexpected': unexpected, 'of another shape': shapes}
    return '\n'.join(_listed(name, keys) for name, keys in parts.items() if keys)


def _listed(name: str, keys: list[str]) -> str:
    more = f'\n    ... and {len(keys) - _SHOWN} more' if len(keys) > _SHOWN else ''
    return f'  {len(keys)} keys {name}:\n    ' + '\n    '.join(keys[:_SHOWN]) + more


def to_checkpoint_keys(module: Any, state: dict, prefix: str, metadata: dict) -> None:
    """State dict hook of a detector that distils: the student's keys lose their prefix.

    The names of the methods go with torch's own metadata, of which a plain detector takes no note.

    Raises:
        ValueError: A weight is NaN or infinite.
    """
    for key in [key for key in state if key.startswith(prefix + STUDENT_PREFIX)]:
        state[prefix + key.removeprefix(prefix + STUDENT_PREFIX)] = state.pop(key)
    # Layer versions under both names: for the plain student, and for loading here again.
    versions = getattr(state, '_metadata', {})
    for key in [key for key in versions if key.startswith(prefix + STUDENT_PREFIX)]:
        versions[prefix + key.removeprefix(prefix + STUDENT_PREFIX)] = versions[key]
    metadata['methods'] = list(module.distill)
    module.nan_guard.check_weights({key: state[key] for key in state if key.startswith(prefix)})


def from_checkpoint_keys(
    module: Any, state: dict, prefix: str, metadata: Mapping[str, Any], *args: object
) -> None:
    """The reverse, before loading; refuses a checkpoint that lacks keys of the student.

    A run that is resumed needs its methods, and their adapters: its optimizer's state belongs to
    them.

    Raises:
        ValueError: Names the keys, or the methods that have changed.
    """
    adapters = prefix + ADAPTER_PREFIX
    wrapped = prefix + STUDENT_PREFIX
    for key in [k for k in state if k.startswith(prefix) and not k.startswith((adapters, wrapped))]:
        state[wrapped + key.removeprefix(prefix)] = state.pop(key)
    missing = [
        key
        for key in module.student.state_dict()
        if wrapped + key not in state and not key.endswith('num_batches_tracked')
    ]
    if missing:
        shown = ', '.join(missing[:8]) + (f' and {len(missing) - 8} more' * (len(missing) > 8))
        raise UserError(
            'the checkpoint',
            f"lacks {len(missing)} of the student's keys: {shown}",
            "load one of the same student, or use the backbone's init_cfg to load a part",
        )
    if _resumes():
        _check_methods(list(module.distill), metadata.get('methods'))
        _check_adapters(
            {key: value.shape for key, value in module.distill.state_dict().items()},
            {k.removeprefix(adapters): v.shape for k, v in state.items() if k.startswith(adapters)},
        )


_SAME = (
    'resume with the methods that the run was started with, in their order, or start a new run '
    'from these student weights: load_from instead of resume'
)


def _check_methods(own: list[str], stored: list[str] | None) -> None:
    """Compares names and order, by which an optimizer finds the state of each adapter.

    None is of a checkpoint that says nothing of them.
    """
    if stored is not None and own != list(stored):
        raise UserError(
            'cannot resume', f'a run with the methods {stored}, as this one has {own}', _SAME
        )


def _check_adapters(own: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    wrong = sorted(key for key in {**own, **stored} if own.get(key) != stored.get(key))
    if wrong:
        had, has = (sorted({key.split('.')[0] for key in side}) for side in (stored, own))
        raise UserError(
            'cannot resume',
            f'from a run with the adapters of {had}, as the methods of this one have those of '
            f'{has} ({len(wrong)} keys differ: {", ".join(wrong[:4])}{", ..." * (len(wrong) > 4)})',
            _SAME,
        )


def _resumes() -> bool:
    """Whether the run that trains is one that was resumed, as its config in MMEngine's hub says."""
    text = str(MessageHub.get_current_instance().get_info('cfg', ''))
    return re.search(r'^resume = True$', text, re.MULTILINE) is not None
