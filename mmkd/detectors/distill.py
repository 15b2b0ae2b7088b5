"""DistillDetector: a student in training beside its frozen teacher."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmengine.logging import MessageHub
from torch import Tensor, nn

from mmkd.compat import load_checkpoint_file
from mmkd.detectors.checkpoint_keys import (
    ADAPTER_PREFIX,
    STUDENT_PREFIX,
    from_checkpoint_keys,
    load_strictly,
    student_keys,
    to_checkpoint_keys,
)
from mmkd.detectors.detector_source import (
    DetectorSpec,
    build_detector,
    resolve_spec,
    resolve_teachers,
)
from mmkd.detectors.student_resize import StudentDownscaler
from mmkd.fields import Field, all_fields, recording
from mmkd.observation import Observation, Seen
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError
from mmkd.utils.random_state import forked_rng
from mmkd.utils.types import Entries

from .batch import batch_of
from .build import DEFAULT_METHODS, build_methods, read_teachers, refuse_settings
from .describe import ImageSize, describe
from .inherit import inherit, inherited_parts, inherits_classes
from .nan_guard import NanGuard
from .pair import ENSEMBLE, Pair, ensemble
from .probe import Probe, probe_step
from .pseudo_labels import check_marks, pseudo_labels
from .stages import Stage, Stages
from .start import FirstSteps, announce
from .teacher import Teacher


@MODELS.register_module()
class DistillDetector(BaseDetector):
    """Trains a student under a teacher; in every other respect it is the student.

    ``predict``, ``tensor`` mode, unknown attributes and the names of parameters are the student's.
    The state dict holds the student's weights under their plain names and the adapters' under
    ``distill.``, so MMDetection's own tools load a checkpoint with the student's config.

    Args:
        student: Config path, ``mmdet::`` path, model dict, ``Config``, or ``dict(config=...,
            checkpoint=..., cfg_options=...)``; ``checkpoint`` sets the weights to start from.
        teacher: The same; needs a checkpoint to train, none to test. Or a dict of named ones,
            ``dict(a=dict(config=..., checkpoint=...), b=...)``; each method then names the one that
            it reads, ``teacher='a'``, or ``'ensemble'``, all of them together. ``classes=[...]``
            beside ``config`` says that it knows these of the student's classes alone. None, for
            prediction alone, leaves out the methods too.
        methods: Configs of :class:`mmkd.methods.DistillMethod`; their losses add up. Left out:
            :class:`mmkd.methods.Recipe`.
        student_scale: Side of the student's images over that of the images loaded, which the
            teacher sees: 1, 0.5 or 0.25. Losses and predictions are the student's on a copy that
            is resized on the device; RPN outputs are compared where anchors match after scaling.
        pairing: How levels pair where ``student_scale`` is not 1: ``'shift'`` compares maps that
            cover the same pixels, ``'upsample'`` maps of one index, on the teacher's grid.
        data_preprocessor: Replaces the student's own.
        init_cfg: Refused: the student's config initialises the student.
        dry_run_size: Side, or (height, width), in pixels, of the image that channels and strides of
            both are read off; None: what a network names, else 256, or more where it needs more.
        nan_guard: Whether training stops at a loss that is NaN or infinite, and no state dict is
            made of such weights; see :class:`NanGuard`.
        unlabelled: ``dict(score_thr=..., task_weight=..., teacher=...)``: a teacher's detections
            stand for the labels of the images of :class:`mmkd.datasets.WithUnlabelled` that have
            none; see :class:`PseudoLabels`.
        inherit: True: neck and heads begin with the teacher's weights where a whole part fits; or a
            list of parts that must, ``['backbone', 'neck']``. See ``docs/teachers.md``.
        stages: ``[dict(methods=['fitnets'], epochs=4, task=False), dict(methods=['kd'])]``: parts
            of the training, one after the other; see :class:`Stage`, :class:`Stages`.

    Raises:
        FileNotFoundError: A config is missing.
        ValueError: Student, teacher and methods do not fit; names the setting that differs.
    """

    adapter_prefix = ADAPTER_PREFIX

    def __init__(
        self,
        student: DetectorSpec,
        teacher: DetectorSpec | None,
        methods: Sequence[dict] = DEFAULT_METHODS,
        student_scale: float = 1.0,
        pairing: str = 'shift',
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
        dry_run_size: ImageSize | None = None,
        nan_guard: bool = True,
        unlabelled: dict | None = None,
        inherit: bool | Sequence[str] = False,
        stages: Sequence[dict] | None = None,
        **others: object,
    ) -> None:
        refuse_settings(others, DistillDetector)
        if init_cfg is not None:
            raise UserError('DistillDetector takes no init_cfg: set it in model.student.')
        detector = build_detector(student_spec := resolve_spec(student, 'student'))
        if data_preprocessor is not None:
            super().__init__(data_preprocessor)
            detector.data_preprocessor = self.data_preprocessor
        else:
            super().__init__(detector.data_preprocessor)
        self.student = detector
        self.student_checkpoint = student_spec.checkpoint
        self.nan_guard = NanGuard(nan_guard)
        self.first_steps = FirstSteps()
        self.writes_student = False
        self.downscaler = None if student_scale == 1 else StudentDownscaler(student_scale)
        # The teachers and the adapters draw no number from the student's random stream.
        with forked_rng():
            specs = {} if teacher is None else resolve_teachers(teacher)
            self.teachers = {name: Teacher(spec) for name, spec in specs.items()}
            self.pairs = {
                name: Pair(self.data_preprocessor, one, self.downscaler, self.nan_guard)
                for name, one in self.teachers.items()
            }
            self.unlabelled = pseudo_labels(unlabelled, self.pairs, self.student)
            self.inherits = inherited_parts(inherit, self)
            self._join(methods, pairing, dry_run_size)
        self.stages = Stages(stages, self.distill) if stages is not None and self.pairs else None
        self._register_state_dict_hook(to_checkpoint_keys)
        self.register_load_state_dict_pre_hook(from_checkpoint_keys)

    def _join(self, configs: Sequence[dict], pairing: str, dry_run_size: ImageSize | None) -> None:
        """Builds the methods and checks that they, student and teachers fit."""
        student = describe(self.student, 'student', dry_run_size)
        infos = {
            name: describe(one.model, self.role(name), dry_run_size)
            for name, one in self.teachers.items()
        }
        if self.downscaler is not None:
            self.downscaler.fit_padding(self.data_preprocessor, student)
            infos = {name: self.downscaler.describe(one, pairing) for name, one in infos.items()}
        alike = {name: partial(pair.comparable, self.student) for name, pair in self.pairs.items()}
        self.distill = build_methods(configs, student, infos, alike) if infos else nn.ModuleDict()
        known = all_fields()
        for name, pair in self.pairs.items():
            reads = self.reads(name)
            for field in sorted(reads & set(student.fields)):
                known[field].check(self.student, pair.teacher.model, pair.factor)
            pair.note_classes(self.student, self.role(name), self.reads_classes(name))
        every = frozenset().union(
            *(method.recorded_fields for method in self.distill.values()),
            *(known[field].needs for name in self.teachers for field in self.reads(name)),
        )
        self._recorded = {name: known[name] for name in sorted(every)}

    def role(self, name: str) -> str:
        """What messages call a teacher."""
        return 'teacher' if len(self.teachers) == 1 else f'teacher {name!r}'

    def reads(self, teacher: str) -> frozenset[str]:
        """The fields that methods read of a teacher, alone or in the ensemble."""
        methods = self.distill.values()
        return frozenset().union(
            *(m.teacher_fields for m in methods if teacher in read_teachers(m, self.teachers))
        )

    def reads_classes(self, teacher: str) -> bool:
        """Whether classes of this teacher matter: to a method, unlabelled images or ``inherit``."""
        known = all_fields()
        labels = self.unlabelled is not None and self.unlabelled.pair is self.pairs[teacher]
        return (
            labels
            or inherits_classes(self)
            or any(known[field].of_classes for field in self.reads(teacher))
        )

    @property
    def teacher(self) -> Teacher:
        """The only teacher.

        Raises:
            ValueError: There are several, or none; ``teachers`` has them by name.
        """
        if len(self.teachers) != 1:
            known = list(self.teachers)
            raise UserError(f'there is no single teacher but {known}: name one of teachers.')
        return next(iter(self.teachers.values()))

    @property
    def stage(self) -> Stage:
        """The stage of the epoch that is trained, or was trained last."""
        return Stage() if self.stages is None else self.stages.now()

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """The student's losses, and those of each method.

        Args:
            batch_inputs: (B, 3, H, W), normalised and padded.
            batch_data_samples: B ``DetDataSample`` with ground truth.

        Returns:
            Named losses, and numbers to watch whose names lack ``loss``.

        Raises:
            ValueError: A loss is NaN or infinite, on a GPU one of the last call's; or a teacher was
                trained on other classes than those of the runner's data; or images come without
                labels and ``unlabelled`` is not set, or the reverse; or the stages do not fit the
                training's epochs.
        """
        self.nan_guard.check()
        check_marks(self.unlabelled, batch_data_samples)
        compared = any(method.active for method in self.distill.values())
        answered = compared or self.unlabelled or self.stages
        if answered or self.inherits:
            self._check_runners_classes()
        if answered:
            trains = self.stages is not None and torch.is_grad_enabled()
            end_step = self.stages.begin_step(self) if trains else None
            losses, by_method, seen = self.compute_losses(batch_inputs, batch_data_samples)
            if end_step is not None:
                end_step(by_method)
            self.first_steps.look(losses, by_method, seen, self.teachers)
            for found in by_method.values():
                losses.update(found)
        else:
            losses = self.student.loss(*self._own(batch_inputs, batch_data_samples))
        step = MessageHub.get_current_instance().get_info('iter', 0)
        self.nan_guard.look_at_losses(losses, batch_data_samples, step)
        return losses

    def compute_losses(
        self, batch_inputs: Tensor, batch_data_samples: list, also: Iterable[str] = ()
    ) -> tuple[Entries, dict[str, dict[str, Tensor]], Seen]:
        """What :meth:`loss` adds up.

        Args:
            batch_inputs: (B, 3, H, W), normalised and padded.
            batch_data_samples: B ``DetDataSample`` with ground truth.
            also: See :meth:`observe`.

        Returns:
            The student's losses, scaled by the methods; what each of these says; what they saw.
        """
        stage = self.stage
        active = {name: method for name, method in self.distill.items() if method.active}
        seen = self.observe(batch_inputs, batch_data_samples, also)
        task = stage.task_losses(seen.losses, active, seen.batch)
        found = {
            name: (method if stage.speaks(name) else method.nothing)(*seen.by(method.teacher))
            for name, method in active.items()
        }
        return task, found, seen

    def observe(
        self, batch_inputs: Tensor, batch_data_samples: list, also: Iterable[str] = ()
    ) -> Seen:
        """Runs the student's ``loss`` and records it; a teacher runs when its fields are read.

        Args:
            batch_inputs: (B, 3, H, W), normalised and padded.
            batch_data_samples: B ``DetDataSample`` with ground truth.
            also: Fields of the student to record beside those that the methods read.
        """
        if self.unlabelled:
            batch_data_samples = self.unlabelled.label(batch_inputs, batch_data_samples)
        inputs, samples = self._own(batch_inputs, batch_data_samples)
        batch = batch_of(samples)
        known = all_fields()
        fields = self._recorded | {name: known[name] for name in also}
        with recording() as recorder:
            for field in fields.values():
                field.record(self.student, recorder)
            losses = self.student.loss(inputs, samples)
        if self.unlabelled:
            losses = self.unlabelled.task_losses(losses, self.student, inputs, samples)
        recorder.seen.update(metas=batch.metas, losses=losses)
        sources = {
            name: partial(_recalled, field, self.student, recorder.seen)
            for name, field in fields.items()
        }
        student = Observation(losses=lambda _: losses, **sources)
        metas = [sample.metainfo for sample in batch_data_samples]
        teachers = {
            name: pair.observe(batch_inputs, metas, batch, student)
            for name, pair in self.pairs.items()
        }
        if len(teachers) > 1:
            teachers[ENSEMBLE] = ensemble(dict(teachers))
        return Seen(losses, student, teachers, batch)

    def check_classes(self, data: Sequence[str]) -> None:
        """Refuses teachers of other classes than the data's, where methods compare classes.

        Args:
            data: Class names of the training data, by label.

        Raises:
            ValueError: Names or their order differ; shows both lists.
        """
        for name, teacher in self.teachers.items():
            teacher.check_classes(data, compared=self.reads_classes(name))

    def _check_runners_classes(self) -> None:
        """Compares the teachers' classes with those that MMEngine's runner trains on."""
        hub = MessageHub.get_current_instance()
        if hub.get_info('loop_stage') == 'train':  # else it may remember an earlier run's data
            classes = hub.get_info('dataset_meta', {}).get('classes')
            if classes:
                self.check_classes(classes)

    def _own(self, inputs: Tensor, samples: list) -> tuple[Tensor, list]:
        """What the student sees of a batch that was loaded."""
        return (
            (inputs, samples) if self.downscaler is None else self.downscaler.batch(inputs, samples)
        )

    def probe(self, data: dict) -> Probe:
        """Looks at one training step without taking it; see :func:`probe_step`.

        Args:
            data: A batch as the data loader gives it.
        """
        return probe_step(self, data)

    def predict(self, batch_inputs: Tensor, batch_data_samples: list, rescale: bool = True) -> list:
        """The student's predictions, in pixels of the original images or of the given ones."""
        inputs, samples = self._own(batch_inputs, batch_data_samples)
        predicted = self.student.predict(inputs, samples, rescale=rescale)
        if self.downscaler is None:
            return predicted
        return self.downscaler.restore(predicted, batch_data_samples, rescale)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: list | None = None) -> Any:
        return self.student._forward(batch_inputs, batch_data_samples)

    def extract_feat(self, batch_inputs: Tensor) -> Any:
        """The student's features."""
        return self.student.extract_feat(batch_inputs)

    def init_weights(self) -> None:
        """Initialises the student by its own config, then adapters; loads the teacher.

        Raises:
            ValueError, FileNotFoundError: A checkpoint is missing or does not fit, or there is no
                teacher.
        """
        if not self.teachers:
            raise UserError('teacher=None is for prediction alone: set a teacher to train under.')
        self.student.init_weights()
        if self.student_checkpoint is not None:
            file = load_checkpoint_file(self.student_checkpoint, map_location='cpu')
            state = student_keys(file.get('state_dict', file))
            what = f'student checkpoint {self.student_checkpoint}'
            load_strictly(self.student, state, what, 'the student')
        with forked_rng():
            for method in self.distill.values():
                method.init_weights()
        for teacher in self.teachers.values():
            teacher.load()
        inherit(self)
        announce(self)

    def named_parameters(
        self, *args: object, **kwargs: object
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """As in the checkpoint: the student's have no prefix.

        Optimizer constructors that read ``backbone.`` off a name, as layer decay does, find it.
        """
        prefix = args[0] if args else kwargs.get('prefix', '')
        prefix += '.' if prefix else ''
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield prefix + name.removeprefix(prefix).removeprefix(STUDENT_PREFIX), parameter

    def __getattr__(self, name: str) -> Any:
        """Attributes that this class lacks are the student's (``backbone``, ``roi_head``, ...)."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            modules = self.__dict__.get('_modules', {})
            if name == 'student' or 'student' not in modules:
                raise
            return getattr(modules['student'], name)

    def _apply(self, fn: Callable, *args: object, **kwargs: object) -> 'DistillDetector':
        """Teachers follow ``.to()`` and its kin, though they are no submodules."""
        for pair in self.pairs.values():
            pair.apply_to_tensors(fn)
        return super()._apply(fn, *args, **kwargs)


@torch.enable_grad()  # what reads it first may run without gradient, as teachers do
def _recalled(field: Field, student: nn.Module, seen: dict, _: Observation) -> Any:
    return field.student(student, seen)
