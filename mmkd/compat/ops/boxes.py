"""Box operations of ``mmcv._ext``: suppression and overlaps.

Convention: boxes are xyxy; with ``offset`` 1 they are inclusive pixels, so that width is
``x2 - x1 + 1``, and with 0 continuous coordinates. N is a number of boxes.
"""

import torch
import torchvision.ops as tv_ops
from torch import Tensor

# Values of the enumeration that mmcv passes as ``method`` to softnms.
_SOFT_NAIVE, _SOFT_LINEAR, _SOFT_GAUSSIAN = 0, 1, 2


def _widened(boxes: Tensor, offset: int) -> Tensor:
    """Continuous boxes with the same widths, (N, 4) -> (N, 4): inclusive ends move by one."""
    return boxes + boxes.new_tensor([0, 0, offset, offset])


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy suppression, (N, 4) and (N,) -> indices of the kept boxes by falling score.

    torchvision wants one dtype for both and has no 16-bit kernel on CPU; mmcv asks for neither.
    """
    dtype = torch.promote_types(torch.promote_types(boxes.dtype, scores.dtype), torch.float32)
    return tv_ops.nms(_widened(boxes.to(dtype), offset), scores.to(dtype), iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft suppression (Bodla et al., ICCV 2017); mmcv calls it on CPU tensors only.

    Of (N, 4) boxes and (N,) scores, the naive (0) and the linear (1) method decay from
    ``iou_threshold`` on, the Gaussian (2) by its width ``sigma``; what falls below ``min_score`` is
    dropped. The first K rows of ``dets``, (N, 5), are overwritten with kept boxes and scores.

    Returns:
        (K,) indices of the kept boxes by falling decayed score.
    """
    continuous = _widened(boxes, offset)
    alive = torch.arange(len(boxes))
    current = scores.clone()
    kept: list[int] = []
    while len(alive):
        best = int(alive[current[alive].argmax()])
        dets[len(kept), :4] = boxes[best]
        dets[len(kept), 4] = current[best]
        kept.append(best)
        alive = alive[alive != best]
        iou = tv_ops.box_iou(continuous[best : best + 1], continuous[alive])[0]
        current[alive] *= _soft_weight(iou, iou_threshold, sigma, method)
        alive = alive[current[alive] >= min_score]
    return torch.tensor(kept, dtype=torch.long)


def _soft_weight(iou: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    """Factor on the score of a box that overlaps a better one by ``iou``, (N,) -> (N,)."""
    if method == _SOFT_GAUSSIAN:
        return torch.exp(-iou.square() / sigma)
    decayed = 1 - iou if method == _SOFT_LINEAR else torch.zeros_like(iou)
    return torch.where(iou >= iou_threshold, decayed, torch.ones_like(iou))


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of boxes, (N, 5) with the score last: each kept box, then those it suppresses."""
    iou = tv_ops.box_iou(dets[:, :4], dets[:, :4])
    rest = dets[:, 4].argsort(descending=True)
    groups = []
    while len(rest):
        first, others = rest[0], rest[1:]
        matched = iou[first, others] >= iou_threshold
        groups.append([int(first), *others[matched].tolist()])
        rest = others[~matched]
    return groups


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Overwrites ``ious``, (M, N) or (N,) if ``aligned``, with IoU (mode 0) or IoF (mode 1).

    IoF divides the intersection by the area of the first box.
    """
    first, second = _widened(bboxes1, offset), _widened(bboxes2, offset)
    area1, area2 = tv_ops.box_area(first), tv_ops.box_area(second)
    if not aligned:
        first, area1 = first[:, None], area1[:, None]
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    inter = (high - low).clamp(min=0).prod(dim=-1)
    divisor = area1 + area2 - inter if mode == 0 else area1.expand_as(inter)
    ious.copy_(inter / divisor.clamp(min=offset))
