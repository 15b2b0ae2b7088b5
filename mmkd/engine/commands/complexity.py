"""What a detector costs: parameters and multiply-adds, of the whole and of its backbone."""

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmkd.detectors.detector_source import build_detector, resolve_spec
from mmkd.engine.checks.preflight import is_distillation
from mmkd.registry import MODELS
from mmkd.utils.quiet import quiet_host


@dataclass(frozen=True)
class Complexity:
    """Parameters and multiply-adds of one image.

    Those of a two-stage detector depend on how many boxes it proposes; untrained, about as many as
    its test_cfg permits.
    """

    backbone_parameters: int
    backbone_flops: int
    parameters: int
    flops: int


def measure_complexity(config: Config, shape: tuple[int, int]) -> Complexity:
    """Builds the detector of a config with random weights, always the same, and counts.

    A distillation config counts as its student, which is what remains of it. No file is read.

    ``shape`` is (height, width) of the image in pixels, multiples of 32.
    """
    init_default_scope(config.get('default_scope', 'mmdet'))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = (
            build_detector(resolve_spec(config.model.student, 'student'))
            if is_distillation(config)
            else MODELS.build(copy.deepcopy(config.model))
        ).eval()
    inputs = torch.zeros(1, 3, *shape)
    sample = DetDataSample(
        metainfo=dict(
            img_shape=shape, ori_shape=shape, batch_input_shape=shape, scale_factor=(1.0, 1.0)
        )
    )
    return Complexity(
        backbone_parameters=count_parameters(model.backbone),
        backbone_flops=count_flops(model.backbone, inputs),
        parameters=count_parameters(model),
        flops=count_flops(model, inputs, data_samples=[sample]),
    )


def count_parameters(model: nn.Module) -> int:
    """Number of parameters, frozen ones too."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_flops(model: nn.Module, inputs: torch.Tensor, **arguments: Any) -> int:
    """Multiply-adds of one forward pass as MMEngine counts them, on a copy of the model.

    ``inputs`` are (B, 3, H, W); ``arguments`` go to ``model.forward`` too.
    """
    model = copy.deepcopy(model)
    model.forward = partial(model.forward, **arguments)
    with quiet_host():
        info = get_model_complexity_info(model, inputs=(inputs,), show_table=False, show_arch=False)
    return int(info['flops'])
