"""The loss of matched queries as a registered module."""

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_numbers

from .functional import global_avg_factor, match_queries, query_costs, query_errors, wide


@MODELS.register_module()
class SetPredictionLoss(nn.Module):
    """Each teacher query teaches the student query that is matched to it, by its confidence w.

    Per image, sigma the assignment at the least total cost C_ij, the bracket without w:

        L = (1 / max(sum w, 1)) sum_j w_j [2 mean_k BCE(p_S, p_T) + 5 |b_S - b_T|_1 + 2 (1 - GIoU)]

    of student query sigma(j) and teacher query j, w_j = max_k p_T,jk. The sum of weights is over
    the batch and all processes.

    Args:
        cls_weight: Of the classes, >= 0.
        bbox_weight: Of the L1 distance, >= 0.
        iou_weight: Of 1 - GIoU, >= 0.
    """

    def __init__(
        self, cls_weight: float = 2.0, bbox_weight: float = 5.0, iou_weight: float = 2.0
    ) -> None:
        super().__init__()
        check_numbers('>= 0', cls_weight=cls_weight, bbox_weight=bbox_weight, iou_weight=iou_weight)
        self.weights = cls_weight, bbox_weight, iou_weight

    def forward(
        self, *, student: Tensor, teacher: Tensor, student_boxes: Tensor, teacher_boxes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The weighted terms of classes, L1 and GIoU, scalars.

        Logits are (B, Q, K) and (B, P, K), sigmoids; boxes (B, Q, 4) and (B, P, 4), cxcywh,
        normalised. Of more teacher than student queries those of highest confidence are kept.
        """
        errors, weights = [], []
        for own, logits, own_boxes, boxes in zip(
            student, teacher.detach(), student_boxes, teacher_boxes.detach(), strict=True
        ):
            confidence = wide(logits).sigmoid().amax(dim=1)
            kept = confidence.topk(min(len(own), len(logits))).indices
            with torch.no_grad():
                costs = query_costs(own, logits[kept], own_boxes, boxes[kept], self.weights)
            matched = match_queries(costs)
            errors.append(query_errors(own[matched], logits[kept], own_boxes[matched], boxes[kept]))
            weights.append(confidence[kept])
        weight = torch.cat(weights)
        sums = (torch.cat(errors, dim=1) * weight).sum(dim=1) / global_avg_factor(weight.sum())
        cls, bbox, iou = (w * term for w, term in zip(self.weights, sums, strict=True))
        return cls, bbox, iou
