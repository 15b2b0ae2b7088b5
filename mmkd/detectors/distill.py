"""DistillDetector: a student in training beside its frozen teacher."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mmdet.models.detectors import BaseDetector
from mmengine.logging import MessageHub
from torch import Tensor, nn

from mmkd.compat import load_checkpoint_file
from mmkd.observation import Batch, Observation
from mmkd.registry import MODELS

from .build import build_methods
from .layout import check_comparable, read_layout
from .pixels import pixel_converter
from .probe import Probe, probe_step
from .random_state import forked_rng
from .recorder import record, student_observation
from .spec import DetectorSpec, build_detector, resolve_spec
from .teacher import Teacher
from .two_sizes import Shrink
from .weights import ADAPTER_PREFIX, load_strictly, student_keys

_STUDENT = 'student.'


@MODELS.register_module()
class DistillDetector(BaseDetector):
    """Trains a student under a teacher; in every other respect it is the student.

    ``predict``, ``tensor`` mode, unknown attributes and the names of parameters are the student's.
    The state dict holds the student's weights under their plain names and the adapters' under
    ``distill.``, so MMDetection's own tools load a checkpoint with the student's config.

    Args:
        student: Config path, ``mmdet::`` path, model dict, ``Config``, or ``dict(config=...,
            checkpoint=..., cfg_options=...)``; ``checkpoint`` sets the weights to start from.
        teacher: The same; needs a checkpoint to train, none to test. None, for prediction alone,
            leaves out the methods too.
        methods: Configs of :class:`mmkd.methods.DistillMethod`; their losses add up.
        student_scale: Side of the student's images over that of the images loaded, which the
            teacher sees: 1, 0.5 or 0.25. Losses and predictions are the student's on a copy that
            is resized on the device; RPN outputs are compared where anchors match after scaling.
        pairing: How levels pair where ``student_scale`` is not 1: ``'shift'`` compares maps that
            cover the same pixels, ``'upsample'`` maps of one index, on the teacher's grid.
        data_preprocessor: Replaces the student's own.
        init_cfg: Refused: the student's config initialises the student.

    Raises:
        FileNotFoundError: A config is missing.
        ValueError: Student, teacher and methods do not fit; names the setting that differs.
    """

    adapter_prefix = ADAPTER_PREFIX

    def __init__(
        self,
        student: DetectorSpec,
        teacher: DetectorSpec | None,
        methods: Sequence[dict],
        student_scale: float = 1.0,
        pairing: str = 'shift',
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if init_cfg is not None:
            raise ValueError('init_cfg belongs into the student; DistillDetector takes none.')
        student_spec = resolve_spec(student, 'student')
        detector = build_detector(student_spec)
        if data_preprocessor is not None:
            super().__init__(data_preprocessor)
            detector.data_preprocessor = self.data_preprocessor
        else:
            super().__init__(detector.data_preprocessor)
        self.student = detector
        self.student_checkpoint = student_spec.checkpoint
        # The teacher and the adapters draw no number from the student's random stream.
        with forked_rng():
            # A twin of the student, without weights, has the place of a teacher that is not needed.
            alone = replace(student_spec, checkpoint=None)
            self.teacher = Teacher(alone if teacher is None else resolve_spec(teacher, 'teacher'))
            self.teacher.shrink = None if student_scale == 1 else Shrink(student_scale)
            self._join(None if teacher is None else methods, pairing)
        self._register_state_dict_hook(_to_checkpoint_keys)
        self.register_load_state_dict_pre_hook(_from_checkpoint_keys)

    def _join(self, configs: Sequence[dict] | None, pairing: str) -> None:
        """Builds the methods, if any, and checks that they, student and teacher fit."""
        teacher = self.teacher
        teacher.to_pixels = pixel_converter(self.data_preprocessor, teacher.model.data_preprocessor)
        ours, theirs = read_layout(self.student, 'student'), read_layout(teacher.model, 'teacher')
        shrink, factor = teacher.shrink, 1
        if shrink is not None:
            shrink.fit_padding(self.data_preprocessor, ours)
            theirs, factor = shrink.layout(theirs, pairing), shrink.factor
        self.distill = nn.ModuleDict()
        if configs is not None:
            self.distill = build_methods(configs, ours, theirs)
        reads = frozenset().union(*(m.teacher_reads for m in self.distill.values()))
        check_comparable(self.student, teacher.model, reads, factor)

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """The student's losses, and those of each method.

        Args:
            batch_inputs: (B, 3, H, W), normalised and padded.
            batch_data_samples: B ``DetDataSample`` with ground truth.

        Returns:
            Named losses, and numbers to watch whose names lack ``loss``.
        """
        if not any(method.active for method in self.distill.values()):
            return self.student.loss(*self._own(batch_inputs, batch_data_samples))
        task, by_method, _ = self.parts(batch_inputs, batch_data_samples)
        for found in by_method.values():
            task.update(found)
        return task

    def parts(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]], tuple]:
        """What :meth:`loss` adds up.

        Args:
            batch_inputs: (B, 3, H, W), normalised and padded.
            batch_data_samples: B ``DetDataSample`` with ground truth.

        Returns:
            The student's losses, scaled by the methods; what each active method says, by its name;
            and what they saw: the student's observation, the teacher's, the batch.
        """
        active = {name: method for name, method in self.distill.items() if method.active}
        losses, *seen = self.observe(batch_inputs, batch_data_samples)
        batch = seen[-1]
        scaling = list(active.values())
        task = {name: _scaled(name, value, scaling, batch) for name, value in losses.items()}
        return task, {name: method(*seen) for name, method in active.items()}, tuple(seen)

    def observe(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[dict[str, Tensor], Observation, Observation, Batch]:
        """Runs the student's ``loss`` and records it; the teacher runs when its fields are read.

        Args:
            batch_inputs: (B, 3, H, W), normalised and padded.
            batch_data_samples: B ``DetDataSample`` with ground truth.

        Returns:
            The student's own losses, what the student saw, what the teacher sees, the batch.
        """
        inputs, samples = self._own(batch_inputs, batch_data_samples)
        batch = _batch(samples)
        with record(self.student) as seen:
            seen['metas'] = batch.metas
            losses = seen['losses'] = self.student.loss(inputs, samples)
        student = student_observation(self.student, seen)
        loaded = replace(batch, metas=[sample.metainfo for sample in batch_data_samples])
        return losses, student, self.teacher.observe(batch_inputs, loaded, student), batch

    def _own(self, inputs: Tensor, samples: list) -> tuple[Tensor, list]:
        """What the student sees of a batch that was loaded."""
        shrink = self.teacher.shrink
        return (inputs, samples) if shrink is None else shrink.batch(inputs, samples)

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
        if self.teacher.shrink is None:
            return predicted
        return self.teacher.shrink.restore(predicted, batch_data_samples, rescale)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: list | None = None) -> Any:
        return self.student._forward(batch_inputs, batch_data_samples)

    def extract_feat(self, batch_inputs: Tensor) -> Any:
        """The student's features."""
        return self.student.extract_feat(batch_inputs)

    def init_weights(self) -> None:
        """Initialises the student by its own config, then adapters; loads the teacher.

        Raises:
            ValueError, FileNotFoundError: A checkpoint is missing or does not fit.
        """
        self.student.init_weights()
        if self.student_checkpoint is not None:
            file = load_checkpoint_file(self.student_checkpoint, map_location='cpu')
            state = student_keys(file.get('state_dict', file))
            what = f'student checkpoint {self.student_checkpoint}'
            load_strictly(self.student, state, what, 'the student')
        with forked_rng():
            for method in self.distill.values():
                method.init_weights()
        self.teacher.load()

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """As in the checkpoint: the student's have no prefix.

        Optimizer constructors that read ``backbone.`` off a name, as layer decay does, find it.
        """
        prefix = args[0] if args else kwargs.get('prefix', '')
        prefix += '.' if prefix else ''
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield prefix + name.removeprefix(prefix).removeprefix(_STUDENT), parameter

    def __getattr__(self, name: str) -> Any:
        """Attributes that this class lacks are the student's (``backbone``, ``roi_head``, ...)."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            modules = self.__dict__.get('_modules', {})
            if name == 'student' or 'student' not in modules:
                raise
            return getattr(modules['student'], name)

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> 'DistillDetector':
        """The teacher follows ``.to()`` and its kin, though it is no submodule."""
        self.teacher.apply_to_tensors(fn)
        return super()._apply(fn, *args, **kwargs)


def _scaled(name: str, value: Any, methods: list, batch: Batch) -> Any:
    factor = 1.0
    for method in methods:
        if method.waiting:  # it counts 0, so the student trains as if alone
            continue
        factor *= method.task_loss_scale(name, batch)
    if factor == 1.0:
        return value
    return [item * factor for item in value] if isinstance(value, list) else value * factor


def _batch(data_samples: list) -> Batch:
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


def _to_checkpoint_keys(module: nn.Module, state: dict, prefix: str, metadata: dict) -> None:
    for key in [key for key in state if key.startswith(prefix + _STUDENT)]:
        state[prefix + key.removeprefix(prefix + _STUDENT)] = state.pop(key)
    # Layer versions under both names: for the plain student, and for loading here again.
    versions = getattr(state, '_metadata', {})
    for key in [key for key in versions if key.startswith(prefix + _STUDENT)]:
        versions[prefix + key.removeprefix(prefix + _STUDENT)] = versions[key]


def _from_checkpoint_keys(module: DistillDetector, state: dict, prefix: str, *args: Any) -> None:
    adapters = prefix + ADAPTER_PREFIX
    wrapped = prefix + _STUDENT
    for key in [k for k in state if k.startswith(prefix) and not k.startswith((adapters, wrapped))]:
        state[wrapped + key.removeprefix(prefix)] = state.pop(key)
    missing = [
        key
        for key in module.student.state_dict()
        if wrapped + key not in state and not key.endswith('num_batches_tracked')
    ]
    if missing:
        shown = ', '.join(missing[:8]) + (f' and {len(missing) - 8} more' * (len(missing) > 8))
        raise ValueError(
            f"The checkpoint lacks {len(missing)} of the student's keys: {shown}. Load a "
            "checkpoint of the same student, or use the backbone's init_cfg to load a part."
        )
