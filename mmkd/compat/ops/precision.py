"""Half precision: torchvision's kernels lack 16-bit types on CPU and bfloat16 on GPU."""

import torch
from torch import Tensor


def single(tensor: Tensor) -> Tensor:
    """``tensor`` itself, or in float32 where it is a 16-bit float, as autocast would have it."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
