"""The box head of R-FCN (Dai et al., NIPS 2016): score maps, and a vote of the bins of an RoI.

Letters: K classes, k x k bins, D = K + 1 scores and 4 (or 4 K) deltas of an RoI, R RoIs.
"""

import torch
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_flag, check_number
from mmkd.utils.errors import UserError


@MODELS.register_module()
class ScoreMaps(nn.Conv2d):
    """A 1x1 convolution to one map per value and bin; a predictor of ``BBoxHead``.

    Args:
        in_features: Channels of the map it reads.
        out_features: Values of an RoI.
        bins: k * k.
    """

    def __init__(self, in_features: int, out_features: int, bins: int) -> None:
        super().__init__(in_features, out_features * bins, kernel_size=1)


@MODELS.register_module()
class RFCNHead(BBoxHead):
    """Position-sensitive score maps and box maps, pooled elsewhere, then a vote by averaging.

    Source: Jifeng Dai, Yi Li, Kaiming He, Jian Sun. R-FCN: Object Detection via Region-based Fully
    Convolutional Networks. NIPS 2016, section 2: k * k * (K + 1) score maps, k * k * 4
    class-agnostic box maps, the mean over bins. Targets, losses and decoding are ``BBoxHead``'s,
    so the background is the last class, and so are the names of the weights: ``fc_cls`` and
    ``fc_reg`` are the convolutions that make the maps.

    Args:
        in_channels: Channels of the map that the score maps are made from.
        num_classes: K.
        roi_feat_size: k.
        reg_class_agnostic: One box for all classes, as in the paper, or one each.
        kwargs: More arguments of ``BBoxHead`` (``bbox_coder``, ``loss_cls``, ``loss_bbox``,
            ``reg_decoded_bbox``, ``init_cfg``).

    Raises:
        ValueError: An argument that the head sets itself is given, or one is out of range.
    """

    def __init__(
        self,
        in_channels: int = 1024,
        num_classes: int = 80,
        roi_feat_size: int = 7,
        reg_class_agnostic: bool = True,
        **kwargs: object,
    ) -> None:
        own = {'with_avg_pool', 'with_cls', 'with_reg', 'cls_predictor_cfg', 'reg_predictor_cfg'}
        if own & set(kwargs):
            raise UserError(f'RFCNHead sets {sorted(own & set(kwargs))} itself: leave them out.')
        check_number('roi_feat_size', roi_feat_size, '>= 1', whole=True)
        check_flag('reg_class_agnostic', reg_class_agnostic)
        maps = dict(type='mmkd.ScoreMaps', bins=roi_feat_size**2)
        super().__init__(
            with_avg_pool=True,
            roi_feat_size=roi_feat_size,
            in_channels=in_channels,
            num_classes=num_classes,
            reg_class_agnostic=reg_class_agnostic,
            cls_predictor_cfg=maps,
            reg_predictor_cfg=maps,
            **kwargs,
        )

    def score_maps(self, feature: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, D * k * k, H, W): scores first, then deltas.

        The k * k maps of a value are adjacent, bins row-major.
        """
        return torch.cat([self.fc_cls(feature), self.fc_reg(feature)], dim=1)

    def forward(self, bbox_feats: Tensor) -> tuple[Tensor, Tensor]:
        """The vote.

        Args:
            bbox_feats: (R, D, k, k), the score maps pooled bin by bin.

        Returns:
            Logits (R, K + 1) and deltas (R, 4), or (R, 4 * K) with a box a class.
        """
        votes = bbox_feats.mean(dim=(2, 3))  # (R, D)
        scores = self.fc_cls.out_channels // self.roi_feat_area
        # BBoxHead takes views of what it decodes.
        return votes[:, :scores], votes[:, scores:].contiguous()
