"""An RPN on one of several maps."""

from collections.abc import Sequence

from mmdet.models.dense_heads import RPNHead
from torch import Tensor

from mmkd.registry import MODELS
from mmkd.utils.errors import UserError


@MODELS.register_module()
class LevelRPNHead(RPNHead):
    """MMDetection's RPN, which reads one of the maps it is given and leaves the others alone.

    R-FCN (Dai et al. 2016, section 2) has its RPN on the fourth stage and its score maps on the
    fifth, so a detector's feature maps are not all the RPN's.

    Args:
        level: Index of the map that it reads.
        kwargs: Arguments of ``RPNHead``; its anchors have one level.

    Raises:
        ValueError: The anchor generator has several levels.
    """

    def __init__(self, *args: object, level: int = 0, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        if self.prior_generator.num_levels != 1:
            raise UserError(
                f'rpn_head reads one map (level={level}), its anchor_generator has strides '
                f'{self.prior_generator.strides}: give it one.'
            )
        self.level = level

    def forward(self, x: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Logits (B, A, H, W) and deltas (B, 4 * A, H, W) of the map, each in a list of one.

        Raises:
            ValueError: There is no map ``level``.
        """
        if not -len(x) <= self.level < len(x):
            raise UserError(
                f'rpn_head reads map level={self.level}, but there are {len(x)} maps: set level '
                f'below {len(x)}.'
            )
        return super().forward((x[self.level],))
