"""Maps without their own scale: Cao et al., NeurIPS 2022 (PKD), and batch norm without parameters.

Letters: B images, C channels, H x W cells.
"""

import torch
from torch import Tensor

from .reduction import wide

_AXES = (0, 2, 3)
NORMALIZATIONS = ('none', 'standardize', 'batch_norm')


def channel_moments(maps: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and unbiased standard deviation of each channel over (B, H, W).

    (B, C, H, W) in float32 or wider, the cells that count (B, H, W) bool, by default all ->
    (1, C, 1, 1) each; the deviation of fewer than two numbers is 0, with gradient 0.
    """
    if kept is None:
        several = maps[:, 0].numel() > 1
        return maps.mean(dim=_AXES, keepdim=True), maps.std(
            dim=_AXES, correction=int(several), keepdim=True
        )
    left_out, count = ~kept[:, None], kept.sum()
    mean = maps.masked_fill(left_out, 0).sum(dim=_AXES, keepdim=True) / count.clamp(min=1)
    squares = (maps - mean).masked_fill(left_out, 0).square().sum(dim=_AXES, keepdim=True)
    variance = squares / (count - 1).clamp(min=1)
    positive = variance > 0  # the root has no gradient at 0
    return mean, variance.where(positive, torch.ones_like(variance)).sqrt() * positive


def normalize_maps(maps: Tensor, normalization: str, kept: Tensor | None = None) -> Tensor:
    """Maps whose channels have mean 0 and deviation 1.

    ``'standardize'``: (F - mean) / (std + 1e-6) over the cells that count, the unbiased deviation;
    ``'batch_norm'``: (F - mean) / sqrt(var + 1e-5) over all cells, the biased variance;
    ``'none'`` returns the maps.

    (B, C, H, W), the cells that count (B, H, W) bool, by default all -> (B, C, H, W) in float32 or
    wider; other cells are normalized alike.
    """
    if normalization == 'none':
        return maps
    maps = wide(maps)
    if normalization == 'standardize':
        mean, std = channel_moments(maps, kept)
        return (maps - mean) / (std + 1e-6)
    variance, mean = torch.var_mean(maps, dim=_AXES, correction=0, keepdim=True)
    return (maps - mean) / (variance + 1e-5).sqrt()
