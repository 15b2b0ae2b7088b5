"""Ground truth and the detections of several models, side by side on the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torchvision.ops import box_iou

from ..utils.errors import UserError
from .style import (
    BLUE,
    GREEN,
    PURPLE,
    VERMILION,
    add_boxes,
    add_labels,
    legend_below,
    new_figure,
    show_image,
)

_HIT_IOU = 0.5
_TITLE = 0.42  # inches of a title of two lines
_DASHED, _DOTTED = (0, (4, 2)), (0, (1, 1))


@dataclass(frozen=True)
class Boxes:
    """Boxes of one image, found or annotated."""

    bboxes: np.ndarray  # (N, 4) xyxy pixels of the original image
    labels: np.ndarray  # (N,) class indices
    scores: np.ndarray | None = None  # (N,) in [0, 1]; None for ground truth
    ignored: np.ndarray | None = None  # (N,) bool: difficult or crowd; None where there are none

    @property
    def left_out(self) -> np.ndarray:
        """(N,) bool: ``ignored``, False where nothing is."""
        return np.zeros(len(self.labels), bool) if self.ignored is None else self.ignored


def match_detections(
    found: Boxes, truth: Boxes, iou_thr: float = _HIT_IOU
) -> tuple[np.ndarray, np.ndarray]:
    """Which detections are right, by the rule of the VOC devkit.

    In order of score each detection takes the box of its class that it overlaps most, from an IoU
    of ``iou_thr`` on; a box that is taken counts no second time.

    Returns:
        ``verdict`` of D detections, (D,): 1 a hit, 0 false, -1 neither, because its box is ignored;
        and ``missed`` (G,) bool: boxes, not ignored, that no detection hit.
    """
    count, ignored = len(truth.labels), truth.left_out.astype(bool)
    verdict, taken = np.zeros(len(found.labels), int), np.zeros(count, bool)
    overlaps = box_iou(_tensor(found.bboxes), _tensor(truth.bboxes)).numpy()  # (D, G)
    scores = np.zeros(len(found.labels)) if found.scores is None else found.scores
    for i in np.argsort(-scores, kind='stable'):
        overlap = np.where(truth.labels == found.labels[i], overlaps[i], -1)
        best = int(overlap.argmax()) if count else 0
        if not count or overlap[best] < iou_thr:
            continue
        if ignored[best]:
            verdict[i] = -1
        elif not taken[best]:
            verdict[i], taken[best] = 1, True
    return verdict, ~taken & ~ignored


def draw_detections(
    images: Sequence[np.ndarray],
    truths: Sequence[Boxes],
    columns: Mapping[str, Sequence[Boxes]],
    class_names: Sequence[str],
    score_thr: float = 0.3,
) -> Figure:
    """One row an image, (H, W, 3) uint8 RGB: its ground truth, then a column a model.

    ``columns`` has the detections of each image by the model's name, of which those below
    ``score_thr`` are left out; ``class_names`` are those of the labels. A name that would cover
    another, of a higher score, is left out.

    Raises:
        ValueError: A column has not as many entries as there are images.
    """
    for name, found in columns.items():
        if len(found) != len(images):
            raise UserError(f'{name} has detections of {len(found)} images, not {len(images)}.')
    width = 2.9
    heights = [width * image.shape[0] / image.shape[1] + _TITLE for image in images]
    figure = new_figure(width * (len(columns) + 1), sum(heights) + 0.4)
    panels = figure.subplots(len(images), len(columns) + 1, squeeze=False, height_ratios=heights)
    for row, (image, truth) in enumerate(zip(images, truths, strict=True)):
        _draw_truth(panels[row, 0], image, truth, class_names)
        for axes, (name, found) in zip(panels[row, 1:], columns.items(), strict=True):
            _draw_found(axes, image, name, _above(found[row], score_thr), truth, class_names)
    handles = [
        Line2D([], [], color=GREEN, label='ground truth (dotted: missed)'),
        Line2D([], [], color=BLUE, label=f'right (IoU >= {_HIT_IOU}, score >= {score_thr})'),
        Line2D([], [], color=VERMILION, linestyle=_DASHED, label='wrong'),
        Line2D([], [], color=PURPLE, linestyle=_DASHED, label='difficult: not counted'),
    ]
    legend_below(figure, 4, handles=handles)
    return figure


def _draw_truth(axes: Axes, image: np.ndarray, truth: Boxes, names: Sequence[str]) -> None:
    ignored = truth.left_out
    show_image(axes, image, f'ground truth: {int((~ignored).sum())} objects')
    for part, colour, line in ((~ignored, GREEN, '-'), (ignored, PURPLE, _DASHED)):
        add_boxes(axes, truth.bboxes[part], colour, line)
    labels = [names[label] for label in truth.labels]
    add_labels(axes, truth.bboxes, labels, np.where(ignored, PURPLE, GREEN).tolist())


def _draw_found(
    axes: Axes, image: np.ndarray, title: str, found: Boxes, truth: Boxes, names: Sequence[str]
) -> None:
    verdict, missed = match_detections(found, truth)
    counts = f'{(verdict == 1).sum()} right, {(verdict == 0).sum()} wrong, {missed.sum()} missed'
    show_image(axes, image, f'{title}\n{counts}')
    add_boxes(axes, truth.bboxes[missed], GREEN, _DOTTED)
    scores = np.ones(len(found.labels)) if found.scores is None else found.scores
    looks = {-1: (PURPLE, _DASHED), 0: (VERMILION, _DASHED), 1: (BLUE, '-')}
    for value, look in looks.items():
        add_boxes(axes, found.bboxes[verdict == value], *look)
    order = np.argsort(-scores, kind='stable')
    labels = [f'{names[found.labels[i]]} {scores[i]:.2f}' for i in order]
    add_labels(axes, found.bboxes[order], labels, [looks[verdict[i]][0] for i in order])


def _above(found: Boxes, score_thr: float) -> Boxes:
    if found.scores is None:
        return found
    kept = found.scores >= score_thr
    return Boxes(found.bboxes[kept], found.labels[kept], found.scores[kept])


def _tensor(boxes: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)
