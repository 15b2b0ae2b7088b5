"""A checkpoint with the student's weights alone."""

import io
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch

from mmkd.compat import load_checkpoint_file
from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserError, UserFileExistsError
from mmkd.utils.serialization import NotPlainError, to_plain

ADAPTER_PREFIX = 'distill.'


@dataclass(frozen=True)
class Exported:
    """The file, how many weights and buffers it has and lacks, and whether they are averaged."""

    path: Path
    student_keys: int
    dropped_keys: int
    averaged: bool


def export_student(
    checkpoint: str | Path, out: str | Path, *, force: bool = False, ema: bool = False
) -> Exported:
    """Writes the student's weights and the metas of the run, and nothing else.

    Left out are the adapters (keys under ``distill.``), optimizer, schedulers and log history. The
    result loads into the plain student config, and under ``weights_only=True`` without help.

    Where the run used MMEngine's EMAHook, that hook has put the averaged weights under
    ``state_dict`` on saving (and the unaveraged ones, which resuming needs, under
    ``ema_state_dict``): what is written is the average.

    Args:
        checkpoint: File or URL of a distillation run's checkpoint, or of a plain detector's.
        out: File to write.
        force: Whether to replace ``out``.
        ema: Whether to insist on averaged weights.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        FileExistsError: ``out`` exists and ``force`` is not set, or it is the checkpoint itself.
        ValueError: The file holds no student weights, or ``ema`` is set and it holds no average.
    """
    out = Path(out)
    _check_target(checkpoint, out, force)
    content = load_checkpoint_file(checkpoint, map_location='cpu')
    state = content.get('state_dict', content)
    student = OrderedDict(
        (key, value)
        for key, value in state.items()
        if isinstance(value, torch.Tensor) and not key.startswith(ADAPTER_PREFIX)
    )
    if not student:
        raise UserError(
            f'{checkpoint} holds no student weights: give a checkpoint that training wrote '
            '(epoch_N.pth).'
        )
    averaged = 'ema_state_dict' in content
    if ema and not averaged:
        raise UserError(
            f'--ema: {checkpoint} holds no averaged weights: train with '
            "custom_hooks=[dict(type='EMAHook'), ...], or export without --ema."
        )
    buffer = io.BytesIO()
    torch.save(dict(meta=_plain_meta(content.get('meta')), state_dict=student), buffer)
    write_atomically(buffer.getvalue(), out)
    dropped = sum(key.startswith(ADAPTER_PREFIX) for key in state)
    return Exported(out, len(student), dropped, averaged)


def _check_target(checkpoint: str | Path, out: Path, force: bool) -> None:
    if out.is_dir():
        raise UserFileExistsError(f'OUT={out} is a folder: name a file in it.')
    if out.exists() and Path(checkpoint).exists() and out.samefile(checkpoint):
        raise UserFileExistsError(f'OUT={out} is the checkpoint itself: name another file.')
    if out.exists() and not force:
        raise UserFileExistsError(
            f'OUT={out} exists: name another file, or replace it with --force.'
        )


def _plain_meta(meta: object) -> dict:
    """The metas that have a plain form."""
    plain = {}
    for key, value in meta.items() if isinstance(meta, dict) else ():
        try:
            plain[key] = to_plain(value)
        except NotPlainError:  # not worth a file that safe loaders refuse
            continue
    return plain
