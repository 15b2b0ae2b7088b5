"""What tools, pictures and studies read of a detector that distils, and of its methods."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from mmkd.observation import Batch, Observation, Seen
from mmkd.utils.types import Detector, Entries


class Method(Protocol):
    """A method of distillation; see :class:`mmkd.methods.DistillMethod`."""

    name: str
    teacher: str
    stage: str
    pairs: list[tuple[int, int]]
    target_strides: list[int]
    loss_weight: float
    auto_scale: Any
    has_masks: bool

    @property
    def active(self) -> bool:
        """Whether it can ever change the training."""

    def masks(self, student: Observation, teacher: Observation, batch: Batch) -> list[Tensor]:
        """Where it compares: per level pair (B, H, W) bool."""

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Named losses, as configured: no schedule, no chosen weight."""

    def modules(self) -> Iterator[Any]:
        """It and its parts."""


class TeacherLike(Protocol):
    """A teacher; see :class:`mmkd.detectors.Teacher`."""

    model: Detector
    checkpoint: str | None
    source: str
    classes: tuple[str, ...] | None
    specialist: tuple[str, ...] | None

    def load(self) -> None:
        """Reads its checkpoint."""


class PairLike(Protocol):
    """A teacher as it answers the student; see ``mmkd/detectors/pair.py``."""

    teacher: TeacherLike
    converter: Any

    @property
    def detects(self) -> bool:
        """Whether the teacher has predictions of its own."""

    def pixels(self, inputs: Tensor, metas: list[dict]) -> Tensor:
        """The student's images as the teacher's."""

    def predict(self, inputs: Tensor, samples: list, rescale: bool = True) -> list:
        """The teacher's detections."""


class Distiller(Protocol):
    """A detector that distils; see :class:`mmkd.detectors.DistillDetector`."""

    student: nn.Module
    teachers: Mapping[str, TeacherLike]
    pairs: Mapping[str, PairLike]
    distill: Any
    data_preprocessor: Any

    def reads(self, teacher: str) -> frozenset[str]:
        """Fields that methods read of a teacher."""

    def reads_classes(self, teacher: str) -> bool:
        """Whether a method compares outputs of classes with a teacher."""

    def observe(
        self, batch_inputs: Tensor, batch_data_samples: list, also: Iterable[str] = ()
    ) -> Seen:
        """Runs the student's loss and records it."""

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> Entries:
        """All losses by name."""

    def parse_losses(self, losses: Entries) -> tuple[Tensor, Any]:
        """The total and what is logged."""

    def predict(self, inputs: Tensor, samples: list, rescale: bool = True) -> list:
        """The student's detections."""

    def train(self, mode: bool = True) -> object:
        """Training mode."""

    def eval(self) -> object:
        """Evaluation mode."""

    def to(self, device: str) -> object:
        """Moves it."""

    def init_weights(self) -> None:
        """Initialises the student and loads the teachers."""

    def zero_grad(self) -> None:
        """Drops gradients."""


def roles(model: Distiller) -> dict[str, str]:
    """What messages call each teacher, by its name."""
    if len(model.teachers) == 1:
        return {name: 'the teacher' for name in model.teachers}
    return {name: f'the teacher {name!r}' for name in model.teachers}
