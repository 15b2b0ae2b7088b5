"""Batch norm statistics that a frozen layer uses, against those of the data."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.distiller import Distiller, roles
from mmkd.utils.types import Detector

from .check import Check, State, judge

_MAX_SHIFT = 1.0
_MAX_RATIO = 4.0


@torch.no_grad()
def check_batch_norm(model: Distiller, batches: Sequence[dict]) -> list[Check]:
    """One check a teacher, and one for a student some of whose layers are frozen.

    Statistics are stale where, in half of the layers, the mean of the input lies more than one
    running standard deviation off, or its variance is more than four times or less than a quarter
    of the running one (medians over channels). The batches are preprocessed training batches.
    """
    model.train()
    checks = []
    for name, role in roles(model).items():
        pair = model.pairs[name]
        with _watch(pair.teacher.model) as seen:
            for batch in batches:
                metas = [sample.metainfo for sample in batch['data_samples']]
                pair.teacher.model.extract_feat(pair.pixels(batch['inputs'], metas))
        checks.append(_judge(f'batch norm of {role}', seen))
    student: Detector = model.student
    with _watch(student) as seen:
        for batch in batches:
            student.extract_feat(batch['inputs'])
    return [*checks, _judge('batch norm of the student', seen)] if seen else checks


def _judge(name: str, seen: dict[str, list[tuple[float, float]]]) -> Check:
    if not seen:
        return Check(name, State.OK, 'it has no layer with running statistics')
    layers = {key: torch.tensor(values).mean(0).tolist() for key, values in seen.items()}
    shift, ratio = torch.tensor(list(layers.values())).median(dim=0).values.tolist()
    text = (
        f'{len(layers)} layers, medians: mean off by {shift:.2f} running standard deviations, '
        f'variance off by a factor of {2**ratio:.2f}'
    )
    fine = shift <= _MAX_SHIFT and 2**ratio <= _MAX_RATIO
    worst = max(layers, key=lambda key: layers[key][0] / _MAX_SHIFT + layers[key][1])
    remedy = (
        'the statistics are of other data: check preprocessing and checkpoint, or let the detector '
        'see this data for some hundred iterations in training mode'
    )
    return judge(name, fine, text if fine else f'{text}; worst in {worst}', remedy)


@contextmanager
def _watch(detector: nn.Module) -> Iterator[dict[str, list[tuple[float, float]]]]:
    """Per layer in eval mode and per batch: shift of the mean, and log2 of the variance's ratio."""
    seen: dict[str, list[tuple[float, float]]] = {}

    def look(name: str, layer: _BatchNorm, args: tuple[Tensor]) -> None:
        value = args[0]
        dims = [dim for dim in range(value.dim()) if dim != 1]
        variance, mean = torch.var_mean(value.float(), dim=dims)
        running = layer.running_var + layer.eps
        shift = (mean - layer.running_mean).abs() / running.sqrt()
        ratio = ((variance + layer.eps) / running).log2().abs()
        seen.setdefault(name, []).append((shift.median().item(), ratio.median().item()))

    with ExitStack() as handles:
        for name, layer in detector.named_modules():
            if isinstance(layer, _BatchNorm) and not layer.training and layer.track_running_stats:
                hook = partial(look, name)
                handles.enter_context(layer.register_forward_pre_hook(hook))
        yield seen
