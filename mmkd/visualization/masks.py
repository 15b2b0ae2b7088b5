"""The imitation masks of a distillation config, made by the code that trains with them."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmkd.compat import is_distillation
from mmkd.distiller import Distiller, Method
from mmkd.registry import MODELS
from mmkd.utils.config_walk import dataset_configs
from mmkd.utils.errors import UserError
from mmkd.utils.types import Dataset


@dataclass(frozen=True)
class MaskedImage:
    """One image as a training step sees it, and where the student imitates in it."""

    name: str  # of its file
    image: np.ndarray  # (H, W, 3) uint8 RGB after the pipeline, not normalised, not padded
    masks: list[np.ndarray]  # of each level pair (h, w) bool, on the teacher's grid
    strides: list[int]  # of each level pair, pixels of the image
    gt_bboxes: np.ndarray  # (G, 4) xyxy pixels of the image
    gt_ignored: np.ndarray  # (I, 4)
    offset: float  # of the centres of the first cell's anchors, in strides

    @property
    def parts(self) -> tuple[np.ndarray, list[np.ndarray], list[int], np.ndarray, np.ndarray]:
        """What :func:`mmkd.visualization.draw_imitation` takes first."""
        return self.image, self.masks, self.strides, self.gt_bboxes, self.gt_ignored

    @property
    def kept(self) -> list[float]:
        """Per level the share of cells that are imitated, in [0, 1]."""
        return [float(mask.mean()) for mask in self.masks]


def imitation_dataset(config: Config, split: str) -> Any:
    """A split's images under the training pipeline, whose boxes fit the image that comes out.

    Raises:
        ValueError: The config has no such split, or no pipeline.
        FileNotFoundError: The data are missing.
    """
    key = f'{split}_dataloader'
    for needed in ('train_dataloader', key):
        if config.get(needed) is None:
            raise UserError(f'{config.filename} has no {needed}: choose the other --split.')
    init_default_scope(config.get('default_scope', 'mmdet'))
    dataset = copy.deepcopy(config[key].dataset)
    if split != 'train':
        # A test pipeline leaves boxes in pixels of the file, which training never sees.
        owner = _pipeline_owner(dataset)
        owner['pipeline'] = copy.deepcopy(_pipeline_owner(config.train_dataloader.dataset).pipeline)
    return DATASETS.build(dataset)


def build_imitator(config: Config, method: str | None = None) -> tuple[Distiller, Method]:
    """The detector of a distillation config, and its method that has an imitation mask.

    No checkpoint is read: a mask depends on boxes, anchors and the sizes of maps alone. ``method``
    is the name of one, where several have a mask.

    Raises:
        ValueError: The model distils nothing, or none or several of its methods have a mask.
    """
    init_default_scope(config.get('default_scope', 'mmdet'))
    if not is_distillation(config):
        raise UserError(
            config.filename,
            f'is the config of a {config.model.get("type")}, which has no teacher',
            "name a distillation config, whose model has type='mmkd.DistillDetector'",
        )
    model = MODELS.build(dict(config.model, type='mmkd.DistillDetector'))
    masked = {name: method for name, method in model.distill.items() if method.has_masks}
    if not masked:
        raise UserError(
            f'{config.filename}: none of its methods has an imitation mask '
            f"({', '.join(model.distill)}). Add dict(type='mmkd.FGFI') to methods, or "
            '--method fgfi.'
        )
    if method is None and len(masked) > 1:
        raise UserError(f'{len(masked)} methods have a mask: choose one of {list(masked)}.')
    if method is not None and method not in masked:
        raise UserError(f'method {method!r} has no mask here: choose one of {list(masked)}.')
    return model, masked[method or next(iter(masked))]


@torch.no_grad()
def imitation_masks(
    model: Distiller, method: Method, dataset: Dataset, indices: Sequence[int]
) -> Iterator[MaskedImage]:
    """Runs the student's training loss image by image and asks the method for its masks.

    Images are BGR uint8, as ``PackDetInputs`` gives them. The model is left in training mode.
    """
    model.train()
    for index in indices:
        item = dataset[index]
        batch = dict(inputs=[item['inputs']], data_samples=[copy.deepcopy(item['data_samples'])])
        data = model.data_preprocessor(batch, training=True)
        seen = model.observe(data['inputs'], data['data_samples'])
        yield _masked_image(item, method.masks(*seen.by(method.teacher)), method)


def _masked_image(item: dict, masks: list[torch.Tensor], method: Method) -> MaskedImage:
    sample = item['data_samples']
    ignored = sample.get('ignored_instances')
    return MaskedImage(
        name=Path(sample.img_path).stem,
        # Pipelines that distort colours leave floats.
        image=item['inputs'].flip(0).permute(1, 2, 0).clamp(0, 255).to(torch.uint8).numpy(),
        masks=[mask[0].cpu().numpy() for mask in masks],
        strides=list(method.target_strides),
        gt_bboxes=_boxes(sample.gt_instances),
        gt_ignored=np.zeros((0, 4)) if ignored is None else _boxes(ignored),
        offset=getattr(method, 'cell_offset', 0.5),
    )


def _boxes(instances: Any) -> np.ndarray:
    return getattr(instances.bboxes, 'tensor', instances.bboxes).numpy().reshape(-1, 4)


def _pipeline_owner(dataset: Dataset) -> Any:
    """The dataset config that has the pipeline, below wrappers such as RepeatDataset."""
    for _, part in dataset_configs(dataset):
        if part.get('pipeline'):
            return part
    raise UserError(f'the dataset {dataset.get("type")} has no pipeline.')
