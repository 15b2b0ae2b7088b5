"""Does the teacher say of the student's RoIs what the labels say?"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from mmkd.engine.diagnose.check import Check, judge
from mmkd.engine.diagnose.sample import training_batches
from mmkd.fields import all_fields
from mmkd.methods.head_samples import agreement_weights, all_class_rows

from .finished import FinishedRun
from .gains import SIZES, within

_ENOUGH = 20
_AGREES = 0.7


@torch.no_grad()
def measure_agreement(run: FinishedRun, model: Any, teacher: str, num: int) -> NDArray | None:
    """How a teacher classifies the RoIs that the student samples from training images.

    Args:
        run: The distillation.
        model: Its detector in eval mode, so that batch norms keep their statistics.
        teacher: Name of a teacher that has the student's classes.
        num: Training images, about.

    Returns:
        (S, 3) counts by size: RoIs that the labels call objects, those of them that the teacher
        calls the same, and those that it calls background; None for detectors without a RoI head.
    """
    field = all_fields()['roi_head']
    if not (field.offered(model.student) and field.offered(model.teachers[teacher].model)):
        return None
    head = model.student.roi_head.bbox_head
    found = np.zeros((len(SIZES), 3), int)
    for batch in training_batches(run.config, model, num):
        step = model.observe(batch['inputs'], batch['data_samples'], also=['roi_head'])
        rois = step.student.roi_head.rois
        scales = rois.new_tensor([meta.get('scale_factor', (1, 1)) for meta in step.batch.metas])
        sides = (rois[:, 3:] - rois[:, 1:3]) / scales[rois[:, 0].long()]  # of the original image
        rows = all_class_rows('roi_head', step.student, step.teachers[teacher])
        nothing = torch.full_like(rows.labels, head.num_classes)
        says = torch.stack(
            [
                rows.labels != nothing,
                *(
                    agreement_weights(asked, bool(head.loss_cls.use_sigmoid), 'only') > 0
                    for asked in (rows, replace(rows, labels=nothing))
                ),
            ]
        ).cpu()  # (3, R)
        areas = sides.prod(dim=1).cpu().numpy()
        for index, size in enumerate(SIZES):
            found[index] += (says & says[0]).numpy()[:, within(areas, size)].sum(axis=1)
    return found


def agreement_table(found: NDArray) -> Table:
    """A row an object size."""
    table = Table(title="the teacher on the student's RoIs that the labels call objects")
    for column in ('objects', 'RoIs', 'as the label', 'background', 'another class'):
        table.add_column(column, justify='left' if column == 'objects' else 'right')
    for size, (total, agrees, nothing) in zip(SIZES, found.tolist(), strict=True):
        shares = [
            f'{n / total:.0%}' if total else '-'
            for n in (agrees, nothing, total - agrees - nothing)
        ]
        table.add_row(size, str(total), *shares)
    return table


def check_agreement(found: NDArray, compared: bool) -> Check:
    """The size at which the teacher disagrees most, where that is often.

    Args:
        found: See :func:`measure_agreement`.
        compared: Whether a method compares classes; else the student never hears of it.
    """
    shares = np.where(found[:, :1] >= _ENOUGH, found / np.maximum(found[:, :1], 1), 1.0)
    worst = int(shares[:, 1].argmin())
    _, agrees, nothing = shares[worst]
    return judge(
        'teacher and labels',
        not compared or bool(agrees >= _AGREES),
        f'of RoIs on {list(SIZES)[worst]} objects the teacher calls {agrees:.0%} as the label does '
        f'and {nothing:.0%} background',
        "compare where both agree: agreement='weighted' (mmkd.BinaryKD, mmkd.SoftClassification); "
        'or a teacher trained longer or on larger images',
    )
