"""Where the time of a distillation step goes, on random images, with random weights."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn


@dataclass(frozen=True)
class StepTimes:
    """Medians in seconds of one training step (forward and backward).

    Attributes:
        student: The student alone.
        distilled: The student under its teacher.
        teacher: The part of the teacher that the methods read.
        masks: The imitation masks of all methods that have any.
        ratio: Median over rounds of distilled / (student + teacher).
        mask_share: Median over rounds of masks / distilled.
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

    Args:
        shape: (height, width), pixels.
        images: Images in the batch.
        boxes: Boxes an image, sides 16 to 320 pixels.
        classes: Labels are drawn from [0, classes).
        device: Where to put them.
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
    model: nn.Module,
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
        rounds: Rounds to take medians over, >= 1.
        after_round: Called after each round, for a progress bar.
    """
    rows = []
    for _ in range(rounds + 1):
        rows.append(_round(model, inputs, samples))
        after_round()
    student, distilled, teacher, masks = map(statistics.median, zip(*rows[1:], strict=True))
    return StepTimes(
        student=student,
        distilled=distilled,
        teacher=teacher,
        masks=masks,
        ratio=statistics.median(d / (s + t) for s, d, t, _ in rows[1:]),
        mask_share=statistics.median(m / d for _, d, _, m in rows[1:]),
    )


def _round(model: nn.Module, inputs: Tensor, samples: list) -> tuple[float, float, float, float]:
    def step(loss: Callable) -> None:
        total, _ = model.parse_losses(loss(inputs, samples))
        total.backward()
        model.zero_grad()

    methods = list(model.distill.values())
    student, teacher, batch = model.observe(inputs, samples)[1:]

    def ask_teacher() -> None:
        for field in frozenset().union(*(method.teacher_reads for method in methods)):
            getattr(teacher, field)

    alone = _seconds(lambda: step(model.student.loss), inputs)
    distilled = _seconds(lambda: step(model.loss), inputs)
    asked = _seconds(ask_teacher, inputs)
    masked = _seconds(
        lambda: [m.masks(student, teacher, batch) for m in methods if hasattr(m, 'masks')], inputs
    )
    return alone, distilled, asked, masked


def _seconds(work: Callable[[], object], inputs: Tensor) -> float:
    if inputs.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if inputs.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
