"""A checkpoint with the student's weights alone."""

import io
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from mmkd.compat import load_checkpoint_file
from mmkd.detectors.checkpoint_keys import ADAPTER_PREFIX
from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserError, UserFileExistsError
from mmkd.utils.serialization import NotPlainError, to_plain

from .model_card import model_card
from .onnx_export import export_onnx, plain_student

FORMS = ('checkpoint', 'weights', 'safetensors')


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The student's file.
        student_keys: How many weights and buffers it has.
        dropped_keys: How many of the adapters it lacks.
        averaged: Whether they are averaged.
        difference: The largest between what torch and onnxruntime compute; None without ONNX.
    """

    path: Path
    student_keys: int
    dropped_keys: int
    averaged: bool
    difference: float | None = None


def export_student(
    checkpoint: str | Path,
    out: str | Path,
    *,
    force: bool = False,
    ema: bool = False,
    form: str = 'checkpoint',
    card: str | Path | None = None,
    onnx: str | Path | None = None,
    shape: tuple[int, int] = (800, 1344),
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
        force: Whether to replace files that exist.
        ema: Whether to insist on averaged weights.
        form: Of ``out``: a ``'checkpoint'`` with the metas, the ``'weights'`` by key alone, or
            these as ``'safetensors'``.
        card: Markdown file for the :func:`model_card`; None: none.
        onnx: ONNX file of the student, see :func:`export_onnx`; None: none.
        shape: (height, width) of its input, pixels.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        FileExistsError: A file exists and ``force`` is not set, or it is the checkpoint itself.
        ValueError: The file holds no student weights, or ``ema`` is set and it holds no average; or
            as :func:`export_onnx`.
        ImportError: A package that the form or ONNX needs is missing.
    """
    files = [Path(file) for file in (out, card, onnx) if file is not None]
    for file in files:
        _check_target(checkpoint, file, force)
    content = load_checkpoint_file(checkpoint, map_location='cpu')
    state = content.get('state_dict', content)
    student = OrderedDict(
        (key, value)
        for key, value in state.items()
        if isinstance(value, Tensor) and not key.startswith(ADAPTER_PREFIX)
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
    meta = _plain_meta(content.get('meta'))
    written = _encoded(student, meta, form)
    difference = None
    if onnx is not None:
        model = plain_student(meta.get('cfg'), student, str(checkpoint))
        difference = export_onnx(model, onnx, shape)
    write_atomically(written, files[0])
    if card is not None:
        write_atomically(model_card(files[0], content, student).encode(), card)
    dropped = sum(key.startswith(ADAPTER_PREFIX) for key in state)
    return Exported(files[0], len(student), dropped, averaged, difference)


def _encoded(student: Mapping[str, Tensor], meta: dict, form: str) -> bytes:
    """The content of a file of this form."""
    if form == 'safetensors':
        # Shared layers are under several keys, and the format holds each by itself.
        return save({key: value.clone() for key, value in student.items()}, {'format': 'pt'})
    buffer = io.BytesIO()
    content: Any = student if form == 'weights' else dict(meta=meta, state_dict=student)
    torch.save(content, buffer)
    return buffer.getvalue()


def _check_target(checkpoint: str | Path, out: Path, force: bool) -> None:
    if out.is_dir():
        raise UserFileExistsError(f'{out} is a folder: name a file in it.')
    if out.exists() and Path(checkpoint).exists() and out.samefile(checkpoint):
        raise UserFileExistsError(f'{out} is the checkpoint itself: name another file.')
    if out.exists() and not force:
        raise UserFileExistsError(f'{out} exists: name another file, or replace it with --force.')


def _plain_meta(meta: object) -> dict:
    """The metas that have a plain form."""
    plain = {}
    for key, value in meta.items() if isinstance(meta, dict) else ():
        try:
            plain[key] = to_plain(value)
        except NotPlainError:  # not worth a file that safe loaders refuse
            continue
    return plain
