"""MMDetection's RoI head with the order of R-FCN: first the score maps, then the pooling."""

from collections.abc import Sequence

from mmdet.models.roi_heads import StandardRoIHead
from torch import Tensor

from mmkd.modules import PSRoIExtractor
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError

from .rfcn_head import RFCNHead


@MODELS.register_module()
class RFCNRoIHead(StandardRoIHead):
    """Makes score maps of the last feature map once a batch, pools them for each RoI, votes.

    Source: Dai et al., R-FCN, NIPS 2016. Assigning, sampling (``OHEMSampler`` included), losses,
    NMS and test-time augmentation are ``StandardRoIHead``'s: the order of the two steps is all
    that differs. ``bbox_feats``, what the box head reads, are (R, D, k, k): for each value of an
    RoI the score of each bin.

    Args:
        bbox_roi_extractor: Config of a :class:`mmkd.modules.PSRoIExtractor`.
        bbox_head: Config of a :class:`RFCNHead`.
        kwargs: More arguments of ``StandardRoIHead``.

    Raises:
        ValueError: Extractor or head is none of R-FCN's, they differ in their number of bins, or
            there is a ``shared_head``.
    """

    def init_bbox_head(self, bbox_roi_extractor: dict, bbox_head: dict) -> None:
        """Builds both and compares their bins; nothing would run a ``shared_head``."""
        if self.with_shared_head:
            raise UserError(
                'shared_head has no place in an RFCNRoIHead: no layer runs on an RoI. Take it out.'
            )
        super().init_bbox_head(bbox_roi_extractor, bbox_head)
        for name, needed in (('bbox_roi_extractor', PSRoIExtractor), ('bbox_head', RFCNHead)):
            part = getattr(self, name)
            if not isinstance(part, needed):
                raise UserError(
                    f'{name} of RFCNRoIHead must be mmkd.{needed.__name__}, got '
                    f'{type(part).__name__}.'
                )
        pooled, voted = self.bbox_roi_extractor.output_size, self.bbox_head.roi_feat_size[0]
        if pooled != voted:
            raise UserError(
                f'bbox_roi_extractor.output_size is {pooled} and bbox_head.roi_feat_size is '
                f'{voted}: give both the same k.'
            )

    def _bbox_forward(self, x: Sequence[Tensor], rois: Tensor) -> dict[str, Tensor]:
        """Maps of the backbone or neck and RoIs (R, 5) -> ``cls_score, bbox_pred, bbox_feats``."""
        maps = self.bbox_head.score_maps(x[-1])
        bbox_feats = self.bbox_roi_extractor((maps,), rois)
        cls_score, bbox_pred = self.bbox_head(bbox_feats)
        return dict(cls_score=cls_score, bbox_pred=bbox_pred, bbox_feats=bbox_feats)
