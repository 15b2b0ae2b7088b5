"""Stops training at NaN or infinity, in all processes at once, and no step waits for the GPU."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn.utils import get_total_norm

from mmkd.utils.types import Setting

from ..utils.errors import UserError

# GradScaler halves its factor with every step that it skips: so many take 2**16 below 1, where
# the factor cannot be the reason any more.
_SKIPPED_IN_A_ROW = 20
_SHOWN = 4

Explain = Callable[[list[str]], str]


class NanGuard:
    """Looks at what must be finite: losses, what the teacher says, weights that are to be saved.

    On a CPU a number that is not is an error at once. On a GPU the answer is copied to the host
    without waiting and read when the next step begins: training stops one step late. Several
    processes tell each other what they saw, and all of them stop in the same step; for that they
    await the last step's answer when the next one begins, while the device is still busy with the
    last backward pass.

    Under autocast in float16 the gradient scaler skips a step that is not finite. That is no error
    before it has skipped 20 of them in a row.

    Args:
        enabled: False switches it off.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._looks: list[tuple[list[str], Tensor, Explain]] = []
        self._pending: list[tuple[Tensor, Any, Callable[[list[bool]], None]]] = []
        self._skipped = 0

    def __deepcopy__(self, memo: dict) -> 'NanGuard':
        return self  # a copy of the detector, as EMA makes, reports to the same one

    def look(self, name: str, tensors: Sequence[Tensor], explain: Explain) -> None:
        """Notes whether tensors are finite; on a CPU in one process they must be.

        Args:
            name: What they are.
            tensors: Of any shape, at least one.
            explain: Makes the message from the names of what is not finite.

        Raises:
            ValueError: On a CPU, in one process: a tensor holds NaN or infinity.
        """
        # A sum passes NaN and infinity on, and needs no memory of the maps' size.
        sums = [t.detach().sum(dtype=torch.promote_types(t.dtype, torch.float32)) for t in tensors]
        self._note([name], torch.stack(sums).isfinite().all(dim=0, keepdim=True), explain)
        if not (_is_asynchronous(sums[0]) or _is_distributed() or _scaler_skips(sums[0])):
            self.end_step()

    def look_at_losses(self, losses: Setting, samples: Sequence[Any], step: int) -> None:
        """Notes whether the losses of a step are finite, and ends it.

        Args:
            losses: As a detector returns them; those count whose names contain ``loss``.
            samples: The ``DetDataSample`` of the batch, for the message.
            step: Iterations trained before this one.

        Raises:
            ValueError: On a CPU: a loss is not finite, or another process saw such a number.
        """

        def explain(names: list[str]) -> str:
            return (
                f'{_shown(names)}: NaN or infinity at iteration {step + 1}, on the images '
                f'{"; ".join(map(_image, samples))}. Look at these images and their boxes and at '
                'the weights that the run started from; else lower optim_wrapper.optimizer.lr or '
                "the method's loss_weight, or set optim_wrapper.clip_grad, and resume from the "
                'last checkpoint.'
            )

        values = [
            (name, tensor.detach().mean())
            for name, value in losses.items()
            if 'loss' in name
            for tensor in (value if isinstance(value, (list, tuple)) else [value])
        ]
        if values:
            finite = torch.stack([value for _, value in values]).isfinite()
            self._note([name for name, _ in values], finite, explain)
        self.end_step()

    def end_step(self) -> None:
        """Judges what was noted since it was last called, in all processes together.

        Raises:
            ValueError: On a CPU: something is not finite, in this process or in another.
        """
        if not self._looks:
            return
        looks, self._looks = self._looks, []
        own = torch.cat([finite for _, finite, _ in looks])
        everywhere = own.all(dim=0, keepdim=True).to(torch.uint8)
        if _is_distributed():
            distributed.all_reduce(everywhere, distributed.ReduceOp.MIN)
        answers = torch.cat([everywhere.bool(), own])
        causes = [(name, explain) for names, _, explain in looks for name in names]
        scaler_skips = _scaler_skips(answers)

        def judge(answers: list[bool]) -> None:
            self._judge(answers, causes, scaler_skips)

        if _is_asynchronous(answers):
            self._pending.append((*_copy_to_host(answers), judge))
        else:
            judge(answers.tolist())

    def check(self) -> None:
        """Reads what a GPU has answered; to be called when a step begins.

        Raises:
            ValueError: Something was not finite, in this process or in another.
        """
        while self._pending:
            answers, arrival, judge = self._pending[0]
            if _is_distributed():
                arrival.synchronize()
            elif not arrival.query():
                return
            self._pending.pop(0)
            judge(answers.tolist())

    def check_weights(self, state: Setting) -> None:
        """Refuses weights that are not finite; on a GPU the host waits for the answer.

        Args:
            state: A state dict.

        Raises:
            ValueError: Names the weights.
        """
        floating = {
            name: value
            for name, value in state.items()
            if isinstance(value, Tensor) and value.is_floating_point() and value.numel()
        }
        if not self.enabled or get_total_norm(floating.values(), float('inf')).isfinite():
            return
        bad = [name for name, value in floating.items() if not value.isfinite().all()]
        raise UserError(
            f'the weights {_shown(bad)} hold NaN or infinity: they are not saved, earlier '
            'checkpoints are kept. Lower optim_wrapper.optimizer.lr or the loss_weight of a '
            'method, or set optim_wrapper.clip_grad, and resume from the last checkpoint.'
        )

    def _note(self, names: list[str], finite: Tensor, explain: Explain) -> None:
        if self.enabled:
            self._looks.append((names, finite, explain))

    def _judge(
        self, answers: list[bool], causes: list[tuple[str, Explain]], scaler_skips: bool
    ) -> None:
        everywhere, *own = answers
        self._skipped = 0 if everywhere else self._skipped + 1
        if everywhere or scaler_skips and self._skipped < _SKIPPED_IN_A_ROW:
            return
        bad = [cause for cause, finite in zip(causes, own, strict=True) if not finite]
        message = 'Another process met NaN or infinity and says where; all processes stop.'
        if bad:
            explain = bad[0][1]
            message = explain(list(dict.fromkeys(name for name, e in bad if e is explain)))
        if scaler_skips:
            message += f' The gradient scaler has skipped {self._skipped} steps in a row.'
        raise UserError(message)


def _shown(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {rest} more' if rest > 0 else '')


def _image(sample: Any) -> str:
    """The path of an image, and its first box that no detector can learn."""
    name = str(sample.metainfo.get('img_path'))
    boxes = getattr(getattr(sample, 'gt_instances', None), 'bboxes', None)
    boxes = getattr(boxes, 'tensor', boxes)
    if boxes is None or boxes.shape[-1:] != (4,):
        return name
    sound = boxes.isfinite().all(dim=1) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    broken = boxes[~sound].tolist()
    if not broken:
        return name
    return f'{name} (its box {broken[0]} has no area: is the image smaller than annotated?)'


def _is_asynchronous(tensor: Tensor) -> bool:
    return tensor.is_cuda


def _is_distributed() -> bool:
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


def _scaler_skips(tensor: Tensor) -> bool:
    """Whether this is a forward pass in float16, whose steps a gradient scaler guards."""
    kind = tensor.device.type
    return torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16


def _copy_to_host(answers: Tensor) -> tuple[Tensor, Any]:
    """A copy that is under way, and the event of its arrival."""
    copy = torch.empty_like(answers, device='cpu', pin_memory=True)
    copy.copy_(answers, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return copy, event
