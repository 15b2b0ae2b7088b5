"""Stands in for ``mmcv._ext``, the compiled part of mmcv, where it was not compiled.

Gap: mmcv's wheels are built for few versions of torch, ``mmcv-lite`` has none of the compiled
operations, and MMDetection cannot be imported without them. mmcv's Python wrappers are present
in every build and call a function of ``mmcv._ext`` with the result tensors as arguments; the
functions here answer those calls with torchvision's kernels, on CPU and GPU.

Removable when mmcv ships wheels for every supported torch. A compiled mmcv always wins.
"""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

from . import attention, boxes, convolution, focal, pooling
from .kernels import missing

EXTENSION = 'mmcv._ext'

OPERATIONS = {
    name: value
    for module in (attention, boxes, convolution, focal, pooling)
    for name, value in vars(module).items()
    if getattr(value, '__module__', '') == module.__name__ and not name.startswith('_')
}


class TorchvisionExtension(ModuleType):
    """``mmcv._ext`` on torchvision: every name exists, one without a counterpart raises.

    mmcv checks on import that the names are there; whoever never calls an operation never needs
    it, so the error waits for the call.
    """

    def __init__(self) -> None:
        super().__init__(EXTENSION, doc="mmcv's operations on torchvision's kernels")
        self.__spec__ = importlib.machinery.ModuleSpec(EXTENSION, loader=None)
        vars(self).update(OPERATIONS)

    def get_compiler_version(self) -> str:
        """What MMEngine prints about the build in its report of the environment."""
        return 'n/a (torchvision kernels by mmkd)'

    get_compiling_cuda_version = get_compiler_version

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        """A function in the place of an operation that has no counterpart."""
        if name.startswith('_'):
            raise AttributeError(name)

        def absent(*args: object, **kwargs: object) -> NoReturn:
            raise missing(name)

        return absent


def install() -> bool:
    """Puts the stand-in in place unless mmcv is compiled; whether it did."""
    if EXTENSION in sys.modules or importlib.util.find_spec(EXTENSION) is not None:
        return False
    sys.modules[EXTENSION] = TorchvisionExtension()
    return True
