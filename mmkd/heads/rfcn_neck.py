"""What the two heads of R-FCN read."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_number
from mmkd.utils.errors import UserError

WIDTH = 1024
"""Channels of the paper's reduced map."""


@MODELS.register_module()
class RFCNNeck(BaseModule):
    """The fourth stage as it is, for the RPN, and the fifth in 1024 channels, for the RoI head.

    Source: Dai et al., R-FCN, NIPS 2016, section 2: "a randomly initialized 1024-d 1x1
    convolutional layer for reducing dimension" after ResNet-101's 2048 channels, here followed by
    a ReLU as in the authors' code.

    Args:
        in_channels: Channels of the backbone's maps: the RPN's and the RoI head's, or of one map
            that serves both.
        divisor: The last map is brought to 1024 channels over this; thin detectors, whose
            backbone is narrower by a factor, give the factor.
        init_cfg: Initialisation; normal with a deviation of 0.01 as in the authors' code.

    Raises:
        ValueError: There are other than one or two maps, or ``divisor`` leaves no channel.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        divisor: int = 1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        if len(in_channels) not in (1, 2):
            raise UserError(f'in_channels names one or two maps, got {list(in_channels)}.')
        check_number('divisor', divisor, f'[1, {WIDTH}]', whole=True)
        self.in_channels = list(in_channels)
        self.reduce = nn.Conv2d(in_channels[-1], WIDTH // divisor, kernel_size=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """One or two stages (B, C, H, W) -> the RPN's map, the RoI head's (B, C', H, W).

        C' is 1024 / divisor.

        Raises:
            ValueError: The maps are not those of ``in_channels``.
        """
        widths = [level.shape[1] for level in inputs]
        if widths != self.in_channels:
            raise UserError(
                f'in_channels of RFCNNeck is {self.in_channels}, but the backbone gives maps of '
                f'{widths} channels: change in_channels or the out_indices of the backbone.'
            )
        return inputs[0], self.relu(self.reduce(inputs[-1]))
