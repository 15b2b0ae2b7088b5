"""Boxes of one image that nearly coincide, in memory linear in their number."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .records import Box

_NEAR = 0.9  # IoU
_APART = 1 / _NEAR - 1 + 1e-9
"""How far two near boxes can begin apart, as a share of the side of either; and rounding."""
_BLOCK = 64


def near_duplicates(boxes: Sequence[Box], one: int) -> Iterator[tuple[Box, Box, float, int]]:
    """Groups of boxes of one class that are nearly equal.

    From left to right, a box joins the first group whose founder it is near to, or founds one. So
    every near pair leads to a group, and of many boxes that coincide each is compared with few.

    No two boxes may be equal; ``one`` is what an inclusive width adds to the difference of corners.

    Yields:
        The founder of a group, its second box, their IoU, and how many others there are.
    """
    corners = np.array([box.corners for box in boxes], dtype=np.float64).reshape(-1, 4).T.copy()
    corners[2:] += one
    _, names = np.unique([box.name for box in boxes], return_inverse=True)
    with np.errstate(over='ignore', invalid='ignore'):  # absurd numbers are findings elsewhere
        sides = corners[2:] - corners[:2]  # (2, N)
        sound = np.flatnonzero((np.isfinite(sides) & (sides > 0)).all(axis=0))
        order = sound[np.argsort(corners[0, sound], kind='stable')]
        founders = order[:0]
        groups: dict[int, list[int]] = {}
        for start in range(0, len(order), _BLOCK):
            block = order[start : start + _BLOCK]
            reach = (corners[0, block] - _APART * sides[0, block]).min()
            before = founders[np.searchsorted(corners[0, founders], reach) :]
            others = np.concatenate([before, block])
            near = _iou(corners[:, block, None], corners[:, others]) >= _NEAR  # (B, F + B)
            near &= names[block, None] == names[others]
            old, new = near[:, : len(before)], np.tril(near[:, len(before) :], k=-1)
            joins = np.asarray(old.any(axis=1))
            first = before[old.argmax(axis=1)] if len(before) else block.copy()
            for row in np.flatnonzero(~joins & new.any(axis=1)):  # each may join one before it
                hits = np.flatnonzero(new[row] & ~joins)
                if len(hits):
                    joins[row], first[row] = True, block[hits[0]]
            for founder, member in zip(first[joins].tolist(), block[joins].tolist(), strict=True):
                groups.setdefault(founder, []).append(member)
            founders = np.concatenate([founders, block[~joins]])
    for founder, (second, *rest) in groups.items():
        iou = float(_iou(corners[:, founder], corners[:, second]))
        yield boxes[founder], boxes[second], iou, len(rest)


def _iou(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """IoU of boxes whose four corners come first: (4, ...) and (4, ...) -> (...)."""
    ax1, ay1, ax2, ay2 = first
    bx1, by1, bx2, by2 = second
    common = np.maximum(np.minimum(ax2, bx2) - np.maximum(ax1, bx1), 0)
    common = common * (np.minimum(ay2, by2) - np.maximum(ay1, by1))  # below 0 where they are apart
    return common / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - common)
