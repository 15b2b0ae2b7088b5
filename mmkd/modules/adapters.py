"""Adaptation layers: the student's map in the teacher's channels."""

from torch import Tensor, nn

from mmkd.registry import MODELS


@MODELS.register_module()
class ConvAdapter(nn.Module):
    """One convolution from student to teacher channels, size kept.

    Source: Wang et al. 2019 (kernel 3, ``init_std`` 1e-4 as in the official code); Chen et al.
    2017 and Romero et al. 2015 (kernel 1).

    Args:
        in_channels: Channels of the student's map.
        out_channels: Channels of the teacher's map.
        kernel_size: Odd size of the kernel, cells.
        relu: Whether the output is rectified; right only for a teacher map that is.
        init_std: Standard deviation of the truncated normal that initialises the weights; None
            keeps PyTorch's default. The bias keeps it in any case.

    Raises:
        ValueError: ``kernel_size`` is not odd and positive.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        relu: bool = False,
        init_std: float | None = None,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f'kernel_size must be odd and positive, got {kernel_size}.')
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.relu = nn.ReLU() if relu else nn.Identity()
        self.init_std = init_std

    def init_weights(self) -> None:
        """Draws the weights anew."""
        self.conv.reset_parameters()
        if self.init_std is not None:
            nn.init.trunc_normal_(
                self.conv.weight, std=self.init_std, a=-2 * self.init_std, b=2 * self.init_std
            )

    def forward(self, student: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.relu(self.conv(student))
