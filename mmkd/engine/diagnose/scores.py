"""Is the teacher worth imitating?"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from mmkd.compat import class_difference, class_names, load_checkpoint_file
from mmkd.distiller import Distiller, PairLike
from mmkd.utils.errors import UserError
from mmkd.utils.quiet import quiet_host

from .check import Check, judge
from .sample import ValidationSample

if TYPE_CHECKING:
    from .run import Options

_FOUND = 0.5
_SURE = 0.3


@dataclass(frozen=True)
class Score:
    """How well a detector does on the sample.

    Attributes:
        confusion: (K, K) counts of objects found (IoU >= 0.5, score >= 0.3): true label, label
            given; None where the validation pipeline loads no boxes.
    """

    metric: str
    value: float
    confusion: np.ndarray | None


@torch.no_grad()
def score(model: Distiller, detector: Distiller | PairLike, sample: ValidationSample) -> Score:
    """Evaluates student or teacher on images as the student's preprocessor makes them.

    ``detector`` is ``model``, the ``DistillDetector``, for the student, or one of its ``pairs``.
    """
    model.eval()
    evaluator = sample.build_evaluator()
    size = len(sample.classes)
    table = np.zeros((size, size), int)
    annotated = False
    with quiet_host():  # evaluators print a table a call; here there is one table in the end
        for batch in sample.batches:
            data = model.data_preprocessor(batch, False)
            found = detector.predict(data['inputs'], data['data_samples'], rescale=True)
            for image in found:
                if 'gt_instances' in image and 'bboxes' in image.gt_instances:
                    annotated = True
                    _count(table, image)
            evaluator.process(data_samples=found, data_batch=batch)
        numbers = evaluator.evaluate(len(sample.ids))
    name = next((key for key in numbers if key.endswith('mAP')), next(iter(numbers)))
    return Score(name, float(numbers[name]), table if annotated else None)


def check_scores(
    model: Distiller,
    options: 'Options',
    sample: ValidationSample,
    role: str,
    teacher: Score,
    student: Score,
) -> Check:
    """A teacher, which messages call ``role``, against what the student shall reach."""
    name = f'{role.removeprefix("the ")} is worth it'
    what, target = 'the untrained student', student.value
    if options.target is not None:
        what, target = 'the target (--target)', options.target
    elif options.student_checkpoint is not None:
        what = f'the student of {options.student_checkpoint}'
        trained = _trained(model, options.student_checkpoint, sample.classes)
        target = score(model, trained, sample).value
    text = (
        f'{teacher.metric} on {len(sample.ids)} images: {role.removeprefix("the ")} '
        f'{teacher.value:.3f}, {what} {target:.3f}, student as it starts {student.value:.3f}'
    )
    remedy = (
        'a student seldom passes its teacher: train the teacher longer or on this data, give its '
        'own checkpoint and preprocessing, or take a larger one'
    )
    return judge(name, teacher.value > target, text, remedy)


def _trained(model: Distiller, checkpoint: str, classes: Sequence[str]) -> Any:
    """A student with the weights of a file; adapters in it are not read."""
    file = load_checkpoint_file(checkpoint, map_location='cpu')
    found = class_difference(class_names(file) or classes, classes, 'the validation data')
    if found is not None:
        raise UserError(
            f'--student-checkpoint={checkpoint} {found.text}: its score would say nothing. Give a '
            'student that was trained on this list.'
        )
    twin: Any = copy.deepcopy(model)
    state = file.get('state_dict', file)
    twin.load_state_dict({key.removeprefix('module.'): t for key, t in state.items()}, strict=False)
    return twin


def _count(table: np.ndarray, image: Any) -> None:
    """Adds the objects of one image that were found."""
    predicted, truth = image.pred_instances, image.gt_instances
    sure = predicted.scores >= _SURE
    boxes, labels = _boxes(predicted)[sure], predicted.labels[sure]
    if not len(boxes) or not len(truth.labels):
        return
    overlaps = box_iou(_boxes(truth).to(boxes), boxes)  # (G, P)
    best, index = overlaps.max(dim=1)
    for true, given, overlap in zip(
        truth.labels.tolist(), labels[index].tolist(), best.tolist(), strict=True
    ):
        if overlap >= _FOUND and max(true, given) < len(table):
            table[true, given] += 1


def _boxes(instances: Any) -> Tensor:
    return getattr(instances.bboxes, 'tensor', instances.bboxes)
