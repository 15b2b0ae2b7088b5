"""Set prediction: queries of two networks are matched, then compared.

Letters: Q and P queries of student and teacher on one image, K classes. The sigmoids of logits are
probabilities; boxes are cxcywh, normalised to the image.
"""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from .binary_kd import binary_cross_entropy
from .boxes import giou_error
from .reduction import product, wide


def query_errors(
    student: Tensor, teacher: Tensor, student_boxes: Tensor, teacher_boxes: Tensor
) -> Tensor:
    """Mean BCE of the classes, L1 and 1 - GIoU of the boxes, of each pair of queries.

    Logits (N, K) and boxes (N, 4) of both sides -> (3, N), float32 or wider.
    """
    return torch.stack([
        binary_cross_entropy(student, teacher) / student.shape[1],
        (wide(student_boxes) - wide(teacher_boxes)).abs().sum(dim=1),
        giou_error(_corners(student_boxes), _corners(teacher_boxes)),
    ])  # fmt: skip


def query_costs(
    student: Tensor,
    teacher: Tensor,
    student_boxes: Tensor,
    teacher_boxes: Tensor,
    weights: tuple[float, float, float],
) -> Tensor:
    """(Q, P), the weighted sum of :func:`query_errors` of every student with every teacher query.

    Args:
        student: (Q, K) logits.
        teacher: (P, K) logits.
        student_boxes: (Q, 4).
        teacher_boxes: (P, 4).
        weights: Of the three.
    """
    logits = wide(student)
    # BCE(p_S, p_T) of logits z is log(1 + e^z) - z p_T, so no (Q, P, K) is made.
    classes = functional.softplus(logits).sum(dim=1, keepdim=True)
    classes = (classes - product(logits, wide(teacher).sigmoid().T)) / student.shape[1]
    own, others = wide(student_boxes), wide(teacher_boxes)
    rows = _corners(own).repeat_interleave(len(others), dim=0), _corners(others).repeat(len(own), 1)
    overlap = giou_error(*rows).unflatten(0, (len(own), len(others)))
    return weights[0] * classes + weights[1] * torch.cdist(own, others, p=1) + weights[2] * overlap


@torch.no_grad()
def match_queries(costs: Tensor) -> Tensor:
    """The student's query of each teacher's, at the least total cost (Hungarian algorithm).

    (Q, P), P <= Q -> (P,) long, all different. It waits for the GPU: the assignment is SciPy's.
    """
    rows, columns = linear_sum_assignment(costs.cpu().numpy())
    return torch.from_numpy(rows[columns.argsort()]).to(costs.device, non_blocking=True)


def _corners(boxes: Tensor) -> Tensor:
    """(N, 4) cxcywh -> xyxy."""
    centers, sizes = wide(boxes).split(2, dim=1)
    return torch.cat([centers - sizes / 2, centers + sizes / 2], dim=1)
