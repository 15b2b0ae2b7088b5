"""The student and one teacher: how images, boxes and answers of the two correspond."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from mmengine.logging import MMLogger
from torch import Tensor, nn

from mmkd.detectors.renormalize import pixel_converter
from mmkd.detectors.student_resize import StudentDownscaler
from mmkd.fields import Query, all_fields, class_count, comparable, offered_fields
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.utils.errors import UserError

from .nan_guard import NanGuard
from .teacher import Teacher

ENSEMBLE = 'ensemble'
"""The name under which a method reads all teachers together."""


class Pair:
    """One teacher as it answers this student.

    Args:
        preprocessor: The student's data preprocessor, which makes the images.
        teacher: The teacher.
        downscaler: How the student's images are made smaller; None where both see the same.
        nan_guard: Looks at what the teacher says.

    Raises:
        ValueError: The student's images cannot be turned into the teacher's; names the setting.
    """

    def __init__(
        self,
        preprocessor: nn.Module,
        teacher: Teacher,
        downscaler: StudentDownscaler | None,
        nan_guard: NanGuard,
    ) -> None:
        self.teacher = teacher
        self.nan_guard = nan_guard
        self.downscaler = downscaler
        self.fields = offered_fields(teacher.model)
        expected = teacher.model.data_preprocessor
        self.converter = None if expected is None else pixel_converter(preprocessor, expected)

    def __deepcopy__(self, memo: dict) -> 'Pair':
        return self

    @property
    def detects(self) -> bool:
        """Whether the teacher has predictions of its own."""
        return hasattr(self.teacher.model, 'predict')

    @property
    def factor(self) -> int:
        """Side of the teacher's images over that of the student's."""
        return 1 if self.downscaler is None else self.downscaler.factor

    def comparable(self, student: nn.Module, field: str) -> bool:
        """Whether a field of the student and of the teacher, no specialist, means the same."""
        if all_fields()[field].of_classes and self.teacher.specialist is not None:
            return False
        return comparable(field, student, self.teacher.model, self.factor)

    def note_classes(self, student: nn.Module, role: str, compared: bool) -> None:
        """Says in the log that a teacher has other classes than the student, where it may.

        Args:
            student: The student.
            role: What messages call the teacher.
            compared: Whether a method compares classes.

        Raises:
            ValueError: ``classes`` of the teacher has another number of names than its head.
        """
        first, second = class_count(student), class_count(self.teacher.model)
        declared = self.teacher.specialist
        if declared is not None and len(declared) != second:
            raise UserError(
                f'{role}: classes has {len(declared)} names, its head {second} classes.'
            )
        if first != second and not compared:
            MMLogger.get_current_instance().info(
                f'{role} has {second or "no"} classes, the student {first}: methods compare '
                'features alone, which need no common list.'
            )

    def apply_to_tensors(self, function: Callable[[Tensor], Tensor]) -> None:
        """Follows the student's ``.to()``, ``.cuda()`` or ``.half()``."""
        self.teacher.apply_to_tensors(function)
        if self.converter is not None:
            self.converter._apply(function)

    def pixels(self, inputs: Tensor, metas: list[dict]) -> Tensor:
        """(B, 3, H, W) as the student's data preprocessor made them -> as the teacher's would."""
        return inputs if self.converter is None else self.converter(inputs, metas)

    def to_teacher(self, rois: Tensor) -> Tensor:
        """RoIs (R, 5) of the student's images on the teacher's."""
        return rois if self.downscaler is None else self.downscaler.to_large(rois)

    def to_student(self, boxes: Tensor) -> Tensor:
        """Boxes (N, 4) of the teacher's images on the student's."""
        return boxes if self.downscaler is None else self.downscaler.to_small(boxes)

    @torch.no_grad()
    def predict(self, inputs: Tensor, samples: list, rescale: bool = True) -> list:
        """The teacher's own detections.

        Args:
            inputs: (B, 3, H, W) as the student's data preprocessor made them.
            samples: B ``DetDataSample``, which get ``pred_instances``.
            rescale: Whether boxes are in pixels of the original image.
        """
        inputs = self.pixels(inputs, [sample.metainfo for sample in samples])
        return self.teacher.answering.predict(inputs, samples, rescale=rescale)

    def observe(
        self, inputs: Tensor, metas: list[dict], batch: Batch, student: Observation
    ) -> Observation:
        """What the teacher says on the same images, and on the student's anchors and RoIs.

        Args:
            inputs: (B, 3, H, W) as the student's data preprocessor made them.
            metas: Metainfo of these images; says where the padding is.
            batch: The batch, for the step.
            student: The student's observation, whose RoIs and anchors the teacher answers on.

        Returns:
            Fields are computed, without gradient and in eval mode, when they are first read.

        Raises:
            ValueError: When a field is read, or on a GPU with the next batch: it is not finite.
        """
        query = Query(
            model=self.teacher.answering,
            pixels=lambda: self.pixels(inputs, metas),
            metas=metas,
            student=student,
            view=self,
            watch=partial(self._look, step=batch.step),
        )
        # Not inference_mode: its tensors cannot be saved for the backward pass of the losses.
        quietly = torch.no_grad()
        ask = partial(self.teacher.speed.run, inputs.device)
        sources: dict[str, Callable] = {}
        lent = {}
        for name, field in self.fields.items():
            sources[name] = quietly(partial(ask, partial(_answer, field.teacher, query)))
            if field.lend is not None:
                lent[name] = partial(_answer, field.lend, query)
        if self.teacher.cache is not None:
            sources = self.teacher.cache.through(sources, metas, inputs)
        return Observation(lent, **sources)

    def _look(self, field: str, outputs: Iterable[Tensor], step: int) -> None:
        """Has the guard look at one field of the observation."""
        teacher = self.teacher

        def explain(names: list[str]) -> str:
            return (
                f'teacher: {teacher.source} (checkpoint {teacher.checkpoint}) gave NaN or infinity '
                f'in {", ".join(names)} at iteration {step + 1}. Its weights or its images are '
                'broken: test the teacher alone on the same data; under AMP with float16 try '
                'bfloat16 or no AMP.'
            )

        self.nan_guard.look(field, list(outputs), explain)


def _answer(
    of: Callable, query: Query, observation: Observation, *args: object, **kw: object
) -> Any:
    return of(observation, query, *args, **kw)


def ensemble_info(infos: Mapping[str, DetectorInfo], reads: frozenset[str]) -> DetectorInfo:
    """The description of all teachers together.

    Args:
        infos: Of each teacher.
        reads: The fields that are read of the ensemble.

    Raises:
        ValueError: A field that is read cannot be averaged.
    """
    first = next(iter(infos.values()))
    common = {
        name: [info.fields[name] for info in infos.values()]
        for name in first.fields
        if all(name in info.fields for info in infos.values())
    }
    fields = all_fields()
    return DetectorInfo(
        {
            name: fields[name].combine_info(found, list(infos)) if name in reads else found[0]
            for name, found in common.items()
        },
        first.num_classes,
        first.pairing,
    )


def ensemble(observations: Mapping[str, Observation]) -> Observation:
    """What all teachers say together; a field is computed of each when it is first read."""
    names = list(observations)

    def together(name: str, _: Observation) -> Any:
        values = [getattr(one, name) for one in observations.values()]
        return all_fields()[name].combine(values, names)

    return Observation(
        **{
            name: partial(together, name)
            for name in all_fields()
            if all(name in one for one in observations.values())
        }
    )
