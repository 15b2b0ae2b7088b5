"""The seam between detectors and methods."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mmkd.observation import Batch, DetectorInfo, Observation, renamed_field
from mmkd.utils import snake_case, warn_renamed
from mmkd.utils.errors import UserError, UserNotImplementedError
from mmkd.utils.random_state import forked_rng

from .auto_scale import AutoScale
from .schedule import Schedule, ScheduleSetting, logged


def _renamed_fields(fields: Iterable[str]) -> frozenset[str]:
    return frozenset(renamed_field(field) for field in fields)


class _FormerName:
    """``student_reads`` or ``teacher_reads`` of a method or its class, until 0.2."""

    def __init__(self, role: str) -> None:
        self.former, self.name = f'{role}_reads of a method', f'{role}_fields'

    def __get__(self, method: Any, kind: type) -> frozenset[str]:
        warn_renamed(self.former, self.name)
        return getattr(kind if method is None else method, self.name)

    def __set__(self, method: Any, fields: Iterable[str]) -> None:
        warn_renamed(self.former, self.name)
        setattr(method, self.name, _renamed_fields(fields))


class DistillMethod(nn.Module):
    """One published idea: which outputs it compares, through which adapter, with which formula.

    A subclass names the fields that it reads, builds its adapters in :meth:`setup`, and returns
    named losses from :meth:`forward`. It sees observations only, never a detector.

    Args:
        loss_weight: Factor on the method's loss, >= 0, or a :class:`Schedule` of it. With 0 the
            method is not run and its adapters are not trained; while a scheduled weight is 0
            nothing is compared, and the adapters have gradients of 0.
        name: Name in the log and in the checkpoint, without ``loss``; the class's name in snake
            case by default. Two methods of one class need two names.

    Attributes:
        loss_weight: What :meth:`forward` weighs with: the number, or the highest of the schedule,
            which is applied to what ``forward`` returns.
        auto_scale: The :class:`AutoScale` of a config's ``auto_scale``, or None.

    Raises:
        ValueError: ``loss_weight`` is negative; ``name`` is not an identifier, contains ``loss`` or
            is a name of PyTorch's modules, e.g. ``half``.
    """

    student_fields: frozenset[str] = frozenset({'features'})
    """Fields of the student's :class:`Observation` that the method reads; only they are kept."""

    teacher_fields: frozenset[str] = frozenset({'features'})
    """Fields of the teacher's; only these parts of the teacher are run."""

    teacher = 'teacher'
    """Name of the teacher that it reads, or ``'ensemble'``; set by who builds the method."""

    stage = 'features'
    """The field whose levels :attr:`pairs` are of."""

    pairs: list[tuple[int, int]] = []
    """(student index, teacher index) of the levels that it compares, once it is set up."""

    target_strides: list[int] = []
    """Stride of the teacher's level of each pair, in the student's pixels."""

    has_masks = False
    """Whether :meth:`masks` says where it compares."""

    schedule: Schedule

    def __init__(self, loss_weight: ScheduleSetting = 1.0, name: str | None = None) -> None:
        super().__init__()
        self.schedule = Schedule(loss_weight, 'loss_weight')
        self.loss_weight = self.schedule.highest
        name = snake_case(type(self).__name__) if name is None else name
        if not isinstance(name, str) or not name.isidentifier():
            raise UserError(f'name must be an identifier like "fgfi_p3", got {name!r}.')
        if 'loss' in name:  # MMEngine trains on what is named so, numbers to watch included
            raise UserError(
                f'name={name!r} contains "loss", which marks what is trained on: what the method '
                'only watches would be added to the total. Choose another name.'
            )
        if hasattr(nn.ModuleDict(), name):  # in which methods are kept by their names
            raise UserError(
                f'name={name!r} is a word of PyTorch modules. Choose another, e.g. "{name}_2".'
            )
        self.name = name
        self.auto_scale: AutoScale | None = None
        self._zeros: dict[str, Tensor] = {}

    def set_auto_scale(self, setting: dict | None) -> None:
        """Has the weight chosen in the first iterations; called by who builds the method.

        Args:
            setting: Arguments of :class:`AutoScale`, or None for the configured weight.

        Raises:
            ValueError: An argument is unknown or out of range.
        """
        self.auto_scale = None if setting is None else AutoScale.from_setting(setting, self.name)

    @property
    def recorded_fields(self) -> frozenset[str]:
        """The fields of the student that are kept for it: those it reads, and ``auto_scale``'s."""
        more = self.auto_scale.fields(self.student_fields) if self.auto_scale else frozenset()
        return self.student_fields | more

    @property
    def calibrating(self) -> bool:
        """Whether the method counts 0 because its weight is still being chosen."""
        return self.auto_scale is not None and not self.auto_scale.chosen

    @property
    def active(self) -> bool:
        """Whether the method can ever change the training."""
        return self.loss_weight > 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes over former names of class attributes; one that defines ``masks`` has them."""
        super().__init_subclass__(**kwargs)
        cls.has_masks = cls.has_masks or 'masks' in vars(cls)
        for role in ('student', 'teacher'):
            former = f'{role}_reads'
            if isinstance(vars(cls).get(former), (frozenset, set)):
                warn_renamed(f'{former} of a method', f'{role}_fields')
                setattr(cls, f'{role}_fields', _renamed_fields(vars(cls)[former]))
                delattr(cls, former)

    student_reads = _FormerName('student')
    teacher_reads = _FormerName('teacher')

    def masks(self, student: Observation, teacher: Observation, batch: Batch) -> list[Tensor]:
        """Where it compares: per level pair (B, H, W) bool on the teacher's grid; none if all."""
        return []

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Builds what depends on the two detectors; called once, before training.

        Args:
            student: Channels, strides and fields of the student.
            teacher: The same of the teacher.

        Raises:
            ValueError: The two cannot be compared; names the setting that differs.
        """

    def init_weights(self) -> None:
        """Initialises the adapters; called once before training, under a forked random state."""
        for module in self.children():
            for part in module if isinstance(module, nn.ModuleList) else [module]:
                initialise = getattr(part, 'init_weights', None)
                if callable(initialise):
                    initialise()

    def share(self, batch: Batch) -> float:
        """The scheduled weight at this step over the highest of the schedule, in [0, 1].

        Args:
            batch: The batch, which knows the step.
        """
        return self.schedule(batch) / self.loss_weight if self.loss_weight else 0.0

    def task_loss_scale(self, name: str, batch: Batch) -> float:
        """Factor on one of the student's own losses, e.g. Chen's mu on ``loss_cls``; 1 by default.

        Args:
            name: Key in the student's loss dict.
            batch: The batch, whose step a schedule may need.
        """
        return 1.0

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """:meth:`forward`, with a scheduled or chosen weight applied, logged as ``<name>_weight``.

        ``auto_scale`` measures before the schedule is applied: the fraction is that of the highest
        weight of the schedule. While the schedule is 0 nothing is compared, so that nothing of a
        teacher is run; the adapters keep a graph, which DDP waits for.
        """
        if self.schedule.constant and self.auto_scale is None:
            return super().__call__(*args, **kwargs)
        batch = kwargs['batch'] if 'batch' in kwargs else args[2]
        share = self.share(batch)
        if not share and not self.calibrating:
            return self.nothing(*args, **kwargs)
        losses = self._compare(*args, **kwargs)
        factor: float | Tensor = share
        term: float | Tensor = 0.0
        if self.auto_scale is not None:
            student = kwargs['student'] if 'student' in kwargs else args[0]
            chosen, term = self.auto_scale(losses, student, self.student_fields, self.parameters())
            factor = share * chosen
        for key in [key for key in losses if 'loss' in key]:
            losses[key] = losses[key] * factor + term
            term = 0.0  # once
        return {**losses, f'{self.name}_weight': logged(self.loss_weight * factor)}

    def _compare(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        losses = super().__call__(*args, **kwargs)
        self._zeros = {key: torch.zeros_like(losses[key]) for key in losses if 'loss' in key}
        return losses

    def nothing(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Losses of 0 under the names that they have otherwise, with the adapters' graph alone.

        What it takes is what :meth:`forward` takes. In its first call it compares, to learn the
        names, and forgets what came of it.
        """
        if not self._zeros:  # the log averages what it has seen under a name: none may be missing
            training = self.training
            with forked_rng(), torch.no_grad():
                self.eval()._compare(*args, **kwargs)
            self.train(training)
        graph = [parameter.sum() * 0 for parameter in self.parameters() if parameter.requires_grad]
        term = torch.stack(graph).sum() if graph else 0.0
        losses = {key: zero + term for key, zero in self._zeros.items()}
        if not self.schedule.constant or self.auto_scale is not None:
            losses[f'{self.name}_weight'] = logged(0.0)
        return losses

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Compares the two on one batch.

        Returns:
            Scalars for the log. Those whose key contains ``loss`` are trained on, and weighted
            already; the others are only watched.
        """
        raise UserNotImplementedError(f'{type(self).__name__} must define forward.')
