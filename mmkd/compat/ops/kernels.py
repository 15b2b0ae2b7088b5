"""What the stand-ins for mmcv's kernels share."""

import torch
from torch import Tensor

from ...utils.errors import UserNotImplementedError


def single(tensor: Tensor) -> Tensor:
    """``tensor`` itself, or in float32 where it is a 16-bit float, as autocast would have it.

    torchvision's kernels lack 16-bit types on CPU and bfloat16 on GPU.
    """
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def missing(name: str) -> UserNotImplementedError:
    """The error to raise when mmcv's operation ``name`` is called without a compiled mmcv."""
    return UserNotImplementedError(
        f'The mmcv operation {name} needs the compiled mmcv: without it mmkd runs mmcv on '
        "torchvision's kernels, which have no such operation. Install a compiled mmcv "
        '(https://mmcv.readthedocs.io/en/latest/get_started/installation.html) in place of '
        'mmcv-lite, or choose a model that does without this operation.'
    )
