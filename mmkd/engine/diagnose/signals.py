"""What methods compare at the start of training: scales, losses, masks, levels."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from mmkd.distiller import Distiller, Method, roles
from mmkd.observation import Batch, Observation

from .check import Check, State, judge

_MAX_SCALE = 100.0
_LOSS_RANGE = (0.01, 10.0)
_MASK_RANGE = (0.001, 0.9)


@dataclass
class Signals:
    """Means over the training batches.

    Attributes:
        roles: What messages call each teacher.
        scales: Root mean square of each level of ``features``, of ``'student'`` and each teacher.
        task: The student's own losses, added up.
        losses: Each method's, weighted with its ``loss_weight`` (a schedule's highest).
        cells: Per method with a mask: kept share of all cells.
        empty: Per method with a mask: share of the images with a box but without a kept cell.
        shifted: What is wrong with the levels that a method pairs.
    """

    methods: list[Method]
    roles: dict[str, str]
    scales: dict[str, list[float]] = field(default_factory=dict)
    task: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    cells: dict[str, float] = field(default_factory=dict)
    empty: dict[str, float] = field(default_factory=dict)
    shifted: dict[str, str] = field(default_factory=dict)


@torch.no_grad()
def watch_training(model: Distiller, batches: Sequence[dict]) -> Signals:
    """Runs the forward passes of training steps on preprocessed training batches."""
    model.train()
    methods = [method for method in model.distill.values() if method.active]
    seen = Signals(methods, roles(model))
    for batch in batches:
        step = model.observe(batch['inputs'], batch['data_samples'], also=['features'])
        seen.task += float(model.parse_losses(step.losses)[0]) / len(batches)
        for role, view in [('student', step.student), *((n, step.teachers[n]) for n in seen.roles)]:
            scales = torch.stack([level.float().square().mean().sqrt() for level in view.features])
            before = torch.tensor(seen.scales.get(role, [0.0] * len(scales)))
            seen.scales[role] = (before + scales.cpu() / len(batches)).tolist()
        for method in methods:
            _add_method(seen, method, step.by(method.teacher), len(batches))
    return seen


def _add_method(
    seen: Signals, method: Method, views: tuple[Observation, Observation, Batch], batches: int
) -> None:
    # forward, not the call: neither a schedule nor auto_scale shall change the number.
    found = method.forward(*views)
    size = sum(float(value) for key, value in found.items() if 'loss' in key)
    seen.losses[method.name] = seen.losses.get(method.name, 0.0) + size / batches
    _add_pairs(seen, method, *views[:2])
    if method.has_masks:
        masks = method.masks(*views)
        kept = sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)
        any_cell = torch.stack([mask.flatten(1).any(dim=1) for mask in masks]).any(dim=0).tolist()
        boxed = [any_cell[i] for i, boxes in enumerate(views[2].gt_bboxes) if len(boxes)]
        lost = boxed.count(False) / max(len(boxed), 1)
        for store, value in ((seen.cells, kept), (seen.empty, lost)):
            store[method.name] = store.get(method.name, 0.0) + value / batches


def _add_pairs(seen: Signals, method: Method, student: Observation, teacher: Observation) -> None:
    """Notes pairs of unequal size though the teacher has a level of the student's size."""
    if not method.pairs:
        return
    own, others = (
        [tuple(level.shape[-2:]) for level in getattr(side, method.stage)]
        for side in (student, teacher)
    )
    wrong = [
        f'student level {i} {own[i]} with teacher level {j} {others[j]}'
        for i, j in method.pairs
        if own[i] != others[j] and own[i] in others
    ]
    if wrong:
        seen.shifted[method.name] = ', '.join(wrong)


def check_levels(seen: Signals) -> Check:
    """Levels paired by hand, against the sizes of the maps."""
    text = '; '.join(f'{name} compares {what}' for name, what in seen.shifted.items())
    remedy = (
        'leave levels=... out of the method, so that levels are paired by stride, or name the '
        'teacher levels of the same stride'
    )
    right = 'each is compared with the one of its own stride'
    return judge('levels', not text, text or right, remedy)


def check_features(seen: Signals) -> list[Check]:
    """Root mean squares of the features, level by level; one check per teacher."""
    remedy = (
        "check the teacher's checkpoint and preprocessing; if both are right, set loss_weight as "
        'below, or auto_scale'
    )
    checks = []
    for name, role in seen.roles.items():
        first, second = seen.scales['student'], seen.scales[name]
        what = 'feature scales' if len(seen.roles) == 1 else f'feature scales of {role}'
        text = f'root mean square by level: student {_shown(first)}, teacher {_shown(second)}'
        pairs = zip(first, second, strict=False)
        fine = all(0 < b < a * _MAX_SCALE and a < b * _MAX_SCALE for a, b in pairs)
        apart = '' if fine else f': more than a factor of {_MAX_SCALE:g} apart'
        checks.append(judge(what, fine, text + apart, remedy))
    return checks


def check_weights(seen: Signals, fraction: float) -> list[Check]:
    """Each method's loss at the start over the task's, and the weight that makes it ``fraction``.

    A method with ``auto_scale`` chooses for itself, so its ratio is not a finding.
    """
    return [_check_weight(method, seen, fraction) for method in seen.methods]


def _check_weight(method: Method, seen: Signals, fraction: float) -> Check:
    own = seen.losses[method.name]
    ratio = own / seen.task
    name = f'loss weight of {method.name}'
    text = f'task {seen.task:.3g}, {method.name} {own:.3g}: {ratio:.3g} of the task'
    if not ratio > 0:
        remedy = 'look at what the method compares: its loss is 0 or not a number'
        return Check(name, State.FINDING, text, remedy)
    weight = f'loss_weight={method.loss_weight * fraction / ratio:.3g}'
    advice = f'{weight} makes it {fraction:g} of the task at the start'
    if method.auto_scale is not None:
        return Check(name, State.INFO, f'{text}; auto_scale will choose', advice)
    if _LOSS_RANGE[0] <= ratio <= _LOSS_RANGE[1]:
        return Check(name, State.OK, text, advice)
    remedy = f'{advice}, or auto_scale=dict(fraction={fraction:g})'
    return Check(name, State.FINDING, f'{text}, orders apart', remedy)


def check_masks(seen: Signals) -> list[Check]:
    """Kept cells of methods with an imitation mask."""
    low, high = _MASK_RANGE
    remedy = (
        'anchors and boxes do not fit, or psi is extreme: draw it with '
        'tools/visualize_imitation.py; set psi, or anchor_generator to the sizes of boxes'
    )
    return [
        judge(
            f'mask of {name}',
            low <= kept <= high and seen.empty[name] <= 0.5,
            f'{kept:.1%} of the cells are imitated; none in {seen.empty[name]:.0%} of the images '
            'with a box',
            remedy,
        )
        for name, kept in seen.cells.items()
    ]


def _shown(values: Sequence[float]) -> str:
    return ' '.join(f'{value:.3g}' for value in values)
