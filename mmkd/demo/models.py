"""The trained detectors of the demonstration, loaded as anyone would load them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmkd.engine.commands.complexity import count_flops, count_parameters
from mmkd.utils.quiet import quiet_host
from mmkd.visualization import Boxes

from .plan import DISTILLED, STUDENT, Stage


@dataclass(frozen=True)
class Sample:
    """An image of the validation split.

    Attributes:
        path: Its file.
        image: (H, W, 3) uint8 RGB.
        truth: Its boxes.
    """

    path: str
    image: np.ndarray
    truth: Boxes


class LoadedModel:
    """A trained detector.

    Args:
        model: As ``init_detector`` builds it.
        sample: File of an image to count operations on.
    """

    def __init__(self, model: Any, sample: str) -> None:
        self.model, self.sample = model, sample

    def detect(self, path: str) -> Boxes:
        """Detections in an image, in its own pixels."""
        found = inference_detector(self.model, path).pred_instances.cpu().numpy()
        return Boxes(found.bboxes, found.labels, found.scores)

    @property
    def params(self) -> int:
        """Number of parameters."""
        return count_parameters(self.model)

    @cached_property
    def flops(self) -> int:
        """Multiply-adds of one image, proposals and all, as MMEngine counts them."""
        sample = inference_detector(copy.deepcopy(self.model), self.sample)
        inputs = torch.zeros(1, 3, *sample.metainfo['batch_input_shape'])
        return count_flops(self.model, inputs, data_samples=[sample])


def load_model(stage: Stage, stages: Sequence[Stage]) -> LoadedModel:
    """Loads a stage's checkpoint; the distilled one into the plain student's config."""
    by_name = {other.name: other for other in stages}
    plain = by_name[STUDENT] if stage.name == DISTILLED else stage
    return load_detector(plain.load_config(), stage.checkpoint)


def load_detector(config: Config, checkpoint: str | Path) -> LoadedModel:
    """Loads a checkpoint into a plain detector's config."""
    with quiet_host():
        model = init_detector(config, str(checkpoint), device='cpu')
    return LoadedModel(model, _dataset(config).get_data_info(0)['img_path'])


def sample_images(config: Config, count: int) -> tuple[list[Sample], tuple[str, ...]]:
    """The first images of the validation split, and the names of the classes."""
    dataset = _dataset(config)
    samples = []
    for index in range(min(count, len(dataset))):
        info = dataset.get_data_info(index)
        objects = info['instances']
        truth = Boxes(
            bboxes=np.array([entry['bbox'] for entry in objects], float).reshape(-1, 4),
            labels=np.array([entry['bbox_label'] for entry in objects], int),
            ignored=np.array([entry['ignore_flag'] for entry in objects], bool),
        )
        image = mmcv.imread(info['img_path'], channel_order='rgb')
        samples.append(Sample(info['img_path'], image, truth))
    return samples, tuple(dataset.metainfo['classes'])


def _dataset(config: Config) -> Any:
    init_default_scope(config.get('default_scope', 'mmdet'))
    return DATASETS.build(copy.deepcopy(config.val_dataloader.dataset))
