"""Quantization of feature maps."""

from torch import Tensor, nn

from mmkd.losses.functional import quantize
from mmkd.registry import MODELS
from mmkd.settings import check_flag, check_number


@MODELS.register_module()
class Quantizer(nn.Module):
    """Rounds features to multiples of a step; the gradient passes unchanged. No parameters.

    Source: Wei et al., Quantization Mimic: Towards Very Tiny CNN for Object Detection, ECCV 2018.

    Args:
        step: Distance s of two elements of the dictionary, > 0, in units of the features.
        signed: Whether the dictionary has negative elements, for maps that are not rectified.
    """

    def __init__(self, step: float = 1.0, signed: bool = False) -> None:
        super().__init__()
        check_number('step', step, '> 0', remedy='tools/calibrate_quantizer.py suggests one')
        check_flag('signed', signed)
        self.step, self.signed = step, signed

    def forward(self, features: Tensor) -> Tensor:
        """Any shape to the same; see :func:`mmkd.losses.functional.quantize`."""
        return quantize(features, self.step, self.signed)

    def extra_repr(self) -> str:
        """The settings, for ``print``."""
        return f'step={self.step}, signed={self.signed}'
