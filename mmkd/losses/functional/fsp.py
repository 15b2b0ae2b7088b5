"""Flow of the solution procedure: Yim et al., CVPR 2017.

Letters: B images, M and N channels of two maps of one network, H x W cells.
"""

from torch import Tensor
from torch.nn import functional

from .reduction import product, wide


def fsp_matrix(first: Tensor, second: Tensor) -> Tensor:
    """G_ij = sum over cells of F1_i F2_j / (H W); the larger map is max-pooled to the smaller.

    (B, M, H1, W1), (B, N, H2, W2) -> (B, M, N) in float32 or wider.
    """
    size = [min(pair) for pair in zip(first.shape[-2:], second.shape[-2:], strict=True)]
    sides = [
        side if list(side.shape[-2:]) == size else functional.adaptive_max_pool2d(side, size)
        for side in (wide(first), wide(second))
    ]
    one, other = (side.flatten(2) for side in sides)
    return product(one, other.transpose(1, 2)) / (size[0] * size[1])


def fsp_error(student: Tensor, teacher: Tensor) -> Tensor:
    """||G_T - G_S||_F^2 of each image, (B, M, N) each -> (B,)."""
    return (student - teacher).square().sum(dim=(1, 2))
