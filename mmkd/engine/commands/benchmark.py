"""Where the time of a distillation step goes, and of inference, on random images and weights."""

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmkd.distiller import Distiller
from mmkd.utils.types import Detector


@dataclass(frozen=True)
class StepTimes:
    """Medians over rounds of one training step (forward and backward), in seconds.

    Attributes:
        teacher: The parts of the teachers that the methods read.
        masks: The imitation masks of all methods that have any.
        ratio: Of distilled / (student + teacher).
        mask_share: Of masks / distilled.
    """

    student: float
    distilled: float
    teacher: float
    masks: float
    ratio: float
    mask_share: float


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
) -> StepTimes:
    """Times the parts of a step in turn, ``rounds`` times, after one round that is not counted.

    Ratios are taken within a round, where the machine's mood is the same, and then their median.

    Args:
        model: A ``DistillDetector``.
        inputs: (B, 3, H, W).
        samples: B data samples with ground truth.
        rounds: >= 1.
        after_round: Called after each round, for a progress bar.
    """
    rows = []
    for _ in range(rounds + 1):
        rows.append(_round(model, inputs, samples))
        after_round()
    ratios = [(d / (s + t), m / d) for s, d, t, m in rows[1:]]
    columns = [*zip(*rows[1:], strict=True), *zip(*ratios, strict=True)]
    return StepTimes(*map(statistics.median, columns))


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


def _round(model: Distiller, inputs: Tensor, samples: list) -> list[float]:
    """Seconds in the order of :class:`StepTimes`."""

    def step(loss: Callable) -> None:
        total, _ = model.parse_losses(loss(inputs, samples))
        total.backward()
        model.zero_grad()

    methods = list(model.distill.values())
    seen = model.observe(inputs, samples)

    def ask_teachers() -> None:
        for name in model.teachers:
            for field in model.reads(name):
                getattr(seen.teachers[name], field)

    student: Detector = model.student
    parts = (
        lambda: step(student.loss),
        lambda: step(model.loss),
        ask_teachers,
        lambda: [m.masks(*seen.by(m.teacher)) for m in methods if m.has_masks],
    )
    return [_seconds(part, inputs) for part in parts]


def _seconds(work: Callable[[], object], inputs: Tensor) -> float:
    if inputs.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if inputs.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
