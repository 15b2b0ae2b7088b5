"""VGG of any fraction of its width (Simonyan and Zisserman, ICLR 2015)."""

import re
from collections.abc import Sequence

from mmcv.cnn import VGG as HostVGG
from mmcv.cnn import make_vgg_layer
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.registry import MODELS
from mmkd.settings import check_choice
from mmkd.utils.errors import UserError

DEPTHS: dict[int, tuple[int, ...]] = HostVGG.arch_settings
"""Convolutions of each of the five stages, by depth."""
WIDTHS = (64, 128, 256, 512, 512)
"""Channels of each stage."""
_STAGES = len(WIDTHS)


@MODELS.register_module()
class VGG(BaseModule):
    """The convolutions of VGG-11, 13, 16 or 19, with every width divided by one number.

    The outputs are the maps behind the last ReLU of a stage, before its pooling: index 0 to 4 is
    conv1 to conv5 with strides 1, 2, 4, 8, 16, and index 5 the fifth pooling with stride 32. So
    ``out_indices=(4,)`` is the single map that Faster R-CNN reads, the last pooling left out, and
    ``(2, 3, 4, 5)`` feeds a pyramid of strides 4 to 32. Stages after the last output are not built.

    Parameters have torchvision's names, ``features.N.weight`` and so on, so that
    ``init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg16')`` fits at full width;
    with ``batch_norm`` it is ``'torchvision://vgg16_bn'``. Classifier and unbuilt stages of the
    file are left out; any other difference is an error, where MMEngine would go on without.

    Source: K. Simonyan, A. Zisserman. Very Deep Convolutional Networks for Large-Scale Image
    Recognition. ICLR 2015, table 1 (configurations A, B, D, E). The divisors 16 and 32 are the
    VGG-1-16 and VGG-1-32 of Wei et al., Quantization Mimic, ECCV 2018.

    Args:
        depth: 11, 13, 16 or 19.
        width_divisor: What 64, 128, 256 and 512 channels are divided by, >= 1; 1 to 32 in the
            papers, 64 at most.
        batch_norm: Whether each convolution is followed by batch norm. Thin networks from scratch
            need it.
        out_indices: Outputs, ascending, from 0 to 5 (see above).
        frozen_stages: The first stages that do not train; -1 or 0: none. The detectors of the
            papers freeze 2.
        norm_eval: Whether batch norm uses, and keeps, its running statistics in training.
        init_cfg: MMEngine's; by default Kaiming's for convolutions, 1 for batch norm.

    Attributes:
        out_channels: Channels of each output.
        strides: Stride of each output, pixels.

    Raises:
        ValueError: An argument is out of range, or a width divided is not whole.
    """

    def __init__(
        self,
        depth: int = 16,
        width_divisor: int = 1,
        batch_norm: bool = False,
        out_indices: Sequence[int] = (4,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or _from_scratch())
        blocks, widths = _plan(depth, width_divisor, out_indices)
        if not -1 <= frozen_stages <= len(blocks):
            raise UserError(
                f'frozen_stages must be in [-1, {len(blocks)}], as out_indices={tuple(out_indices)}'
                f' needs {len(blocks)} stages, got {frozen_stages}.'
            )
        self.out_indices = tuple(out_indices)
        self.out_channels = tuple(widths[min(i, _STAGES - 1)] for i in self.out_indices)
        self.strides = tuple(2**i for i in self.out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        layers: list[nn.Module] = []
        self._ends: list[int] = []  # the layer after the last ReLU of each stage, its pooling
        channels = 3
        for width, convolutions in zip(widths, blocks, strict=True):
            layers += make_vgg_layer(channels, width, convolutions, with_bn=batch_norm)
            self._ends.append(len(layers) - 1)
            channels = width
        keep_pool = _STAGES in self.out_indices
        self.features = nn.Sequential(*(layers if keep_pool else layers[:-1]))
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> for each output (B, ``out_channels[i]``, H / stride, W / stride)."""
        stages = [0, *self._ends]
        outputs = []
        for index, (begin, end) in enumerate(zip(stages, stages[1:], strict=False)):
            x = self.features[begin:end](x)
            if index in self.out_indices:
                outputs.append(x)
        if _STAGES in self.out_indices:
            outputs.append(self.features[self._ends[-1]](x))
        return tuple(outputs)

    def train(self, mode: bool = True) -> 'VGG':
        """Keeps frozen stages, and under ``norm_eval`` every batch norm, as at inference."""
        super().train(mode)
        if self.norm_eval:
            for module in self.features:
                if isinstance(module, _BatchNorm):
                    module.eval()
        self._freeze()
        return self

    def _freeze(self) -> None:
        if self.frozen_stages > 0:
            frozen = self.features[: self._ends[self.frozen_stages - 1]]
            frozen.eval()
            frozen.requires_grad_(False)

    def init_weights(self) -> None:
        """MMEngine's, but pretrained weights that do not fit are an error.

        Raises:
            ValueError: Weights of another depth or width, or of a VGG that differs in batch norm.
        """
        handle = self.register_load_state_dict_pre_hook(_fit)
        try:
            super().init_weights()
        finally:
            handle.remove()


def _from_scratch() -> list[dict]:
    return [
        dict(type='Kaiming', layer='Conv2d'),
        dict(type='Constant', val=1, layer=['_BatchNorm']),
    ]


def _plan(
    depth: int, divisor: int, out_indices: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Convolutions and channels of the stages that are built."""
    check_choice('depth', depth, DEPTHS)
    if divisor < 1 or any(width % divisor for width in WIDTHS):
        raise UserError(
            f'width_divisor must divide {", ".join(map(str, sorted(set(WIDTHS))))} into whole '
            f'numbers of channels, got {divisor}: use 1, 2, 4, 8, 16, 32 or 64.'
        )
    indices = list(out_indices)
    if not indices or indices != sorted(set(indices)) or not set(indices) <= set(range(6)):
        raise UserError(
            f'out_indices must be ascending and within 0 to {_STAGES}, at least one, got '
            f'{tuple(out_indices)}.'
        )
    stages = min(indices[-1] + 1, _STAGES)
    return DEPTHS[depth][:stages], tuple(width // divisor for width in WIDTHS[:stages])


def _fit(model: VGG, state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Drops what a VGG of torchvision has and a backbone lacks, and refuses what remains amiss."""
    own = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    last = len(model.features)
    for key in list(state_dict):
        deeper = re.match(re.escape(prefix) + r'features\.(\d+)\.', key)
        if key.startswith(f'{prefix}classifier.') or (deeper and int(deeper[1]) >= last):
            del state_dict[key]
    # Files from before torch 0.4.1 have no such count, and torch reads them.
    missing = [k for k in own if k not in state_dict and not k.endswith('num_batches_tracked')]
    others = [k for k in state_dict if k not in own]
    shapes = [
        f'{key} {tuple(state_dict[key].shape)} for {tuple(own[key].shape)}'
        for key in own
        if key in state_dict and state_dict[key].shape != own[key].shape
    ]
    if missing or others or shapes:
        raise UserError(
            'The pretrained weights are no VGG of this depth, width_divisor and batch_norm: '
            f'missing {missing[:3]}, unknown {others[:3]}, other shapes {shapes[:3]} (of '
            f'{len(missing)}, {len(others)}, {len(shapes)}). torchvision has vgg11 to vgg19 and '
            'vgg11_bn to vgg19_bn, all of width_divisor=1; thinner ones start from scratch.'
        )
