"""What a field is, and how it is recorded, computed and described."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

from torch import Tensor, nn

from mmkd.observation import Observation
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Entries, Info, Value


class Field:
    """Something that two detectors can be compared on, e.g. the maps that their heads see.

    One class, in one file, answers for every detector: whether it offers the field, what the field
    adds to its description, how the student's is recorded, how the teacher's is computed, and when
    two detectors cannot be compared on it. A field is registered in
    :data:`mmkd.registry.FIELDS` and is then read as ``observation.<name>`` by every method that
    names it in ``student_fields`` or ``teacher_fields``.

    Attributes:
        name: Name of the field, an identifier.
        words: What messages call it.
        of_classes: Whether its values are of classes, so that two sides need one class list.
        needs: Fields of the student that the teacher's value is computed from; its own where the
            teacher answers on the student's anchors or RoIs.
    """

    name: str
    words: str
    of_classes = False
    needs: frozenset[str] = frozenset()

    def offered(self, detector: Detector) -> bool:
        """Whether a detector can give the field."""
        raise NotImplementedError

    def describe(self, detector: Detector, run: 'DryRun') -> Info:
        """What the field adds to the description of a detector that offers it."""
        return None

    def record(self, detector: Detector, recorder: 'Recorder') -> None:
        """Arranges that the student's ``loss`` leaves what :meth:`student` needs."""
        raise NotImplementedError

    def student(self, detector: Detector, seen: Entries) -> Value:
        """The student's value.

        Args:
            detector: The student.
            seen: What was recorded; also ``metas`` of the images and ``losses``.
        """
        return seen[self.name]

    def teacher(self, observation: Observation, query: 'Query') -> Value:
        """The teacher's value, without gradient and in eval mode, when it is first read.

        Args:
            observation: The teacher's other fields.
            query: The teacher, its images, and the student's observation, whose anchors and RoIs
                the teacher answers on.
        """
        raise NotImplementedError

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Refuses two detectors that offer the field but cannot be compared on it.

        Args:
            student: The student.
            teacher: The teacher.
            factor: Side of the teacher's images over that of the student's.

        Raises:
            ValueError: Names the setting that differs, with both values.
        """

    def combine(self, values: Sequence[Value], names: Sequence[str]) -> Value:
        """One value of the values that several teachers give, their ensemble.

        Args:
            values: One a teacher.
            names: Of the teachers.

        Raises:
            ValueError: They cannot be combined.
        """
        raise UserError(
            f"teacher='ensemble' has no {self.words}: name one teacher, of {list(names)}."
        )

    def combine_info(self, infos: Sequence[Info], names: Sequence[str]) -> Info:
        """The description of an ensemble: what the teachers agree in, None in place of the rest.

        Raises:
            ValueError: They must agree.
        """
        first = infos[0]
        if all(info == first for info in infos):
            return first
        differing = {
            one.name: None
            for one in fields(first)
            if len({getattr(info, one.name) for info in infos}) > 1
        }
        return replace(first, **differing)

    lend: Callable[..., Value] | None = None
    """``lend(observation, query, *features, **settings)`` runs the teacher's frozen head on
    features that a method hands to it; None for fields without a head."""


class View(Protocol):
    """How boxes on the student's images and on one teacher's correspond."""

    def to_teacher(self, rois: Tensor) -> Tensor:
        """RoIs (R, 5) of the student's images on the teacher's."""

    def to_student(self, boxes: Tensor) -> Tensor:
        """Boxes (N, 4) of the teacher's images on the student's."""


@dataclass(frozen=True)
class Query:
    """What a teacher's fields are computed from, on one batch.

    Attributes:
        model: The frozen detector.
        pixels: Makes (B, 3, H, W), the teacher's images.
        metas: Metainfo of its images.
        student: The student's observation.
        view: How boxes of the two correspond.
        watch: Told each field's tensors, to stop a teacher that says NaN.
    """

    model: Detector
    pixels: Callable[[], Tensor]
    metas: list[dict]
    student: Observation
    view: View
    watch: Callable[[str, Iterable[Tensor]], None]

    def watched(self, field: str, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps, once they were looked at."""
        self.watch(field, maps)
        return tuple(maps)


@dataclass(frozen=True)
class DryRun:
    """One pass of the feature extractor over a small noise image, when a detector is built.

    Attributes:
        width: Of the image, pixels.
        stages: What the backbone returned.
        maps: What the heads see.
    """

    width: int
    stages: Sequence[Tensor]
    maps: Sequence[Tensor]

    @property
    def roi(self) -> Tensor:
        """(1, 5), a RoI over a quarter of the image."""
        half = self.width / 2
        return self.maps[0].new_tensor([[0, 0, 0, half, half]])


class Recorder:
    """Keeps references to what modules compute, while the block of :func:`recording` runs.

    Attributes:
        seen: What was kept, by name.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.seen: dict[Any, Any] = {}
        self._stack = stack
        self._watched: set[tuple] = set()

    def first(self, key: str, value: object) -> None:
        """Keeps a value unless one of that name was kept before."""
        self.seen.setdefault(key, value)

    def on_forward(self, module: nn.Module, keep: Callable[[tuple, Any], None]) -> None:
        """Calls ``keep(arguments, output)`` whenever a module has run."""
        handle = module.register_forward_hook(lambda module, args, out: keep(args, out))
        self._stack.callback(handle.remove)

    def on_input(self, module: nn.Module, keep: Callable[[tuple], None]) -> None:
        """Calls ``keep(arguments)`` whenever a module is about to run."""
        handle = module.register_forward_pre_hook(lambda module, args: keep(args))
        self._stack.callback(handle.remove)

    def on_method(self, module: nn.Module, name: str, keep: Callable[[tuple, Any], None]) -> None:
        """Calls ``keep(arguments, result)`` whenever a method of a module has returned."""
        method = getattr(module, name)

        def tapped(*args: object, **kwargs: object) -> Any:
            out = method(*args, **kwargs)
            keep(args, out)
            return out

        self.set(module, name, tapped)

    def set(self, module: nn.Module, name: str, value: object) -> None:
        """Gives a module another attribute for as long as the block runs."""
        former = module.__dict__.get(name, self)
        module.__dict__[name] = value
        if former is self:
            self._stack.callback(module.__dict__.pop, name)
        else:
            self._stack.callback(module.__dict__.__setitem__, name, former)

    def set_module(self, module: nn.Module, name: str, part: nn.Module) -> None:
        """Gives a module another part for as long as the block runs."""
        self._stack.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, part)

    def once(self, *key: Any) -> bool:
        """Whether this is the first call with these arguments: fields may share what they keep."""
        fresh = key not in self._watched
        self._watched.add(key)
        return fresh


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder whose hooks live only inside the block: no copy of a detector carries one."""
    with ExitStack() as stack:
        yield Recorder(stack)


@contextmanager
def evaluating(detector: Detector) -> Iterator[None]:
    """Has a detector in eval mode while the block runs; its parts are as before afterwards."""
    training = {module: module.training for module in detector.modules()}
    detector.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


def all_fields() -> dict[str, Field]:
    """Every registered field by its name."""
    return {kind.name: kind() for kind in FIELDS.module_dict.values()}


def offered_fields(detector: Detector) -> dict[str, Field]:
    """The fields that can be had from a detector, by name."""
    return {name: field for name, field in all_fields().items() if field.offered(detector)}


def comparable(name: str, student: Detector, teacher: Detector, factor: int) -> bool:
    """Whether both detectors offer a field and it means the same; see :meth:`Field.check`."""
    field = all_fields()[name]
    if not field.offered(student) or not field.offered(teacher):
        return False
    try:
        field.check(student, teacher, factor)
    except UserError:
        return False
    return True


def as_tuple(maps: Any) -> tuple[Tensor, ...]:
    """One map, or several, as a tuple."""
    return tuple(maps) if isinstance(maps, (tuple, list)) else (maps,)


def as_tensor(boxes: Any) -> Tensor:
    """Boxes as (N, 4), whether or not the host wrapped them."""
    return boxes if isinstance(boxes, Tensor) else boxes.tensor
