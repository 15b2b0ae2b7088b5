"""Metrics look at the data set's classes before training, not at the first validation."""

from abc import ABC, abstractmethod
from typing import Any


class ChecksClasses(ABC):
    """Beside ``BaseMetric``: refuses classes when MMEngine tells them.

    The validation loop does so when it is built, before the first iteration of training. A metric
    that checks while it processes would speak after an epoch or a day.
    """

    _dataset_meta: Any

    @property
    def dataset_meta(self) -> Any:
        """Meta information of the evaluated data set; setting it checks its classes.

        Raises:
            ValueError: The metric cannot work with them.
        """
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: Any) -> None:
        self.check_classes(tuple((dataset_meta or {}).get('classes') or ()))
        self._dataset_meta = dataset_meta

    @abstractmethod
    def check_classes(self, classes: tuple[str, ...]) -> None:
        """Looks at the names in the order of their labels.

        Raises:
            ValueError: The metric cannot work with them.
        """
