"""The field ``backbone``: the maps of its stages."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmkd.observation import MapsInfo, Observation
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector

from .field import DryRun, Field, Query, Recorder, as_tuple


def maps_info(
    maps: Sequence[Tensor],
    width: int,
    stated: Sequence[int] = (),
    finest_scale: float | None = None,
) -> MapsInfo:
    """Describes maps.

    Args:
        maps: What an image of ``width`` pixels gave.
        width: Of the image.
        stated: Strides of anchors, which count where they give maps of these widths: 300 pixels
            have 10 cells of 32 pixels, the last in the padding, and not of 30.
        finest_scale: See :class:`mmkd.observation.MapsInfo`; None: a side of 224 belongs to stride
            16 (Lin et al. 2017).
    """
    cells = [level.shape[-1] for level in maps]
    strides = tuple(round(width / count) for count in cells)
    if [math.ceil(width / stride) for stride in stated] == cells:
        strides = tuple(stated)
    return MapsInfo(
        channels=tuple(level.shape[1] for level in maps),
        strides=strides,
        rectified=tuple(bool((level >= 0).all()) for level in maps),
        finest_scale=float(14 * min(strides) if finest_scale is None else finest_scale),
    )


class Maps(Field):
    """Per level or stage (B, C, H, W); described by :class:`mmkd.observation.MapsInfo`."""

    def combine(self, values: Sequence[Any], names: Sequence[str]) -> tuple[Tensor, ...]:
        """The mean of the maps."""
        return tuple(torch.stack(level).mean(dim=0) for level in zip(*values, strict=True))

    def combine_info(self, infos: Sequence[MapsInfo], names: Sequence[str]) -> MapsInfo:
        """The description that all share."""
        kinds = {
            name: (info.channels, info.strides) for name, info in zip(names, infos, strict=True)
        }
        if len(set(kinds.values())) > 1:
            raise UserError(
                f"teacher='ensemble' averages the {self.words}, whose (channels, strides) differ: "
                f'{kinds}. Name one teacher.'
            )
        rectified = zip(*(info.rectified for info in infos), strict=True)
        return replace(infos[0], rectified=tuple(all(level) for level in rectified))


@FIELDS.register_module()
class Backbone(Maps):
    """Per stage (B, C, H, W)."""

    name = 'backbone'
    words = "backbone's stages"

    def offered(self, detector: Detector) -> bool:
        """Every detector with a ``backbone``."""
        return hasattr(detector, 'backbone')

    def describe(self, detector: Detector, run: DryRun) -> MapsInfo:
        """Channels and strides of the stages."""
        return maps_info(run.stages, run.width)

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps what the backbone returns first."""
        if recorder.once(self.name):
            recorder.on_forward(
                detector.backbone, lambda args, out: recorder.first(self.name, as_tuple(out))
            )

    def teacher(self, observation: Observation, query: Query) -> tuple[Tensor, ...]:
        """Runs the backbone."""
        return query.watched(self.name, as_tuple(query.model.backbone(query.pixels())))
