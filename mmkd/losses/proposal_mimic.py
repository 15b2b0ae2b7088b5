"""The mimic loss of Li et al. as a registered module."""

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_number

from .functional import NORMALIZE, RegionErrors, constant, global_avg_factor, mimic_rows


@MODELS.register_module()
class ProposalMimicLoss(nn.Module):
    """Half the squared error of each region over its size, averaged over the regions.

    Source: Li et al., Mimicking Very Efficient Network for Object Detection, CVPR 2017, L_m:
    ``loss_weight / (2 N) * sum_i ||u_i - r(v_i)||^2 / m_i``, N the regions of all images of all
    processes. The paper does not say whether m_i counts channels.

    Args:
        loss_weight: Their lambda_1, >= 0.
        normalize: m_i: ``'elements'`` of the region (C h w), ``'positions'`` (h w), or ``'none'``
            (1), the first form of the paper.
    """

    def __init__(self, loss_weight: float = 1.0, normalize: str = 'elements') -> None:
        super().__init__()
        check_number('loss_weight', loss_weight, '>= 0')
        check_choice('normalize', normalize, NORMALIZE)
        self.loss_weight, self.normalize = loss_weight, normalize

    def forward(
        self,
        *,
        errors: RegionErrors,
        kept: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Regions to a scalar; 0 with a graph where there is none.

        Args:
            errors: Of N regions.
            kept: (N,) bool; the others count nowhere. None: all count.
            avg_factor: N of this process; None: the kept regions. Counted over all processes here.
        """
        rows = mimic_rows(errors, self.normalize)
        kept = torch.ones_like(rows, dtype=torch.bool) if kept is None else kept
        count = kept.sum() if avg_factor is None else constant(avg_factor, rows)
        return self.loss_weight * rows.masked_fill(~kept, 0).sum() / (2 * global_avg_factor(count))
