"""Localization distillation: Zheng et al., CVPR 2022.

Letters: N anchors of all levels, G ground-truth boxes of an image, D bins of an edge.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou, distance_box_iou

from .reduction import wide

CANDIDATES = 9
"""Anchors per level, nearest to a box's centre, whose IoUs set its threshold."""


def edge_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL of each edge's distribution, averaged over bins and summed over the four edges.

    Logits (N, 4 D) each, T > 0 -> (N,) in float32 or wider.
    """
    own, target = (
        functional.log_softmax(wide(side).unflatten(1, (4, -1)) / temperature, dim=2)
        for side in (student, teacher)
    )
    return temperature**2 * (target.exp() * (target - own)).mean(dim=2).sum(dim=1)


@torch.no_grad()
def valuable_region(anchors: Sequence[Tensor], boxes: Tensor, share: float = 0.25) -> Tensor:
    """Anchors near an object, but not near enough to be positive.

    With a_k the mean plus the deviation of the IoUs of box k with the nine anchors per level whose
    centres are nearest: those with share * a_k <= DIoU < a_k for some k, share in [0, 1].

    xyxy, per level (N_l, 4), (G, 4) of one image -> (N,) bool; none without a box.
    """
    every = wide(torch.cat(list(anchors)))
    if not len(boxes):
        return torch.zeros(len(every), dtype=torch.bool, device=every.device)
    boxes = wide(boxes)
    ious = box_iou(every, boxes)  # (N, G)
    centres = [(side[:, :2] + side[:, 2:]) / 2 for side in (every, boxes)]
    distances = (centres[0][:, None] - centres[1][None]).square().sum(dim=2)
    nearest, start = [], 0
    for level in anchors:
        part = distances[start : start + len(level)]
        found = part.topk(min(CANDIDATES, len(level)), dim=0, largest=False).indices + start
        nearest.append(found)
        start += len(level)
    candidates = ious.gather(0, torch.cat(nearest))
    threshold = candidates.mean(dim=0) + candidates.std(dim=0)
    near = distance_box_iou(every, boxes)
    return ((near >= share * threshold) & (near < threshold)).any(dim=1)
