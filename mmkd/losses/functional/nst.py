"""Neuron selectivity transfer: Huang and Wang, 2017.

Letters: B images, C channels, M = H x W cells; each channel is a vector of M numbers.
"""

from torch import Tensor
from torch.nn import functional

from .reduction import product, wide

KERNELS = ('linear', 'polynomial', 'gaussian')


def selectivity_error(student: Tensor, teacher: Tensor, kernel: str = 'polynomial') -> Tensor:
    """MMD^2 between the channels of the two maps, each of unit length, per image.

    mean k(t, t') + mean k(s, s') - 2 mean k(t, s), k = x.y, (x.y)^2, or exp(-|x - y|^2 / (2 s^2))
    with s^2 the mean squared distance of teacher and student channels, taken as a constant.
    Matrices of C x C or M x M numbers are built, whichever are smaller; never C x C x M.

    (B, C_S, H, W), (B, C_T, H, W), one of :data:`KERNELS` -> (B,) in float32 or wider.
    """
    s, t = (
        functional.normalize(wide(side).flatten(2), dim=2, eps=1e-12) for side in (student, teacher)
    )
    if kernel == 'linear':
        return (t.mean(dim=1) - s.mean(dim=1)).square().sum(dim=1)
    if kernel == 'polynomial' and s.shape[2] < max(s.shape[1], t.shape[1]):
        grams = [product(side.transpose(1, 2), side) / side.shape[1] for side in (t, s)]
        return (grams[0] - grams[1]).square().sum(dim=(1, 2))
    products = [product(a, b.transpose(1, 2)) for a, b in ((t, t), (s, s), (t, s))]
    if kernel == 'polynomial':
        kernels = [product.square() for product in products]
    else:
        lengths = {'t': t.square().sum(dim=2), 's': s.square().sum(dim=2)}
        distances = [
            (lengths[a][:, :, None] + lengths[b][:, None] - 2 * product).clamp(min=0)
            for (a, b), product in zip((('t', 't'), ('s', 's'), ('t', 's')), products, strict=True)
        ]
        variance = distances[2].detach().mean(dim=(1, 2), keepdim=True).clamp(min=1e-12)
        kernels = [(-distance / (2 * variance)).exp() for distance in distances]
    own_t, own_s, between = (one.mean(dim=(1, 2)) for one in kernels)
    return own_t + own_s - 2 * between
