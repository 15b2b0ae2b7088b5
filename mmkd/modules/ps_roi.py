"""Position-sensitive RoI pooling (Dai et al., R-FCN, NIPS 2016)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import ps_roi_align

from mmkd.losses.functional import wide
from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_numbers
from mmkd.utils.errors import UserError

POOLS = ('align', 'pool')


@MODELS.register_module()
class PSRoIExtractor(nn.Module):
    """Bin (i, j) of an RoI reads maps of its own: channel c of the result, channel c k k + i k + j.

    Source: Jifeng Dai, Yi Li, Kaiming He, Jian Sun. R-FCN: Object Detection via Region-based Fully
    Convolutional Networks. NIPS 2016, equation 1 (``pool='pool'``: the mean of the cells of a bin,
    borders rounded to cells). ``pool='align'`` takes the mean of bilinear samples instead, as
    RoIAlign does and Light-Head R-CNN took over; nothing is rounded. It has no weights and takes
    the place of MMDetection's RoI extractors, whose arguments and results it has.

    Args:
        featmap_stride: Stride of the map, pixels.
        output_size: k; an RoI has k x k bins.
        pool: ``'align'`` or ``'pool'``.
        sampling_ratio: Samples along each side of a bin, >= 1; read by ``'align'`` only.

    Attributes:
        num_inputs: Maps that it reads, as in MMDetection's extractors: one.
    """

    num_inputs = 1

    def __init__(
        self,
        featmap_stride: int = 16,
        output_size: int = 7,
        pool: str = 'align',
        sampling_ratio: int = 2,
    ) -> None:
        super().__init__()
        check_choice('pool', pool, POOLS)
        sizes = dict(
            featmap_stride=featmap_stride, output_size=output_size, sampling_ratio=sampling_ratio
        )
        check_numbers('>= 1', whole=True, **sizes)
        self.featmap_stride, self.output_size = featmap_stride, output_size
        self.pool, self.sampling_ratio = pool, sampling_ratio

    def forward(self, feats: Sequence[Tensor], rois: Tensor) -> Tensor:
        """Pools each RoI.

        Args:
            feats: One map (B, C * k * k, H, W).
            rois: (R, 5) image index and xyxy, pixels of the padded input.

        Returns:
            (R, C, k, k), in float32 or wider: the kernels have no 16-bit form on a CPU.

        Raises:
            ValueError: There is not one map, or its channels are no multiple of k * k.
        """
        area = self.output_size**2
        if len(feats) != 1 or feats[0].shape[1] % area:
            raise UserError(
                f'PSRoIExtractor reads one map with a multiple of {area} channels (output_size '
                f'{self.output_size}), got {[tuple(level.shape) for level in feats]}.'
            )
        maps = wide(feats[0])
        boxes = rois.to(maps.dtype)
        scale = 1 / self.featmap_stride
        if self.pool == 'align':
            return ps_roi_align(maps, boxes, self.output_size, scale, self.sampling_ratio)
        return _PSRoIPool.apply(maps, boxes, self.output_size, scale)

    def extra_repr(self) -> str:
        """The settings, for ``print``."""
        return (
            f'featmap_stride={self.featmap_stride}, output_size={self.output_size}, '
            f'pool={self.pool!r}, sampling_ratio={self.sampling_ratio}'
        )


class _PSRoIPool(torch.autograd.Function):
    """torchvision's kernels, with the last row and column of the map taking part.

    The forward kernel (torchvision 0.29 and before) clips a bin at H - 1 and W - 1, so it never
    reads them, while the backward kernel clips at H and W and sends gradient to cells that were
    not read. One more row and column in the forward pass alone restores the paper's equation and
    makes the two agree. Removable when the forward kernel clips at H and W.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, rois: Tensor, bins: int, scale: float) -> Tensor:
        padded = functional.pad(maps, (0, 1, 0, 1))
        pooled, channels = torch.ops.torchvision.ps_roi_pool(padded, rois, scale, bins, bins)
        ctx.save_for_backward(rois, channels)
        ctx.settings = (scale, bins, bins, *maps.shape)
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        rois, channels = ctx.saved_tensors
        found = torch.ops.torchvision._ps_roi_pool_backward(
            gradients[0].contiguous(), rois, channels, *ctx.settings
        )
        return found, None, None, None
