"""Adaptation layers: the student's map in the teacher's channels."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmkd.registry import MODELS
from mmkd.settings import check_number
from mmkd.utils.errors import UserError


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
        check_number('kernel_size', kernel_size, '>= 1', whole=True)
        if kernel_size % 2 == 0:
            raise UserError(f'kernel_size must be odd and positive, got {kernel_size}.')
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.relu = nn.ReLU() if relu else nn.Identity()
        self.init_std = init_std

    def init_weights(self) -> None:
        """Draws the weights anew."""
        self.conv.reset_parameters()
        if (std := self.init_std) is not None:
            nn.init.trunc_normal_(self.conv.weight, std=std, a=-2 * std, b=2 * std)

    def forward(self, student: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.relu(self.conv(student))

    def at_cells(self, student: Tensor, cells: Tensor) -> Tensor:
        """What :meth:`forward` gives in some cells, computed in these alone.

        Args:
            student: (B, in_channels, H, W).
            cells: (N, 3) image, row and column.

        Returns:
            (N, out_channels).
        """
        size = self.conv.kernel_size[0]
        padded = functional.pad(student, (size // 2,) * 4)
        height, width = padded.shape[-2:]
        image, row, column = cells.unbind(1)
        first = (image * height + row) * width + column  # of each cell's window
        steps = torch.arange(size, device=cells.device)
        window = (steps[:, None] * width + steps).flatten()
        rows = padded.permute(0, 2, 3, 1).flatten(0, 2)
        # Its backward pass adds up in one order, that of a plain index need not.
        taken = functional.embedding(first[:, None] + window, rows).flatten(1)
        weight = self.conv.weight.permute(2, 3, 1, 0).flatten(0, 2)
        return self.relu(functional.linear(taken, weight.t(), self.conv.bias))


@MODELS.register_module()
class ChannelAdapter(nn.Module):
    """A 1x1 convolution where the channels differ, nothing where they agree.

    Args:
        in_channels: Channels of the student's map.
        out_channels: Channels of the teacher's map.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        differ = in_channels != out_channels
        self.conv = nn.Conv2d(in_channels, out_channels, 1) if differ else None

    def init_weights(self) -> None:
        """Draws the weights anew."""
        if self.conv is not None:
            self.conv.reset_parameters()

    def forward(self, student: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return student if self.conv is None else self.conv(student)


@MODELS.register_module()
class NoAdapter(nn.Identity):
    """The student's map as it is, for formulas that take maps of different channels.

    Args:
        in_channels: Not read.
        out_channels: Not read.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()


@MODELS.register_module()
class ValidConvAdapter(nn.Module):
    """A convolution without padding, as large as the two grids ask for.

    Source: Romero et al., FitNets, ICLR 2015: a kernel of (H_S - H_T + 1) x (W_S - W_T + 1) cells
    brings a student's map of H_S x W_S cells to the teacher's. 1 where the grids agree.

    Args:
        in_channels: Channels of the student's map.
        out_channels: Channels of the teacher's map.
        kernel_size: Of the convolution, cells.
    """

    keeps_grid = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 1) -> None:
        super().__init__()
        check_number('kernel_size', kernel_size, '>= 1', whole=True)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)

    def init_weights(self) -> None:
        """Draws the weights from the official code's uniform distribution, +-0.05."""
        nn.init.uniform_(self.conv.weight, -0.05, 0.05)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, student: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H - k + 1, W - k + 1)."""
        return self.conv(student)


@MODELS.register_module()
class DeconvAdapter(nn.Module):
    """Learned deconvolutions to the teacher's grid, then one 1x1 convolution to its channels.

    Source: Li et al. 2017, mimic over scales: the student sees smaller images, and the
    transformation layer enlarges its map. Kernel and stride are not in the paper: each
    deconvolution doubles the map (kernel 4, stride 2) and begins as bilinear interpolation.

    Args:
        in_channels: Channels of the student's map.
        out_channels: Channels of the teacher's map.
        octaves: How often the map is doubled, >= 1.
    """

    enlarges = True

    def __init__(self, in_channels: int, out_channels: int, octaves: int = 1) -> None:
        super().__init__()
        check_number('octaves', octaves, '>= 1', whole=True)
        layers = [nn.ConvTranspose2d(in_channels, in_channels, 4, 2, 1) for _ in range(octaves)]
        self.deconvs = nn.Sequential(*layers)
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def init_weights(self) -> None:
        """Sets the deconvolutions to bilinear interpolation and draws the 1x1 weights anew."""
        self.conv.reset_parameters()
        ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
        with torch.no_grad():
            for name, parameter in self.deconvs.named_parameters():
                parameter.zero_()
                if name.endswith('weight'):
                    own = parameter.diagonal(dim1=0, dim2=1)
                    own.copy_(torch.outer(ramp, ramp)[..., None])

    def forward(self, student: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, 2^octaves H, 2^octaves W)."""
        return self.conv(self.deconvs(student))
