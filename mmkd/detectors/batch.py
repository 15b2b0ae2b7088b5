"""What a method sees of a batch beside the detectors."""

from typing import Any

from mmengine.logging import MessageHub
from torch import Tensor

from mmkd.observation import Batch


def batch_of(data_samples: list) -> Batch:
    """Ground truth, metas and the progress of training.

    Args:
        data_samples: B ``DetDataSample`` with ground truth.
    """

    def boxes(instances: Any) -> Tensor:
        return getattr(instances.bboxes, 'tensor', instances.bboxes)

    progress = MessageHub.get_current_instance().get_info
    return Batch(
        gt_bboxes=[boxes(sample.gt_instances) for sample in data_samples],
        gt_labels=[sample.gt_instances.labels for sample in data_samples],
        gt_ignored=[
            boxes(sample.ignored_instances)
            if 'ignored_instances' in sample
            else boxes(sample.gt_instances)[:0]
            for sample in data_samples
        ],
        metas=[sample.metainfo for sample in data_samples],
        step=progress('iter', 0),
        epoch=progress('epoch', 0),
        max_steps=progress('max_iters', 0),
        max_epochs=progress('max_epochs', 0),
    )
