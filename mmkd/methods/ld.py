"""Localization distillation (Zheng et al., CVPR 2022)."""

import torch
from torch import Tensor

from mmkd.losses.functional import check_same_shape, edge_divergence, valuable_region, wide
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_number
from mmkd.utils.errors import UserError

from .base import DistillMethod
from .head_samples import all_class_rows, check_one_teacher, flat_rows
from .schedule import ScheduleSetting


@MODELS.register_module()
class LD(DistillMethod):
    """The distribution of each edge of a box approaches the teacher's, on objects and near them.

    Source: Zhaohui Zheng, Rongguang Ye, Ping Wang, Dongwei Ren, Wangmeng Zuo, Qibin Hou, Ming-Ming
    Cheng. Localization Distillation for Dense Object Detection. CVPR 2022, equations 3 to 5;
    constants and divisors of the official code. For heads of GFL's kind. Its classification term is
    :class:`KD` on the dense head.

    Args:
        temperature: T > 0.
        main_weight: Of positive anchors, each weighted by the student's highest class probability;
            >= 0, 0 leaves them out.
        region_weight: Of the valuable region, anchors near an object that are not positive; >= 0, 0
            leaves them out.
        region_share: Where the region begins, as a share of the threshold of positives, in [0, 1].
        loss_weight: Factor on both terms, >= 0, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range, or both terms are left out.
    """

    student_fields = teacher_fields = frozenset({'dense'})

    def __init__(
        self,
        temperature: float = 10.0,
        main_weight: float = 0.25,
        region_weight: float = 0.25,
        region_share: float = 0.25,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        check_number('temperature', temperature, '> 0')
        check_number('main_weight', main_weight, '>= 0')
        check_number('region_weight', region_weight, '>= 0')
        check_number('region_share', region_share, '[0, 1]')
        if not main_weight and not region_weight:
            raise UserError(f'every term of {self.name} is left out: set a weight above 0.')
        self.temperature, self.share_of_region = temperature, region_share
        self.main_weight, self.region_weight = main_weight, region_weight

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Looks whether both heads have distributions.

        Raises:
            ValueError: They have numbers.
        """
        check_one_teacher(self.name, self.teacher)
        if student.fields['dense'].boxes != 'bins':
            raise UserError(
                f"{self.name} compares distributions of a box's edges, as GFLHead has them; the "
                f"student's head says {student.fields['dense'].boxes}. Use mmkd.CrossKD or a "
                'method on features.'
            )

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>`` and, if it counts, ``loss_<name>_region``."""
        own, target = (
            flat_rows(side.dense.bbox_pred, student.dense.labels) for side in (student, teacher)
        )
        check_same_shape(student=own, teacher=target)
        errors = edge_divergence(own, target.detach(), self.temperature)  # (N,)
        rows = all_class_rows('dense', student, teacher)
        confidence = wide(rows.student.detach()).sigmoid().amax(dim=1)
        positive = (rows.labels >= 0) & (rows.labels < rows.student.shape[1])
        found = {}
        if self.main_weight:
            weight = torch.where(positive, confidence, 0.0) * self.main_weight / 4
            found[f'loss_{self.name}'] = self.loss_weight * (weight * errors).sum()
        if self.region_weight:
            near = self._region(student, batch) * (self.region_weight / 16)
            found[f'loss_{self.name}_region'] = self.loss_weight * (near * errors).sum()
        return found

    def _region(self, student: Observation, batch: Batch) -> Tensor:
        """(N,) 0 or 1, by level and image as the rows are."""
        anchors = student.dense.priors
        counts = [len(level) for level in anchors]
        images = [
            valuable_region(anchors, boxes, self.share_of_region).split(counts)
            for boxes in batch.gt_bboxes
        ]
        return torch.cat([torch.cat(level) for level in zip(*images, strict=True)]).float()
