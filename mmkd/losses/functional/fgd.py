"""Focal and global distillation: Yang et al., CVPR 2022.

Letters: B images, C channels, H x W cells, G boxes of an image.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .reduction import constant, squared_difference, wide


def focal_attention(features: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """A^S = H W softmax over the cells of mean_c |F| / T, A^C = C softmax of the channels' means.

    (B, C, H, W), T > 0 -> (B, H, W) and (B, C) in float32 or wider; means of 1.
    """
    sizes = wide(features).abs()
    images, channels, *cells = sizes.shape
    spatial = (sizes.mean(dim=1).flatten(1) / temperature).softmax(dim=1) * sizes[0, 0].numel()
    by_channel = (sizes.mean(dim=(2, 3)) / temperature).softmax(dim=1) * channels
    return spatial.view(images, *cells), by_channel


def box_masks(
    boxes: Sequence[Tensor], size: Sequence[int], image_size: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Weights of the cells inside and outside the boxes, so that each box counts by its mean.

    A box covers the cells floor(x1 W / w) .. ceil(x2 W / w), rows alike, both included; each gets
    one over their number, the largest of several boxes. Outside it is one over the cells outside.

    Boxes are (G, 4) xyxy pixels of each image; a map of ``size`` (H, W) covers ``image_size``,
    (height, width) -> foreground and background, (B, H, W) each, float32 or wider.
    """
    height, width = size
    scale = constant([width / image_size[1], height / image_size[0]] * 2, wide(boxes[0]))
    rows, columns = (torch.arange(count, device=scale.device) for count in size)
    inside = []
    for image in boxes:
        scaled = wide(image) * scale  # (G, 4)
        x1, y1 = scaled[:, 0].floor(), scaled[:, 1].floor()
        x2, y2 = scaled[:, 2].ceil(), scaled[:, 3].ceil()
        x1, x2 = x1.clamp(0, width - 1), x2.clamp(0, width - 1)
        y1, y2 = y1.clamp(0, height - 1), y2.clamp(0, height - 1)
        covered = ((rows >= y1[:, None]) & (rows <= y2[:, None]))[:, :, None] & (
            (columns >= x1[:, None]) & (columns <= x2[:, None])
        )[:, None]  # (G, H, W)
        shares = covered / ((x2 - x1 + 1) * (y2 - y1 + 1))[:, None, None]
        empty = shares.new_zeros(1, height, width)
        inside.append(torch.cat([empty, shares]).amax(dim=0))
    foreground = torch.stack(inside)
    outside = (foreground == 0).to(foreground.dtype)
    return foreground, outside / outside.sum(dim=(1, 2), keepdim=True).clamp(min=1)


def focal_errors(
    student: Tensor, teacher: Tensor, foreground: Tensor, background: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each image: the weighted squared errors inside and outside the boxes, and the attentions'.

    Maps (B, C, H, W), weights (B, H, W) of :func:`box_masks`, T > 0 -> (B,) each.
    """
    spatial, channel = focal_attention(teacher, temperature)
    own_spatial, own_channel = focal_attention(student, temperature)
    error = (squared_difference(student, teacher) * channel[:, :, None, None]).sum(dim=1)
    inside, outside = (
        (error * spatial * mask).sum(dim=(1, 2)) for mask in (foreground, background)
    )
    attention = (spatial - own_spatial).abs().sum(dim=(1, 2)) + (channel - own_channel).abs().sum(1)
    return inside, outside, attention
