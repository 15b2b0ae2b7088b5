"""Boxes of one image that nearly coincide, in memory linear in their number."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torchvision.ops import box_iou, nms

from .records import Box

_NEAR = 0.9  # IoU
_BLOCK = 64


def near_duplicates(boxes: Sequence[Box], one: int) -> Iterator[tuple[Box, Box, float, int]]:
    """Groups of boxes of one class that are nearly equal.

    From left to right, a box joins the first group whose founder it is near to, or founds one: the
    founders are what suppression of all that is near to them leaves. So every near pair leads to a
    group, and of many boxes that coincide each is compared with few.

    No two boxes may be equal; ``one`` is what an inclusive width adds to the difference of corners.

    Yields:
        The founder of a group, its second box, their IoU, and how many others there are.
    """
    corners = torch.tensor([box.corners for box in boxes], dtype=torch.float64).view(-1, 4)
    corners[:, 2:] += one
    sides = corners[:, 2:] - corners[:, :2]
    sound = (sides.isfinite() & (sides > 0)).all(dim=1)
    names = np.array([box.name for box in boxes])
    for name in dict.fromkeys(names[sound.numpy()].tolist()):
        own = torch.from_numpy(names == name) & sound
        order = own.nonzero().squeeze(1)
        order = order[corners[order, 0].argsort(stable=True)]
        ranks = torch.arange(len(order), 0, -1, dtype=torch.float64)
        founders = nms(corners[order], ranks, math.nextafter(_NEAR, 0))
        rest = torch.ones(len(order), dtype=torch.bool)
        rest[founders] = False
        groups: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for block in order[rest].split(_BLOCK):
            ious = box_iou(corners[block], corners[order[founders]])  # (B, F)
            first = (ious >= _NEAR).float().argmax(dim=1)
            iou = ious.gather(1, first[:, None]).squeeze(1)
            chosen = zip(order[founders][first].tolist(), block.tolist(), iou.tolist(), strict=True)
            for founder, member, overlap in chosen:
                groups[founder].append((member, overlap))
        for founder, ((second, overlap), *others) in groups.items():
            yield boxes[founder], boxes[second], overlap, len(others)
