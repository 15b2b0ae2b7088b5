"""The range of the teacher's features, and a step to quantize them with."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import torch
from mmengine.config import Config
from rich.table import Table
from torch import Tensor

from mmkd.distiller import Distiller, PairLike
from mmkd.engine.diagnose.sample import begin, training_batches
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries

_PERCENTILES = (1, 50, 99)
_VALUES = 100_000
"""Values of a level and batch that percentiles are read off, evenly spread over them."""
_INTERVALS = 10
"""Steps between 0 and the 99th percentile of |f|: a step of 1 on a map of 0 to 10."""


@dataclass(frozen=True)
class FeatureRange:
    """One level of the teacher's features on a sample of the training split.

    Attributes:
        stride: Pixels a cell.
        percentiles: Of the values, by percent.
        large: 99th percentile of the absolute values.
        negative: Share of values below 0.
        zero: Share of values that the suggested step rounds to 0.
    """

    stride: int
    channels: int
    minimum: float
    maximum: float
    percentiles: dict[int, float]
    large: float
    negative: float
    zero: float


@dataclass(frozen=True)
class Calibration:
    """What a teacher's features suggest.

    Attributes:
        step: A tenth of the mean over levels of the 99th percentile of |f|, to one digit.
        signed: Whether a level has negative values.
        levels: Those that the config compares, in the teacher's order.
        images: How many were looked at.
    """

    step: float
    signed: bool
    levels: list[FeatureRange]
    images: int

    def as_dict(self) -> Entries:
        """Plain values, for JSON."""
        return asdict(self)


@torch.no_grad()
def calibrate(
    cfg: Config,
    num: int = 64,
    device: str = 'cpu',
    track: Callable[[list[dict]], Iterable[dict]] = iter,
) -> Calibration:
    """Runs the teacher of a distillation config over images of its training split.

    Args:
        cfg: The whole config.
        num: Images, about; at most eight batches, evenly spread over the split.
        device: Where to run.
        track: Gives the batches one by one, and may show how far they are.

    Raises:
        ValueError: The config distils nothing, or the teacher's checkpoint does not fit.
        FileNotFoundError: There is no such checkpoint.
    """
    model, pair, batches = teacher_and_batches(cfg, num, device)
    if len(model.pairs) > 1:
        raise UserError(
            f'the config has the teachers {list(model.pairs)}: features are calibrated of one, so '
            'leave the others out of model.teacher.'
        )
    seen: list[list[Tensor]] = []
    for batch in track(batches):
        maps = teacher_maps(pair, batch)
        seen.append([maps[level] for level in compared_levels(model, len(maps))])
    images = sum(len(batch['inputs']) for batch in batches)
    side = batches[0]['inputs'].shape[-1]
    return summarise(list(zip(*seen, strict=True)), side, images)


def teacher_and_batches(
    cfg: Config, num: int, device: str
) -> tuple[Distiller, PairLike, list[dict]]:
    """The model of a config, its first teacher with its weights, and batches to look at.

    Raises:
        ValueError, FileNotFoundError: As :func:`calibrate`.
    """
    begin(cfg)
    if num < 1:
        raise UserError(f'--num must be >= 1, got {num}.')
    model = MODELS.build(cfg.model)
    pair = next(iter(model.pairs.values()))
    pair.teacher.load()
    model.to(device)
    return model, pair, training_batches(cfg, model, num)


def compared_levels(model: Distiller, number: int) -> list[int]:
    """Those of the teacher's ``number`` levels that methods read proposals on, else all."""
    levels = {
        level
        for part in model.distill.modules()
        if 'proposals' in getattr(part, 'student_fields', ())
        for _, level in part.pairs
    }
    return sorted(levels) or list(range(number))


def teacher_maps(pair: PairLike, batch: dict) -> list[Tensor]:
    """What the teacher's heads see of a batch, per level (B, C, H, W) float32 on the CPU."""
    inputs = pair.pixels(batch['inputs'], [sample.metainfo for sample in batch['data_samples']])
    return [level.float().cpu() for level in pair.teacher.model.extract_feat(inputs)]


def summarise(levels: Sequence[Sequence[Tensor]], side: int, images: int) -> Calibration:
    """Ranges of maps, per level and batch (B, C, H, W), of images ``side`` pixels wide."""
    values = [torch.cat([_thinned(batch) for batch in level]) for level in levels]
    large = [float(found.abs().quantile(0.99)) for found in values]
    step = _one_digit(sum(large) / len(large) / _INTERVALS)
    ranges = []
    for maps, found, high in zip(levels, values, large, strict=True):
        total = sum(batch.numel() for batch in maps)
        quantiles = found.quantile(torch.tensor([p / 100 for p in _PERCENTILES])).tolist()
        ranges.append(
            FeatureRange(
                stride=round(side / maps[0].shape[-1]),
                channels=maps[0].shape[1],
                minimum=min(float(batch.min()) for batch in maps),
                maximum=max(float(batch.max()) for batch in maps),
                percentiles=dict(zip(_PERCENTILES, quantiles, strict=True)),
                large=high,
                negative=sum(int((batch < 0).sum()) for batch in maps) / total,
                zero=sum(int((batch.abs() <= step / 2).sum()) for batch in maps) / total,
            )
        )
    return Calibration(step, any(level.negative > 0 for level in ranges), ranges, images)


def _thinned(maps: Tensor) -> Tensor:
    return maps.flatten()[:: max(maps.numel() // _VALUES, 1)]


def _one_digit(value: float) -> float:
    """The number of one significant digit that is nearest; 1 for a map that is 0 everywhere."""
    return 1.0 if value <= 0 else round(value, -math.floor(math.log10(value)))


def render(calibration: Calibration, name: str) -> Table:
    """The ranges as a table, under the config's name."""
    table = Table(
        title=f'{name}: features of the teacher on {calibration.images} training images',
        caption=f'suggested: step={calibration.step:g}, signed={calibration.signed}; zero: share '
        'of values that this step rounds to 0',
    )
    columns = ['stride', 'min', *(f'{p}%' for p in _PERCENTILES), 'max', '|f| 99%']
    for column in [*columns, 'f < 0', 'zero']:
        table.add_column(column, justify='right', no_wrap=True)
    for level in calibration.levels:
        numbers = [level.minimum, *level.percentiles.values(), level.maximum, level.large]
        table.add_row(
            str(level.stride),
            *(f'{number:.3g}' for number in numbers),
            f'{level.negative:.1%}',
            f'{level.zero:.1%}',
        )
    return table
