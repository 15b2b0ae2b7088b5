"""Masked generative distillation (Yang et al., ECCV 2022)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_number

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


@MODELS.register_module()
class MGD(FeatureMethod):
    """From its own map with cells left out, the student generates the teacher's.

    Source: Zhendong Yang, Zhe Li, Mingqi Shao, Dachuan Shi, Zehuan Yuan, Chun Yuan. Masked
    Generative Distillation. ECCV 2022, equations 2 to 5. Defaults are those of two-stage detectors;
    2e-5 and 0.65 those of one-stage ones.

    Args:
        loss_weight: Their alpha, on the sum over channels and cells, averaged over images; >= 0, or
            a schedule.
        drop: Share of the cells that is left out, their lambda, in [0, 1].
        seed: Of the cells that are left out: they are a function of it, the step and the level.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        aligner: Changes or replaces the :class:`FeatureAligner`.
        loss: Changes or replaces the :class:`HintLoss`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 5e-7,
        drop: float = 0.45,
        seed: int = 0,
        levels: Sequence[Sequence[int]] | None = None,
        aligner: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        check_number('drop', drop, '[0, 1]')
        check_number('seed', seed, '>= 0', whole=True)
        adapter = dict(type='mmkd.ChannelAdapter')
        super().__init__(
            loss_weight,
            name,
            aligner=part(
                'aligner', aligner, type='mmkd.FeatureAligner', adapter=adapter, levels=levels
            ),
            loss=part('loss', loss, type='mmkd.HintLoss', reduction='sum'),
        )
        self.drop, self.seed = drop, seed

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Builds the adapters and one generator per level."""
        super().setup(student, teacher)
        widths = [teacher.features.channels[j] for _, j in self.pairs]
        self.generators = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for width in widths
        )

    def init_weights(self) -> None:
        """Draws adapters and generators anew."""
        super().init_weights()
        for module in self.generators.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()

    def kept(self, maps: Sequence[Tensor], batch: Batch) -> list[Tensor]:
        """The cells that stay, per level (B, 1, H, W) of 0 and 1."""
        found = []
        for level, features in enumerate(maps):
            generator = torch.Generator().manual_seed(self.seed + 1000 * batch.step + level)
            uniform = torch.rand(len(features), 1, *features.shape[2:], generator=generator)
            found.append((uniform <= 1 - self.drop).to(features, non_blocking=True))
        return found

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>``."""
        adapted, targets = self.aligned(student, teacher)
        kept = self.kept(adapted, batch)
        generated = [
            generator(own * keep)
            for generator, own, keep in zip(self.generators, adapted, kept, strict=True)
        ]
        return {f'loss_{self.name}': self.loss(student=generated, teacher=targets)}
