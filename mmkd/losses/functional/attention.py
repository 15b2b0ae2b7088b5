"""Activation-based attention transfer: Zagoruyko and Komodakis, ICLR 2017.

Letters: B images, C channels, H x W cells.
"""

from torch import Tensor

from .reduction import wide

ATTENTION_MAPS = ('sum', 'sum_p', 'max_p')
ATTENTION_FORMS = ('mean_square', 'norm')


def attention_map(features: Tensor, kind: str = 'sum_p', p: float = 2.0) -> Tensor:
    """Where a map A is active, of unit length: (B, C, H, W) -> (B, H W) in float32 or wider.

    Over the channels, ``kind`` is the ``'sum'`` of |A|, ``'sum_p'`` that of |A|^p, p >= 1, or
    ``'max_p'`` the largest |A|^p. Zeros where the map is 0 everywhere.
    """
    sizes = wide(features).abs()
    sizes = sizes if kind == 'sum' else sizes**p
    found = sizes.amax(dim=1) if kind == 'max_p' else sizes.sum(dim=1)
    found = found.flatten(1)
    squares = found.square().sum(dim=1, keepdim=True)
    return found / squares.clamp(min=1e-24).sqrt()


def attention_error(student: Tensor, teacher: Tensor, form: str = 'mean_square') -> Tensor:
    """Distance of two attention maps of unit length, (B, H W) each -> (B,).

    ``form`` is ``'mean_square'``, the mean of the squared differences over the cells (official
    code), or ``'norm'``, their Euclidean norm (the paper's equation 2).
    """
    squares = (student - teacher).square()
    if form == 'mean_square':
        return squares.mean(dim=1)
    total = squares.sum(dim=1)
    return total.clamp(min=1e-24).sqrt().masked_fill(total == 0, 0)
