"""Where the time of a distillation step goes, and of inference, on random images and weights."""

import copy
import gc
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmkd.compat import begin_progress
from mmkd.distiller import Distiller
from mmkd.fields import all_fields, recording
from mmkd.observation import Observation, Seen, gradient_norm, total_loss
from mmkd.utils.types import Value

from .host_waits import HostWaits


@dataclass(frozen=True)
class StepTimes:
    """One training step (forward and backward): medians over rounds, in seconds.

    Attributes:
        student: The student alone.
        distilled: The whole step.
        teacher: The parts of the teachers that the methods read, as they run.
        plain_teacher: The same parts as their configs have them, nothing made faster.
        plain: A step as toolboxes do it that hook a teacher in the module tree: its whole ``loss``
            is run, as its config has it, then the methods on what was recorded.
        masks: The imitation masks of all methods that have any.
        ratio: Of distilled / (student + teacher).
        over_plain_teacher: Of distilled / (student + plain_teacher).
        over_plain: Of distilled / plain.
        mask_share: Of masks / distilled.
        methods: Each method's own part by its name, with its gradient down to what it reads.
        waits: How often the host would wait for a GPU in the parts ``student`` and ``teacher`` and
            in each method; see :class:`HostWaits`.
        images_per_second: Of the whole step.
        memory: Peak of the whole step in MiB on a GPU; on a CPU of the process so far.
        over_student_memory: Of memory / (peak of the student alone + the teachers' weights); None
            on a CPU.
    """

    student: float
    distilled: float
    teacher: float
    plain_teacher: float
    plain: float
    masks: float
    ratio: float
    over_plain_teacher: float
    over_plain: float
    mask_share: float
    methods: dict[str, float]
    waits: dict[str, int]
    images_per_second: float
    memory: float
    over_student_memory: float | None


def random_batch(
    shape: tuple[int, int], images: int, boxes: int, classes: int, device: str
) -> tuple[Tensor, list]:
    """Noise images of one size with random boxes, as a data preprocessor would give them.

    ``shape`` is (height, width) in pixels, ``boxes`` are so many an image with sides of 16 to 320
    pixels, and labels are drawn from [0, classes).
    """
    height, width = shape
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(images, 3, height, width, generator=generator).to(device)
    samples = []
    for _ in range(images):
        sides = (16 + 304 * torch.rand(boxes, 2, generator=generator)).clamp(max=min(shape) / 2)
        corner = torch.rand(boxes, 2, generator=generator) * (torch.tensor([width, height]) - sides)
        sample = DetDataSample(
            metainfo=dict(
                img_shape=shape, pad_shape=shape, batch_input_shape=shape, scale_factor=(1.0, 1.0)
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corner, corner + sides], dim=1).to(device),
            labels=torch.randint(classes, (boxes,), generator=generator).to(device),
        )
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4, device=device),
            labels=torch.zeros(0, dtype=torch.long, device=device),
        )
        samples.append(sample)
    return inputs, samples


def measure(
    model: Distiller,
    inputs: Tensor,
    samples: list,
    rounds: int = 5,
    after_round: Callable[[], None] = lambda: None,
    dtype: torch.dtype | None = None,
) -> StepTimes:
    """Times the parts of a step in turn, ``rounds`` times, after one round that is not counted.

    Ratios are taken within a round, where the machine's mood is the same, and then their median.

    Args:
        model: A ``DistillDetector``.
        inputs: (B, 3, H, W).
        samples: B data samples with ground truth.
        rounds: >= 1.
        after_round: Called after each round, for a progress bar.
        dtype: Of the autocast of each forward pass, as MMEngine's; None: none.
    """
    begin_progress()
    cast: Cast = partial(torch.autocast, inputs.device.type, dtype, dtype is not None)
    memory = _gpu_memory(model, inputs, samples, cast)
    parts, methods = _parts(model, inputs, samples, cast)
    rows = []
    for _ in range(rounds + 1):
        rows.append({name: _seconds(part, inputs) for name, part in {**parts, **methods}.items()})
        after_round()
    waits = {}
    for name in ('student', 'teacher', *methods):
        with HostWaits() as found:
            {**parts, **methods}[name]()
        waits[name] = found.count

    def median(name: str, *over: str) -> float:
        """Of the part, over the sum of others of its round."""
        return statistics.median(
            row[name] / (sum(row[other] for other in over) if over else 1) for row in rows[1:]
        )

    return StepTimes(
        **{name: median(name) for name in parts},
        ratio=median('distilled', 'student', 'teacher'),
        over_plain_teacher=median('distilled', 'student', 'plain_teacher'),
        over_plain=median('distilled', 'plain'),
        mask_share=median('masks', 'distilled'),
        methods={name: median(name) for name in methods},
        waits=waits,
        images_per_second=len(samples) / median('distilled'),
        memory=_process_memory() if memory is None else memory[0],
        over_student_memory=None if memory is None else memory[0] / memory[1],
    )


Parts: TypeAlias = dict[str, Callable[[], object]]
Cast: TypeAlias = Callable[[], AbstractContextManager]


def _parts(model: Any, inputs: Tensor, samples: list, cast: Cast) -> tuple[Parts, Parts]:
    """The parts of a step in the order of :class:`StepTimes`, and of each method, to be repeated.

    Every one samples the same RoIs, so that what a teacher said once fits all of them.
    """
    metas = [sample.metainfo for sample in samples]
    known = all_fields()
    plain_pairs = {name: copy.copy(pair) for name, pair in model.pairs.items()}
    for pair in plain_pairs.values():
        pair.teacher = pair.teacher.plain()

    def observe() -> Seen:
        torch.manual_seed(0)
        with cast():
            return model.observe(inputs, samples)

    def ask(teachers: Mapping[str, Observation]) -> None:
        for name in model.teachers:
            for field in model.reads(name):
                getattr(teachers[name], field)

    seen = observe()
    ask(seen.teachers)

    def ask_anew(pairs: Mapping[str, Any]) -> None:
        with cast():
            ask(
                {
                    n: one.observe(inputs, metas, seen.batch, seen.student)
                    for n, one in pairs.items()
                }
            )

    def hooked_loss(*batch: Any) -> dict:
        with torch.no_grad():
            for name, pair in plain_pairs.items():
                detector = pair.teacher.model
                with recording() as recorder:
                    for field in model.reads(name):
                        known[field].record(detector, recorder)
                    detector.loss(pair.pixels(inputs, metas), [one.clone() for one in samples])
        now = model.observe(*batch)
        losses = dict(now.losses)
        for one in model.distill.values():
            losses.update(one(now.student, seen.teachers[one.teacher], now.batch))
        return losses

    def compare(method: Any) -> None:
        with cast():
            losses = method(*seen.by(method.teacher))
        read = [getattr(seen.student, field) for field in method.student_fields]
        gradient_norm(total_loss(losses), [*_tensors(read), *method.parameters()])

    methods = list(model.distill.values())
    parts: Parts = dict(
        student=lambda: _train(model, model.student.loss, inputs, samples, cast),
        distilled=lambda: _train(model, model.loss, inputs, samples, cast),
        teacher=lambda: ask_anew(model.pairs),
        plain_teacher=lambda: ask_anew(plain_pairs),
        plain=lambda: _train(model, hooked_loss, inputs, samples, cast),
        masks=lambda: [m.masks(*seen.by(m.teacher)) for m in methods if m.has_masks],
    )
    return parts, {method.name: partial(compare, method) for method in methods}


def _tensors(value: Value) -> list[Tensor]:
    """All tensors of a field: of tuples, lists and records."""
    if isinstance(value, Tensor):
        return [value]
    if is_dataclass(value):
        value = [getattr(value, one.name) for one in fields(value)]
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def _gpu_memory(
    model: Any, inputs: Tensor, samples: list, cast: Cast
) -> tuple[float, float] | None:
    """Peaks of the whole step, and of the student alone plus the teachers' weights; MiB.

    To be called before a teacher has run, when it holds nothing but its weights. On a CPU None.
    """
    if not inputs.is_cuda:
        return None
    gc.collect()  # of models measured before
    alone = _peak(partial(_train, model, model.student.loss, inputs, samples, cast))
    adapters = sum(p.numel() * p.element_size() for p in model.distill.parameters()) / 2**20
    whole = _peak(partial(_train, model, model.loss, inputs, samples, cast))
    return whole, alone - adapters


def _train(
    model: Any, loss: Callable[..., dict], inputs: Tensor, samples: list, cast: Cast
) -> None:
    torch.manual_seed(0)
    with cast():
        total, _ = model.parse_losses(loss(inputs, samples))
    total.backward()
    model.zero_grad()


def _peak(work: Callable[[], object]) -> float:
    """MiB on a GPU, of the second call."""
    work()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated() / 2**20


def _process_memory() -> float:
    """MiB of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(frozen=True)
class InferenceTimes:
    """One detector at inference: medians over rounds of the time an image, and over the first's.

    ``rois`` are those an image that its second stage answered on; 0 for a one-stage detector.
    """

    seconds: float
    ratio: float
    rois: float


@torch.no_grad()
def measure_inference(
    models: Mapping[str, nn.Module],
    inputs: Tensor,
    samples: list,
    rounds: int = 5,
    after_round: Callable[[], None] = lambda: None,
) -> dict[str, InferenceTimes]:
    """Times ``predict`` of detectors in turn, ``rounds`` times, after one round not counted.

    Random weights give no detection above a threshold of 0.05, so the last NMS has nothing to do.
    The models are in eval mode, and the first is what others are compared with; the other arguments
    are as for :func:`measure`.
    """
    rois = {name: _count_rois(model, inputs, samples) for name, model in models.items()}
    rows: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds + 1):
        for name, model in models.items():
            own = [sample.clone() for sample in samples]
            predict: Any = model.predict
            rows[name].append(_seconds(partial(predict, inputs, own), inputs))
        after_round()
    first = next(iter(rows.values()))[1:]
    return {
        name: InferenceTimes(
            seconds=statistics.median(times[1:]) / len(samples),
            ratio=statistics.median(t / f for t, f in zip(times[1:], first, strict=True)),
            rois=rois[name] / len(samples),
        )
        for name, times in rows.items()
    }


def _count_rois(model: nn.Module, inputs: Tensor, samples: list) -> int:
    """RoIs of the batch; this call also warms the detector up."""
    counts = [0]
    extractor = getattr(getattr(model, 'roi_head', None), 'bbox_roi_extractor', None)
    note: Any = nullcontext()
    if extractor is not None:
        note = extractor.register_forward_hook(lambda m, args, out: counts.append(len(args[1])))
    predict: Any = model.predict
    with note:  # a handle removes itself at the end
        predict(inputs, [sample.clone() for sample in samples])
    return max(counts)


def _seconds(work: Callable[[], object], inputs: Tensor) -> float:
    if inputs.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if inputs.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
