"""How strongly each method acted on the student, when, and in which direction."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from mmkd.engine.diagnose.check import Check, judge
from mmkd.engine.diagnose.sample import loaded_batches
from mmkd.methods import DistillMethod
from mmkd.visualization.curves import RunScalars

from .finished import FinishedRun, restore

_WEAK, _STRONG = 0.01, 10.0
_OPPOSED = -0.1
_LOOKS = 3


@dataclass(frozen=True)
class Influence:
    """One method over the training, against the task: the student's own losses.

    Attributes:
        method: The method, as it was at the last checkpoint.
        losses: Its loss over the task's, as logged, in each third of the training; NaN where
            nothing was logged.
        looks: By checkpoint the norm of its gradient over that of the task's, at the neck's
            outputs, and the cosine between the two.
    """

    method: DistillMethod
    losses: list[float]
    looks: dict[str, tuple[float, float]]


def measure_influence(
    run: FinishedRun, num: int, device: str, progress: Callable[[str], None]
) -> list[Influence]:
    """Reads the log, and looks at steps of about ``num`` images at up to three checkpoints."""
    chosen = np.linspace(0, len(run.checkpoints) - 1, _LOOKS).round().astype(int)
    seen: dict[str, dict[str, list[tuple[float, float]]]] = {}
    entries: dict[str, list[str]] = {}
    for checkpoint in [run.checkpoints[index] for index in sorted(set(chosen))]:
        model = restore(run, checkpoint, device).train()
        batches = loaded_batches(run.config, num)
        for index, batch in enumerate(batches, 1):
            progress(f'gradients at {checkpoint.stem}: batch {index} of {len(batches)}')
            probe = model.probe(batch)
            shares, cosines = probe.gradient_shares(), probe.gradient_cosines()
            for name, logged in probe.entries.items():
                entries[name] = logged
                look = shares[name] / (shares['task'] or np.nan), cosines[name]
                seen.setdefault(name, {}).setdefault(checkpoint.stem, []).append(look)
    every = {key for logged in entries.values() for key in logged}
    found = []
    for name, logged in entries.items():
        looks = {at: tuple(np.mean(values, axis=0).tolist()) for at, values in seen[name].items()}
        losses = _by_third(run.log, set(logged), every - set(logged))
        found.append(Influence(model.distill[name], losses, looks))
    return found


def _by_third(log: RunScalars, own: set[str], others: set[str]) -> list[float]:
    """Sums of a method's losses over those of the task, in thirds of the steps."""
    last = max((steps[-1] for steps, _ in log.train.values() if steps), default=0)
    sums = np.zeros((2, 3))
    for name, (steps, values) in log.train.items():
        if 'loss' in name and name not in {'loss', *others}:
            thirds = 3 * np.array(steps, int) // (last + 1)
            np.add.at(sums[int(name in own)], thirds, values)
    with np.errstate(invalid='ignore', divide='ignore'):
        return (sums[1] / sums[0]).tolist()


def influence_table(found: list[Influence]) -> Table:
    """A row a method: losses by third, then gradients and cosines by checkpoint."""
    table = Table(title='each method over the task (1: as much as the task)')
    for column in ('method', 'loss, by third', 'gradient at the neck', 'its cosine'):
        table.add_column(column)
    for one in found:
        losses = ' '.join(f'{loss:.3g}' for loss in one.losses)
        ratios = '\n'.join(f'{at}: {ratio:.3g}' for at, (ratio, _) in one.looks.items())
        cosines = '\n'.join(f'{cosine:+.2f}' for _, cosine in one.looks.values())
        table.add_row(one.method.name, losses, ratios, cosines)
    return table


def check_strength(one: Influence, fraction: float) -> Check:
    """A method whose loss was orders apart from the task's over the whole training."""
    mean = float(np.nan_to_num(np.nanmean(one.losses)))
    fine = mean == 0 or _WEAK <= mean <= _STRONG
    weight = one.method.loss_weight * fraction / (mean or 1)
    return judge(
        f'loss weight of {one.method.name}',
        fine,
        f'its loss is {mean:.2%} of the task loss over the training',
        f'loss_weight={weight:.3g} makes it {fraction:.0%}; or auto_scale=dict(fraction='
        f'{fraction:g})',
    )


def check_direction(one: Influence, run: FinishedRun) -> Check:
    """A method whose gradient opposes that of the task at the end."""
    at, (_, cosine) = list(one.looks.items())[-1]
    epochs = run.config.train_cfg.get('max_epochs')
    begin = round(2 * (epochs or run.config.train_cfg.get('max_iters', 0)) / 3)
    stop = f'begin={begin}' if epochs else f'begin={begin}, by_epoch=False'
    return judge(
        f'direction of {one.method.name}',
        cosine >= _OPPOSED,
        f'its gradient opposes that of the task at {at} (cosine {cosine:.2f})',
        f"stop it in the last third: loss_weight=[dict(type='constant', "
        f"value={one.method.loss_weight:g}), dict(type='stop', {stop})]",
    )
