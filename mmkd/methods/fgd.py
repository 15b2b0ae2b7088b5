"""Focal and global distillation (Yang et al., CVPR 2022)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.losses.functional import (
    box_masks,
    constant,
    focal_errors,
    global_avg_factor,
    product,
    squared_difference,
)
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_number

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


class GlobalContext(nn.Module):
    """R(F) = F + W_v2 ReLU(LN(W_v1 sum_j softmax_j(W_k F) F_j)), one context an image.

    Args:
        channels: C of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = max(channels // 2, 1)
        self.key = nn.Conv2d(channels, 1, 1)
        self.transform = nn.Sequential(
            nn.Conv2d(channels, half, 1), nn.LayerNorm([half, 1, 1]), nn.ReLU(),
            nn.Conv2d(half, channels, 1),
        )  # fmt: skip
        self.init_weights()

    def init_weights(self) -> None:
        """Begins as the identity: the last layer is 0."""
        self.key.reset_parameters()
        for parameter in self.transform[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        shares = self.key(features).flatten(2).softmax(dim=2)  # (B, 1, H W)
        context = product(features.flatten(2), shares.transpose(1, 2))  # (B, C, 1)
        return features + self.transform(context[..., None])


@MODELS.register_module()
class FGD(FeatureMethod):
    """Objects and background apart, where the teacher looks, and the relations of all cells.

    Source: Zhendong Yang, Zhe Li, Xiaohu Jiang, Yuan Gong, Zehuan Yuan, Danpei Zhao, Chun Yuan.
    Focal and Global Knowledge Distillation for Detectors. CVPR 2022, equations 2 to 12. Defaults
    are those of two-stage detectors; ``docs/methods/fgd.md`` has the others.

    Args:
        alpha: Weight of the errors inside the boxes, >= 0.
        beta: Weight of those outside, >= 0.
        gamma: Weight of the distance of the attention maps, >= 0.
        relation: Weight of the global part, their lambda, >= 0; 0 leaves it out.
        temperature: T of the attention > 0.
        loss_weight: Factor on all parts, >= 0, or a schedule.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        aligner: Changes or replaces the :class:`FeatureAligner`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        alpha: float = 5e-5,
        beta: float = 2.5e-5,
        gamma: float = 5e-5,
        relation: float = 5e-7,
        temperature: float = 0.5,
        loss_weight: ScheduleSetting = 1.0,
        levels: Sequence[Sequence[int]] | None = None,
        aligner: dict | None = None,
        name: str | None = None,
    ) -> None:
        weights = dict(alpha=alpha, beta=beta, gamma=gamma, relation=relation)
        for key, weight in weights.items():
            check_number(key, weight, '>= 0')
        check_number('temperature', temperature, '> 0')
        adapter = dict(type='mmkd.ChannelAdapter')
        super().__init__(
            loss_weight,
            name,
            aligner=part(
                'aligner', aligner, type='mmkd.FeatureAligner', adapter=adapter, levels=levels
            ),
            loss=dict(type='mmkd.HintLoss', reduction='sum'),  # of the global part
        )
        self.weights_of_parts = weights
        self.temperature = temperature

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Builds the adapters, and the global context of each side and level."""
        super().setup(student, teacher)
        widths = [teacher.features.channels[j] for _, j in self.pairs]
        if self.weights_of_parts['relation']:
            self.own_context, self.teacher_context = (
                nn.ModuleList(GlobalContext(width) for width in widths) for _ in range(2)
            )

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>_fg``, ``_bg``, ``_at`` and ``_rel``."""
        adapted, targets = self.aligned(student, teacher)
        parts: list[list[Tensor]] = [[], [], [], []]
        for level, (own, target) in enumerate(zip(adapted, targets, strict=True)):
            target, size = target.detach(), target.shape[-2:]
            image_size = [count * self.strides[level] for count in size]
            masks = box_masks(batch.gt_bboxes, size, image_size)
            focal = focal_errors(own, target, *masks, self.temperature)
            for total, value in zip(parts, focal, strict=False):
                total.append(value)
            if self.weights_of_parts['relation']:
                related = self.own_context[level](own), self.teacher_context[level](target)
                parts[3].append(squared_difference(*related).sum(dim=(1, 2, 3)))
        images = global_avg_factor(constant(len(parts[0][0]), parts[0][0]))
        return {
            f'loss_{self.name}_{key}': self.loss_weight * weight * torch.stack(total).sum() / images
            for (weight, key), total in zip(
                zip(self.weights_of_parts.values(), ('fg', 'bg', 'at', 'rel'), strict=True),
                parts,
                strict=True,
            )
            if total
        }
