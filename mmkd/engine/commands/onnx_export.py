"""A one-stage student as ONNX, up to what its head says of each cell."""

import inspect
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmkd.compat import is_distillation, read_config_text
from mmkd.detectors.checkpoint_keys import load_strictly
from mmkd.detectors.detector_source import resolve_spec
from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserError, UserImportError
from mmkd.utils.quiet import quiet_host

TOLERANCE = 1e-3
"""Largest difference of an output, over its largest value above 1, of torch and onnxruntime."""


def plain_student(text: str | None, weights: Mapping[str, Tensor], source: str) -> nn.Module:
    """The student alone, in eval mode.

    Args:
        text: Of the config in its checkpoint, as :func:`mmkd.compat.load_checkpoint_file` leaves
            it; None where that has none.
        weights: By key.
        source: The checkpoint, for errors.

    Raises:
        ValueError: There is no config, or the weights are of another detector.
    """
    if text is None:
        raise UserError(
            f'--onnx: {source}',
            'holds no config from which its student could be built',
            'give a checkpoint that training wrote, of a config whose student is no path',
        )
    cfg = Config(read_config_text(text))
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    spec = cfg.model.student if is_distillation(cfg) else cfg.model
    try:
        model = MODELS.build(resolve_spec(spec, 'student').model).eval()
    except KeyError as error:
        modules = (cfg.get('custom_imports') or {}).get('imports')
        raise UserError(
            f'--onnx: {source}',
            f'has a student that cannot be built here: {str(error.args[0]).splitlines()[0]}',
            f'register it first, as custom_imports={modules} of its config did: code that a '
            'checkpoint names is not imported; in Python import it and call export_onnx',
        ) from error
    load_strictly(model, weights, source, 'its own config')
    return model


def export_onnx(detector: nn.Module, out: str | Path, shape: tuple[int, int]) -> float:
    """Writes an ONNX file, after onnxruntime has given the same outputs.

    Its input ``inputs``, (1, 3, H, W) float32, is an image as the detector's data preprocessor
    leaves it: normalised and padded. Its outputs are those of the head in eval mode, before
    decoding and NMS, a tensor a level, named as the head names them: ``cls_scores_0``, ...

    Args:
        detector: In eval mode.
        out: File to write.
        shape: (H, W), pixels.

    Returns:
        The largest difference of an output between torch and onnxruntime on a random image, over
        the largest value of that output where it is above 1.

    Raises:
        ValueError: The detector has two stages, or an output differs by more than
            :data:`TOLERANCE`.
        ImportError: A package is missing.
    """
    if not isinstance(detector, SingleStageDetector):
        raise UserError(
            '--onnx',
            f'takes one-stage detectors, and the student is a {type(detector).__name__}, whose '
            'later stages read what the earlier ones found',
            'give its plain file and config to a deployment tool of MMDetection, such as MMDeploy',
        )
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserImportError(
            f'--onnx needs onnx, onnxruntime and onnxscript ({error}): pip install "mmkd[onnx]"'
        ) from error
    inputs = torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = dict(_named(detector, detector._forward(inputs)))
    with quiet_host(), redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            _Head(detector), (inputs,), input_names=['inputs'], output_names=list(expected)
        )
    content = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    found = session.run(list(expected), {'inputs': inputs.numpy()})
    difference = largest_difference(expected.values(), found)
    if not difference <= TOLERANCE:
        raise UserError(
            f'--onnx {out}',
            f'was not written: an output differs by {difference:.1e} from that of torch, more than '
            f'{TOLERANCE:g}',
            'try another version of torch or onnxruntime',
        )
    write_atomically(content, out)
    return difference


def largest_difference(expected: Iterable[Tensor], found: Iterable[np.ndarray]) -> float:
    """Of any output, over its largest expected value where that is above 1; NaN where one is."""
    pairs = zip(expected, found, strict=True)
    return float(np.max([np.abs(a.numpy() - b).max() / max(1, a.abs().max()) for a, b in pairs]))


class _Head(nn.Module):
    """The outputs of a detector's head, flat."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self.detector._forward(inputs)
        return tuple(one for _, one in _named(self.detector, outputs))


def _named(detector: Any, outputs: Any) -> Iterator[tuple[str, Tensor]]:
    """Each level of each output, by the names under which the head's loss takes them."""
    names = inspect.signature(detector.bbox_head.loss_by_feat).parameters
    for name, levels in zip(names, outputs, strict=False):
        for level, one in enumerate(levels):
            yield f'{name}_{level}', one
