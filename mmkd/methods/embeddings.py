"""What methods on embeddings of objects share.

Letters: R sampled RoIs of the batch, G ground-truth boxes of an image, N rows, D of a row.
"""

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from mmkd.losses.functional import constant, product, wide
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.settings import check_choice, check_number

from .base import DistillMethod
from .head_samples import check_one_teacher
from .schedule import ScheduleSetting

MAX_ROWS = 64
"""Rows of a batch, or image, beyond which those that the teacher is surest of are kept."""


class EmbeddingMethod(DistillMethod):
    """Compares relations between the embeddings of objects: what the last shared layer gives.

    A row is an object: the mean of the embeddings of its positive RoIs, of student and teacher over
    the same RoIs; or a positive RoI.

    Args:
        loss: The formula, called with ``student``, ``teacher`` and ``labels`` of the rows.
        rows: ``'objects'`` or ``'rois'``.
        scope: ``'batch'`` relates the rows of all images, ``'image'`` those of one, and averages
            over the images that have enough.
        min_rows: Rows from which on there is something to relate, >= 2; below, the loss is 0.
        loss_weight: Factor on the loss, >= 0, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    student_fields = teacher_fields = frozenset({'roi_embedding', 'roi_head'})

    def __init__(
        self,
        loss: nn.Module,
        /,
        rows: str = 'objects',
        scope: str = 'batch',
        min_rows: int = 3,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        check_choice('rows', rows, ('objects', 'rois'))
        check_choice('scope', scope, ('batch', 'image'))
        check_number('min_rows', min_rows, '>= 2', whole=True)
        self.rows, self.scope, self.min_rows = rows, scope, min_rows
        self.loss = loss

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Tells softmax from sigmoid heads, and objects from background.

        Raises:
            ValueError: The teacher is an ensemble.
        """
        check_one_teacher(self.name, self.teacher)
        self.sigmoid, self.classes = student.roi_head.sigmoid, student.num_classes

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>`` and, to watch, ``<name>_rows``: how many were related."""
        sides = student.roi_embedding, teacher.roi_embedding.detach()
        rows, image, labels, scores = self._rows(student, teacher, batch)
        groups = [image == index for index in range(len(batch.gt_bboxes))]
        groups = groups if self.scope == 'image' else [torch.ones_like(image, dtype=torch.bool)]
        total, related, count = wide(sides[0]).sum() * 0, 0, 0
        for group in groups:
            chosen = group.nonzero().squeeze(1)
            if len(chosen) > MAX_ROWS:
                surest = scores[chosen].argsort(descending=True, stable=True)[:MAX_ROWS]
                chosen = chosen[surest.sort().values]
            if len(chosen) < self.min_rows:
                continue
            own, target = (product(rows[chosen], wide(side).to(rows.dtype)) for side in sides)
            total = total + self.loss(student=own, teacher=target, labels=labels[chosen])
            related, count = related + len(chosen), count + 1
        return {
            f'loss_{self.name}': self.loss_weight * total / max(count, 1),
            f'{self.name}_rows': constant(related, total),
        }

    def _rows(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(N, R) weights that average RoIs to rows; (N,) their images, labels, and the probability
        that the teacher gives the label.
        """
        output = student.roi_head
        labels, weights, *_ = output.targets
        logits = wide(teacher.roi_head.cls_score)
        probs = logits.sigmoid() if self.sigmoid else logits.softmax(dim=1)
        positive = ((labels < self.classes) & (weights > 0)).nonzero().squeeze(1)
        scores = probs[positive, labels[positive]]
        image = output.rois[positive, 0].long()
        if self.rows == 'rois' or not len(positive):
            owner = torch.arange(len(positive), device=labels.device)
        else:
            owner = _owners(output.rois[positive, 1:], image, labels[positive], batch)
        groups, index = owner.unique(return_inverse=True)  # by image, then by object
        weight = wide(output.rois).new_zeros(len(groups), len(labels))
        weight[index, positive] = 1
        weight = weight / weight.sum(dim=1, keepdim=True)
        member = torch.zeros_like(groups).index_copy(0, index, positive)  # any RoI of the row
        score = scores.new_zeros(len(labels)).index_copy(0, positive, scores)
        mean = product(weight.to(score.dtype), score)
        return weight, output.rois[member, 0].long(), labels[member], mean


def _owners(rois: Tensor, image: Tensor, labels: Tensor, batch: Batch) -> Tensor:
    """(P,) number of the ground-truth box of each positive RoI, counted over the batch.

    It is the box of the RoI's label in its image with the highest IoU, as the assigner has it.
    """
    boxes, classes = torch.cat(batch.gt_bboxes), torch.cat(batch.gt_labels)
    images = torch.cat([torch.full_like(one, i) for i, one in enumerate(batch.gt_labels)])
    fits = (images[None] == image[:, None]) & (classes[None] == labels[:, None])
    return box_iou(wide(rois), wide(boxes)).masked_fill(~fits, -1).argmax(dim=1)
