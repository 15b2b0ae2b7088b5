"""How often a step makes the host wait for a GPU, counted also where there is none."""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mmkd.utils.host import as_on_gpu

_WAITING = frozenset(
    '_local_scalar_dense equal masked_select nonzero repeat_interleave unique_consecutive '
    'unique_dim _unique _unique2'.split()
)
_INDEXING = frozenset({'index', 'index_put', 'index_put_', '_index_put_impl_'})


class HostWaits(TorchDispatchMode):
    """Counts, while its block runs, what makes the host wait where the tensors are on a GPU.

    These are the operations whose result is a number for Python, or has a size that the values
    decide: ``item``, ``tolist``, ``nonzero``, ``unique`` and indices that are masks; tensors that
    ``cpu()`` or ``to('cpu')`` fetch; and numbers of Python that are copied to a GPU:
    ``new_tensor``, ``tensor`` on a device, indices that are lists.

    Attributes:
        count: How many there were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._copies = _Copies(self)

    def __enter__(self) -> 'HostWaits':
        self._as_on_gpu = as_on_gpu()
        self._as_on_gpu.__enter__()
        self._copies.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._copies.__exit__(*error)
        self._as_on_gpu.__exit__(*error)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Runs and counts one operation."""
        name = function.overloadpacket.__name__
        masks = name in _INDEXING and any(
            one is not None and one.dtype == torch.bool for one in args[1]
        )
        self.count += masks or name in _WAITING
        return function(*args, **(kwargs or {}))


_COPYING = (Tensor.cpu, Tensor.tolist, Tensor.new_tensor)
_INDEXED = (Tensor.__getitem__, Tensor.__setitem__)


def _has_list(index: Any) -> bool:
    return any(isinstance(one, list) for one in (index if isinstance(index, tuple) else [index]))


def _fills_mask(index: Any, value: Any) -> bool:
    """Whether ``x[index] = value`` is a masked fill, for which CUDA need not know the cells."""
    masked = isinstance(index, Tensor) and index.dtype == torch.bool
    return masked and isinstance(value, (bool, int, float))


class _Copies(TorchFunctionMode):
    """What copies values between host and GPU before anything is dispatched."""

    def __init__(self, waits: HostWaits) -> None:
        super().__init__()
        self._waits = waits

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Runs and counts one call."""
        named = kwargs or {}
        made = (
            function in (torch.tensor, torch.as_tensor)
            and named.get('device') is not None
            and not isinstance(args[0] if args else named.get('data'), Tensor)
        )
        listed = function in _INDEXED and _has_list(args[1])
        fetched = function is Tensor.to and 'cpu' in (*args[1:2], named.get('device'))
        self._waits.count += bool(function in _COPYING or made or listed or fetched)
        if function is Tensor.__setitem__ and _fills_mask(*args[1:3]):
            before = self._waits.count
            function(*args)
            self._waits.count = before
            return None
        return function(*args, **named)
