"""What the host can know without waiting for a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_as_on_gpu: ContextVar[bool] = ContextVar('as_on_gpu', default=False)


@contextmanager
def as_on_gpu() -> Iterator[None]:
    """Code on a CPU does what it does on a GPU: waits can be counted, whole maps looked at."""
    before = _as_on_gpu.set(True)
    try:
        yield
    finally:
        _as_on_gpu.reset(before)


def host_knows(tensor: Tensor) -> bool:
    """Whether a tensor's values are the host's to read, so that sizes may depend on them."""
    return tensor.device.type == 'cpu' and not _as_on_gpu.get()
