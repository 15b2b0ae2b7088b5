"""A student under a teacher, ready to train, in a second."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from torch import nn

from .batches import demo_batch
from .detectors import tiny_faster_rcnn_cfg


def build_plain(cfg: dict) -> nn.Module:
    """An initialised MMDetection detector."""
    from mmdet.registry import MODELS

    model = MODELS.build(copy.deepcopy(ConfigDict(cfg)))  # DETRs write into their config
    model.init_weights()
    return model


def save_teacher(cfg: dict, path: Path, classes: Sequence[str] | None = None) -> str:
    """Writes a checkpoint of a random, seeded detector and returns its path."""
    state = torch.get_rng_state()
    torch.manual_seed(7)
    model = build_plain(cfg)
    torch.set_rng_state(state)
    meta = {} if classes is None else {'dataset_meta': {'classes': tuple(classes)}}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, path)
    return str(path)


def distill_cfg(
    folder: Path,
    student: dict | None = None,
    teacher: dict | None = None,
    methods: Sequence[dict] = (dict(type='mmkd.FGFI'),),
    fuse: bool = True,
    **kwargs: object,
) -> ConfigDict:
    """Model config of a tiny student under one twice as wide, whose checkpoint is written.

    ``fuse`` is a setting of the teacher, ``kwargs`` are more arguments of the DistillDetector.
    """
    student = tiny_faster_rcnn_cfg() if student is None else student
    teacher = (
        tiny_faster_rcnn_cfg(base_channels=16, out_channels=24) if teacher is None else teacher
    )
    return ConfigDict(
        type='mmkd.DistillDetector',
        student=student,
        teacher=dict(
            config=teacher, checkpoint=save_teacher(teacher, folder / 'teacher.pth'), fuse=fuse
        ),
        methods=list(methods),
        **kwargs,
    )


def build_distill(folder: Path, seed: int = 0, **kwargs: object) -> nn.Module:
    """An initialised DistillDetector; ``kwargs`` are those of :func:`distill_cfg`."""
    from mmkd.registry import MODELS

    cfg = distill_cfg(folder, **kwargs)
    torch.manual_seed(seed)
    model = MODELS.build(cfg)
    model.init_weights()
    return model


def loss_of(model: nn.Module, **batch: Any) -> dict:
    """The loss dict of a detector on a demo batch; ``batch`` are arguments of ``demo_batch``."""
    data = model.data_preprocessor(demo_batch(**batch), True)
    return model(**data, mode='loss')
