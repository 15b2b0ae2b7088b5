"""What the host can know without waiting for a GPU."""

from contextvars import ContextVar

from torch import Tensor

as_on_gpu: ContextVar[bool] = ContextVar('as_on_gpu', default=False)
"""Whether code on a CPU is to do what it does on a GPU, so that its waits can be counted."""


def host_knows(tensor: Tensor) -> bool:
    """Whether a tensor's values are the host's to read, so that sizes may depend on them."""
    return tensor.device.type == 'cpu' and not as_on_gpu.get()
