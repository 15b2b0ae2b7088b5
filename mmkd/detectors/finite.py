"""Stops training when the teacher says NaN or infinity, without making the host wait for a GPU."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


class FiniteWatch:
    """Looks at each output of the teacher that a method reads.

    On a CPU an output that is not finite is an error at once. On a GPU the answer is copied to the
    host without waiting and read when the next batch begins: training stops one step late, but no
    step waits for the device on our account.

    Args:
        teacher: What to call the teacher in the error: its config and its checkpoint.
    """

    def __init__(self, teacher: str) -> None:
        self.teacher = teacher
        self._pending: list[tuple[Tensor, Callable[[], bool], str]] = []

    def look(self, field: str, outputs: Iterable[Tensor], step: int) -> None:
        """Checks one field of the teacher's observation.

        Args:
            field: Its name.
            outputs: Its tensors.
            step: Iteration, for the error.

        Raises:
            ValueError: On a CPU: a tensor holds NaN or infinity.
        """
        # A sum passes NaN and infinity on, and needs no memory of the maps' size.
        sums = [
            output.detach().sum(dtype=torch.promote_types(output.dtype, torch.float32))
            for output in outputs
        ]
        finite = torch.stack(sums).isfinite().all()
        what = f'{field} at iteration {step}'
        if _is_asynchronous(finite):
            self._pending.append((*_copy_to_host(finite), what))
        elif not finite:
            self._fail(what)

    def check(self) -> None:
        """Reads the answers that have arrived from the GPU.

        Raises:
            ValueError: One of them says NaN or infinity.
        """
        while self._pending and self._pending[0][1]():
            answer, _, what = self._pending.pop(0)
            if not answer:
                self._fail(what)

    def _fail(self, what: str) -> None:
        raise ValueError(
            f'teacher: {self.teacher} gave NaN or infinity in {what}. Its weights or its images '
            'are broken: test the teacher alone on the same data; under AMP with float16 try '
            'bfloat16 or no AMP.'
        )


def _is_asynchronous(tensor: Tensor) -> bool:
    return tensor.is_cuda


def _copy_to_host(answer: Tensor) -> tuple[Tensor, Callable[[], bool]]:
    """A copy that is under way, and whether it has arrived."""
    copy = torch.empty_like(answer, device='cpu', pin_memory=True)
    copy.copy_(answer, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return copy, event.query
