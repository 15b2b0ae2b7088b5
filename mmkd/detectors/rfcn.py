"""R-FCN (Dai et al., NIPS 2016) as a detector of MMDetection."""

from collections.abc import Sequence

from mmdet.models.detectors import FasterRCNN
from torch import Tensor

from mmkd.heads import LevelRPNHead, RFCNRoIHead
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError


@MODELS.register_module()
class RFCN(FasterRCNN):
    """A two-stage detector whose RoI part has no layer of its own: all weights are convolutions.

    Source: Jifeng Dai, Yi Li, Kaiming He, Jian Sun. R-FCN: Object Detection via Region-based Fully
    Convolutional Networks. NIPS 2016. The backbone's fifth stage is dilated, not strided, so that
    all maps that the heads see have one stride; the RPN reads the first of them, the RoI head the
    last. ``docs/rfcn.md`` has the shapes of every step.

    Args:
        backbone: Gives the fourth and fifth stage, of one stride, or one map for both heads.
        neck: :class:`mmkd.heads.RFCNNeck`, or another whose maps have one stride.
        rpn_head: :class:`mmkd.heads.LevelRPNHead`.
        roi_head: :class:`mmkd.heads.RFCNRoIHead`.
        kwargs: More arguments of ``FasterRCNN``.

    Raises:
        ValueError: A part is not R-FCN's, or the strides of RPN and RoI head differ.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        for name, needed in (('rpn_head', LevelRPNHead), ('roi_head', RFCNRoIHead)):
            part = getattr(self, name, None)
            if not isinstance(part, needed):
                raise UserError(
                    f'{name} of RFCN must be mmkd.{needed.__name__}, got {type(part).__name__}.'
                )
        stride = self.roi_head.bbox_roi_extractor.featmap_stride
        anchors = self.rpn_head.prior_generator.strides[0]
        if (stride, stride) != tuple(anchors):
            raise UserError(
                f'rpn_head.anchor_generator has stride {anchors[0]} and '
                f'roi_head.bbox_roi_extractor {stride}: the maps of an R-FCN have one '
                f'stride; set strides=[{stride}].'
            )

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the RPN's map and the RoI head's.

        Raises:
            ValueError: The two have other sizes, or another stride than anchors and extractor.
        """
        maps = super().extract_feat(batch_inputs)
        # Traced (by complexity counters), sizes are tensors, each another member of a set.
        sizes = [tuple(map(int, level.shape[-2:])) for level in maps]
        if len(set(sizes)) > 1:
            raise UserError(
                f'The maps of RPN and RoI head have sizes {sizes}; they need one stride: give the '
                "backbone's last stage strides 1 and dilations 2."
            )
        self._check_stride(batch_inputs.shape[-2:], sizes[0])
        return maps

    def _check_stride(self, image: Sequence[int], cells: Sequence[int]) -> None:
        stride = self.roi_head.bbox_roi_extractor.featmap_stride
        # Layers without padding cost a map a cell or two.
        if any(abs(side / stride - own) > 3 for side, own in zip(image, cells, strict=True)):
            raise UserError(
                f'The maps have {tuple(cells)} cells on an image of {tuple(image)}, and '
                f'rpn_head.anchor_generator and roi_head.bbox_roi_extractor have stride {stride}: '
                f'give both the stride of the maps, about {round(max(image) / max(cells))}, or the '
                f"backbone's stages strides whose product is {stride}."
            )
