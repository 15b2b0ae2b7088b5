"""One training step looked at and not taken."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mmkd.observation import Batch, Observation, gradient_cosine, gradient_norm, total_loss
from mmkd.utils.host import as_on_gpu
from mmkd.utils.random_state import forked_rng
from mmkd.utils.types import Detector

Maps = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Probe:
    """What student, teacher and methods say in one step; tensors are of a copy of the student.

    Attributes:
        inputs: (B, 3, H, W), normalised and padded.
        batch: Boxes and metas of the images.
        student: The student's observation.
        teachers: Each teacher's, by its name.
        task: The student's own losses, added up, as they count.
        losses: Each method's losses, added up, as they count, by its name.
        entries: How the log calls the losses of each method, by its name.
        masks: Per method that has a mask and per level: (B, H, W) bool.
        offsets: Of each mask the centre of the first cell's anchors, in strides.
        maps: Per method that compares maps and per level: the student's, adapted, and the
            teacher's, (B, C, H, W) each.
        detections: Per teacher that detects (``'teacher'`` where it is the only one), per
            ``'student'``, and per image: ``pred_instances`` in pixels of the padded input.
    """

    inputs: Tensor
    batch: Batch
    student: Observation
    teachers: Mapping[str, Observation]
    task: Tensor
    losses: dict[str, Tensor]
    entries: dict[str, list[str]]
    masks: dict[str, list[Tensor]] = field(default_factory=dict)
    offsets: dict[str, float] = field(default_factory=dict)
    maps: dict[str, Maps] = field(default_factory=dict)
    detections: dict[str, list[Any]] = field(default_factory=dict)

    def loss_shares(self) -> dict[str, float]:
        """Share of the task (``'task'``) and of each method in the sum of all losses."""
        return _shares({'task': self.task, **self.losses})

    def gradient_shares(self) -> dict[str, float]:
        """The same of the L2 norms of the gradients at the features.

        Norms of parts do not add up to the norm of the sum; the shares are of their sum.
        """
        parts = {'task': self.task, **self.losses}
        return _shares({name: gradient_norm(loss, self._at) for name, loss in parts.items()})

    def gradient_cosines(self) -> dict[str, float]:
        """Cosine between the gradients of the task and of each method at the features.

        Below 0 a method pulls the features against the task.
        """
        return {
            name: float(gradient_cosine(self.task, loss, self._at))
            for name, loss in self.losses.items()
        }

    @property
    def _at(self) -> Sequence[Tensor]:
        """The neck's outputs; where no method's gradient reaches them, the backbone's stages."""
        reached = any(
            gradient_norm(loss, self.student.features) > 0 for loss in self.losses.values()
        )
        return self.student.features if reached else self.student.backbone


def probe_step(model: Detector, data: dict) -> Probe:
    """Runs one step on a copy, which nothing of the training notices.

    Parameters, gradients, buffers and modes of ``model``, and the random state, are as before. The
    cost is a deep copy of the student, a step's forward passes, and detections of both.

    In several processes all must call it together: methods count over all of them.

    Args:
        model: A ``DistillDetector`` in training mode.
        data: A batch as the data loader gives it; it is not changed.
    """
    with forked_rng(), torch.enable_grad():
        twin = copy.deepcopy(model)
        batch = twin.data_preprocessor(copy.deepcopy(data), True)
        inputs, samples = batch['inputs'], batch['data_samples']
        detections = _detections(twin, inputs, samples)
        maps: dict[str, Maps] = {}
        for name, method in twin.distill.items():
            _watch(method, maps, name)
        with as_on_gpu():  # kept cells alone would be no maps
            found = twin.compute_losses(inputs, samples, also=('backbone', 'features'))
        task, by_method, seen = found
        with torch.no_grad():
            masks = {
                name: method.masks(*seen.by(method.teacher))
                for name, method in twin.distill.items()
                if name in by_method and method.has_masks
            }
    return Probe(
        inputs=inputs,
        batch=seen.batch,
        student=seen.student,
        teachers=seen.teachers,
        task=total_loss(task),
        losses={name: total_loss(found) for name, found in by_method.items()},
        entries={
            name: [key for key in found if 'loss' in key] for name, found in by_method.items()
        },
        masks=masks,
        offsets={name: getattr(twin.distill[name], 'cell_offset', 0.5) for name in masks},
        maps=maps,
        detections=detections,
    )


@torch.no_grad()
def _detections(model: Detector, inputs: Tensor, samples: list) -> dict[str, list[Any]]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    found = {}
    sides = {name: pair for name, pair in model.pairs.items() if pair.detects}
    for role, side in {**sides, 'student': model}.items():
        predicted = side.predict(inputs, copy.deepcopy(samples), rescale=False)
        found[role] = [sample.pred_instances for sample in predicted]
    for module, mode in modes.items():
        module.training = mode
    return found


def _watch(method: nn.Module, found: dict[str, Maps], name: str) -> None:
    """Notes pairs of maps that a loss of the method is given as ``student`` and ``teacher``.

    Args:
        method: A method of the copy; the hooks go with it.
        found: Where to put them.
        name: Under which key.
    """

    def look(module: nn.Module, args: tuple, kwargs: dict) -> None:
        sides = [kwargs.get(role) for role in ('student', 'teacher')]
        if not all(isinstance(side, (list, tuple)) for side in sides):
            return
        pairs = list(zip(*sides, strict=False))  # type: ignore[arg-type]
        if all(a.dim() == 4 and a.shape == b.shape for a, b in pairs):
            found.setdefault(name, []).extend((a.detach(), b.detach()) for a, b in pairs)

    for module in method.modules():
        module.register_forward_pre_hook(look, with_kwargs=True)


def _shares(sizes: dict[str, Tensor]) -> dict[str, float]:
    values = {name: float(size.detach()) for name, size in sizes.items()}
    whole = sum(values.values())
    return {name: value / whole if whole else 0.0 for name, value in values.items()}
