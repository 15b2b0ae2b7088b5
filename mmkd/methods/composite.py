"""Methods that are the sum of others."""

import math
from collections.abc import Mapping

from torch import Tensor, nn

from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.utils.types import Value

from .base import DistillMethod


class CompositeMethod(DistillMethod):
    """The sum of other methods under one name and one weight; a subclass calls :meth:`use_parts`.

    The hard losses give up what the parts take, in proportion to the weight.
    """

    parts: Value  # an nn.ModuleDict of methods

    def use_parts(self, parts: Mapping[str, DistillMethod]) -> None:
        """Takes the methods that add up; those that can never count are left out.

        Args:
            parts: By the name in the checkpoint.
        """
        self.parts = nn.ModuleDict({name: part for name, part in parts.items() if part.active})
        self._find_fields()

    def _find_fields(self) -> None:
        self.student_fields, self.teacher_fields = (
            frozenset().union(*(getattr(part, f'{side}_fields') for part in self.parts.values()))
            for side in ('student', 'teacher')
        )

    @property
    def active(self) -> bool:
        """Whether any part can ever count."""
        return super().active and bool(len(self.parts))

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Sets up each part."""
        for part in self.parts.values():
            part.setup(student, teacher)
        self._find_fields()

    def init_weights(self) -> None:
        """Initialises the parts' adapters."""
        for part in self.parts.values():
            part.init_weights()

    def task_loss_scale(self, name: str, batch: Batch) -> float:
        """The product of the parts' factors, at full weight."""
        scale = math.prod(part.task_loss_scale(name, batch) for part in self.parts.values())
        share = self.share(batch)
        return 1 - share + share * scale

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns the losses of the parts, and what they say to watch."""
        found = {}
        for part in self.parts.values():
            for key, value in part(student, teacher, batch).items():
                found[key] = value * self.loss_weight if 'loss' in key else value
        return found
