"""A teacher that needs no training: it answers with the annotations."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.models.detectors import FasterRCNN
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from .detectors import tiny_faster_rcnn_cfg


@MODELS.register_module()
class OracleFasterRCNN(FasterRCNN):
    """Faster R-CNN that detects every annotated box with certainty.

    Args:
        order: ``order[k]`` is what it calls label k; None: k.
    """

    def __init__(self, *args: object, order: Sequence[int] | None = None, **kw: object) -> None:
        super().__init__(*args, **kw)
        self.order = order

    def predict(self, batch_inputs: Any, batch_data_samples: list, rescale: bool = True) -> list:
        """Annotations as detections; the images are of their original size."""
        for sample in batch_data_samples:
            truth = sample.gt_instances
            labels = truth.labels
            sample.pred_instances = InstanceData(
                bboxes=getattr(truth.bboxes, 'tensor', truth.bboxes).clone(),
                labels=labels if self.order is None else torch.tensor(self.order)[labels],
                scores=torch.ones(len(labels)),
            )
        return batch_data_samples


def oracle_cfg(**kw: object) -> ConfigDict:
    """Config of a tiny one, wider than the student of ``distill_cfg``."""
    cfg = tiny_faster_rcnn_cfg(base_channels=16, out_channels=24)
    return ConfigDict({**cfg, 'type': 'mmdet.OracleFasterRCNN', **kw})


def save_oracle(cfg: dict, path: Path, loader: dict, classes: Sequence[str], **meta: Any) -> str:
    """Writes a seeded one whose batch norm statistics are those of the data; returns the path.

    ``loader`` is the config of the training data loader; ``classes`` and ``meta`` are recorded.
    """
    init_default_scope('mmdet')
    torch.manual_seed(7)
    model = MODELS.build(ConfigDict(cfg)).train()
    model.init_weights()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # averages
    with torch.no_grad():
        for batch in _batches(loader):
            model.extract_feat(model.data_preprocessor(batch, True)['inputs'])
    recorded = {'cfg': Config(dict(model=cfg)).pretty_text, 'dataset_meta': {'classes': classes}}
    torch.save({'state_dict': model.state_dict(), 'meta': {**recorded, **meta}}, path)
    return str(path)


def _batches(loader: dict) -> Iterator[dict]:
    dataset = DATASETS.build(loader['dataset'])
    for start in range(0, len(dataset), 2):
        yield pseudo_collate([dataset[i] for i in range(start, min(start + 2, len(dataset)))])
