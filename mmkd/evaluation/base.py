"""What the metrics share: arrays, tables for the log, and a look at the classes before training."""

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import MMLogger
from rich.console import Console
from rich.table import Table

from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries


def to_numpy(value: Any) -> np.ndarray:
    """Array of a tensor on any device, or of MMDetection's box wrapper around one."""
    return getattr(value, 'tensor', value).cpu().numpy()


def detections_of(sample: Entries) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(D, 4) boxes and (D,) scores, both float64, and (D,) labels of one image's predictions."""
    boxes, scores, labels = (
        to_numpy(sample['pred_instances'][key]) for key in ('bboxes', 'scores', 'labels')
    )
    return boxes.astype(float).reshape(-1, 4), scores.astype(float), labels


def xyxy(boxes: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """(G, 4) corners in float64 of boxes xywh."""
    table = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.hstack([table[:, :2], table[:, :2] + table[:, 2:]])


def log_table(table: Table) -> None:
    """Logs a table as plain text without colours, starting on a line of its own."""
    text = io.StringIO()
    Console(file=text, width=120, color_system=None).print(table)
    MMLogger.get_current_instance().info('\n' + text.getvalue().rstrip())


def instances_of(sample: Entries, metric: str) -> Sequence[Entries]:
    """The annotations that a data set put into a sample.

    Raises:
        ValueError: ``PackDetInputs`` has dropped them.
    """
    if 'instances' not in sample:
        raise UserError(
            f"{metric} reads the annotations of the data set: add 'instances' to meta_keys of "
            'PackDetInputs in the test pipeline.'
        )
    return sample['instances']


def warn(text: str) -> None:
    """Logs a warning."""
    MMLogger.get_current_instance().warning(text)


class ChecksClasses(ABC):
    """Beside ``BaseMetric``: refuses classes when MMEngine tells them.

    The validation loop does so when it is built, before the first iteration of training. A metric
    that checks while it processes would speak after an epoch or a day.
    """

    _dataset_meta: Any

    @property
    def dataset_meta(self) -> Any:
        """Meta information of the evaluated data set; setting it checks its classes."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: Any) -> None:
        self.check_classes(tuple((dataset_meta or {}).get('classes') or ()))
        self._dataset_meta = dataset_meta

    @abstractmethod
    def check_classes(self, classes: tuple[str, ...]) -> None:
        """Raises a UserError where the metric cannot work with the names, in labels' order."""
