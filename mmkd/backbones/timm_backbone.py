"""Any network of timm that gives a pyramid of maps, as a backbone of MMDetection."""

import difflib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.registry import MODELS
from mmkd.utils.errors import UserError, UserImportError


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A network of timm without its classifier, built by ``timm.create_model(features_only=True)``.

    ``pip install 'mmkd[timm]'`` brings timm. Networks whose width is an argument become as thin as
    a student needs, such as the Inception-like
    ``dict(model_name='inception_next_atto', depths=(1, 1, 2, 1), dims=(8, 16, 32, 64))``;
    those with fixed widths, Inception v3 and v4 among them, are taken as they are.

    Args:
        model_name: A name that ``timm.list_models()`` gives.
        out_indices: Outputs, from timm's list of the network's stages; None: all that timm names.
        pretrained: Whether timm loads its own weights while the network is built, from the Hugging
            Face hub unless they are cached. They must fit the network, so not with other widths.
        norm_eval: Whether batch norm uses, and keeps, its running statistics in training.
        init_cfg: MMEngine's, applied after timm's own initialisation; None: timm's stays.
        **model_args: More arguments of the network, such as ``dims`` or ``drop_path_rate``.

    Attributes:
        out_channels: Channels of each output.
        strides: Stride of each output, pixels.
        img_size: (height, width) of images of the one size that timm built it for, or None.

    Raises:
        ImportError: timm is not installed, or broken.
        ValueError: timm has no such network, or it gives no maps.
    """

    def __init__(
        self,
        model_name: str,
        out_indices: Sequence[int] | None = None,
        pretrained: bool = False,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
        **model_args: Any,
    ) -> None:
        super().__init__(init_cfg)
        timm = _import_timm()
        if not timm.is_model(model_name):
            close = difflib.get_close_matches(model_name, timm.list_models(), n=5, cutoff=0.5)
            raise UserError(
                f'model_name={model_name!r}: timm {timm.__version__} has no such network; close '
                f'names are {close}, and timm.list_models() gives all.'
            )
        if out_indices is not None:
            model_args['out_indices'] = tuple(out_indices)
        try:
            self.network = timm.create_model(
                model_name, pretrained=pretrained, features_only=True, **model_args
            )
        except (RuntimeError, AssertionError, TypeError, IndexError) as error:
            raise UserError(
                f'model_name={model_name!r}: timm {timm.__version__} builds no maps of it with '
                f'{model_args} ({error}). Choose a network of timm.list_models() that supports '
                'features_only, and arguments that it knows.'
            ) from error
        self.out_channels = tuple(self.network.feature_info.channels())
        self.strides = tuple(self.network.feature_info.reduction())
        default = timm.get_pretrained_cfg(model_name)
        fixed = default is not None and default.fixed_input_size and 'img_size' not in model_args
        self.img_size = default.input_size[1:] if fixed else model_args.get('img_size')
        self.norm_eval = norm_eval

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> for each output (B, ``out_channels[i]``, about H / stride, W / stride).

        Networks without padding, as Inception v3, give a cell or two less.
        """
        return tuple(self.network(x))

    def train(self, mode: bool = True) -> 'TimmBackbone':
        """Keeps batch norm as at inference under ``norm_eval``."""
        super().train(mode)
        if self.norm_eval:
            for module in self.network.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise UserImportError(
            f"mmkd.TimmBackbone needs timm ({error}): pip install 'mmkd[timm]'."
        ) from error
    return timm
