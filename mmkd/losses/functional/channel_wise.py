"""Channel-wise distillation: Shu et al., ICCV 2021.

Letters: B images, C channels, H x W cells.
"""

from torch import Tensor
from torch.nn import functional

from .reduction import wide


def channel_divergence(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 / C sum_c KL of the softmax over the cells of channel c, at a temperature T > 0.

    (B, C, H, W) each -> (B,) in float32 or wider.
    """
    own, target = (
        functional.log_softmax(wide(side).flatten(2) / temperature, dim=2)
        for side in (student, teacher)
    )
    divergence = (target.exp() * (target - own)).sum(dim=2)  # (B, C)
    return temperature**2 * divergence.mean(dim=1)
