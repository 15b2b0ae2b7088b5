"""How much boxes overlap, and the recall of proposals, whatever their class.

G truths and P proposals of one image, L limits, I IoU thresholds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def overlaps(first: Array, second: Array, *, over_union: bool = True, border: int = 0) -> Array:
    """IoU of boxes xyxy, (F, 4), (S, 4) -> (F, S), or the share of the first box's own area.

    With ``border`` 1 both border pixels count, so that a box from 0 to 9 is 10 wide.
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low + border, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2] + border).prod(axis=1) for boxes in (first, second)]
    whole = np.broadcast_to(areas[0][:, None], common.shape)
    if over_union:
        whole = whole + areas[1] - common
    return np.divide(common, whole, out=np.zeros_like(common), where=common > 0)


def proposal_recalls(
    truths: Sequence[Array],
    proposals: Sequence[Array],
    limits: Sequence[int],
    iou_thrs: Sequence[float] | Array,
) -> Array:
    """Share of truths that the first proposals of each image cover.

    Pairs of truth and proposal are made one to one, the highest IoU of an image first, as
    MMDetection's ``eval_recalls`` does. Truths (G, 4) and proposals (P, 4), the best first, are
    xyxy; the recall is that of each limit and IoU, (L, I), 0 where there is no truth at all.
    """
    thresholds = np.asarray(iou_thrs, dtype=np.float64)
    total = max(sum(len(boxes) for boxes in truths), 1)
    covered = np.zeros((len(limits), len(thresholds)))
    for boxes, proposed in zip(truths, proposals, strict=True):
        common = overlaps(boxes, proposed)
        for row, limit in enumerate(limits):
            best = _paired(common[:, :limit])
            covered[row] += (best[:, None] >= thresholds).sum(axis=0)
    return covered / total


def _paired(common: Array) -> Array:
    """(G, P) -> IoUs of the pairs, at most min(G, P), made from the highest on."""
    left = common.copy()
    pairs = np.zeros(min(left.shape))
    for index in range(len(pairs)):
        truth, proposal = np.unravel_index(left.argmax(), left.shape)
        pairs[index] = left[truth, proposal]
        left[truth], left[:, proposal] = -1, -1
    return pairs
