"""A neck whose maps are quantized, for the teachers of quantization mimic."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmkd.modules import Quantizer
from mmkd.registry import MODELS

_INNER = 'neck.'


@MODELS.register_module()
class QuantizedNeck(BaseModule):
    """The maps of a neck, or of the backbone, rounded to multiples of a step.

    Source: Yi Wei, Xinyu Pan, Hongwei Qin, Wanli Ouyang, Junjie Yan. Quantization Mimic: Towards
    Very Tiny CNN for Object Detection. ECCV 2018: the teacher's last features are quantized in its
    forward pass and the teacher is tuned with them; the gradient passes straight through.

    It has no weights of its own, and the state dict has the names of the neck inside, so a plain
    checkpoint loads into a quantized detector and the other way round.

    Args:
        step: Distance of two quantized values, > 0, in units of the features.
        neck: Config of the neck inside; None quantizes the backbone's maps.
        signed: Whether negative values are quantized too; None: with a neck inside, whose maps
            have both signs. Without, the backbone's maps are taken as rectified.
    """

    def __init__(self, step: float, neck: dict | None = None, signed: bool | None = None) -> None:
        super().__init__()
        self.neck: nn.Module | None = None if neck is None else MODELS.build(neck)
        self.quantizer = Quantizer(step, neck is not None if signed is None else signed)
        self.register_state_dict_post_hook(_to_plain_keys)
        self.register_load_state_dict_pre_hook(_from_plain_keys)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Per stage (B, C, H, W) to per level (B, C', H', W')."""
        maps = inputs if self.neck is None else self.neck(inputs)
        return tuple(self.quantizer(level) for level in maps)


def _to_plain_keys(module: nn.Module, state: dict, prefix: str, metadata: dict) -> None:
    for key in [key for key in state if key.startswith(prefix + _INNER)]:
        state[prefix + key.removeprefix(prefix + _INNER)] = state.pop(key)


def _from_plain_keys(module: nn.Module, state: dict, prefix: str, *args: object) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        state[prefix + _INNER + key.removeprefix(prefix)] = state.pop(key)
