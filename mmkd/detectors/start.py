"""What the log says where a distillation starts: who teaches, what is compared, at which weight."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import MessageHub, MMLogger
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.fields import all_fields
from mmkd.observation import Seen
from mmkd.utils.hashes import file_hash
from mmkd.utils.types import Entries

from .teacher import Teacher

_STEPS = 50
_NEAR_ZERO = 1e-3
"""Mean size of a map's values below which nobody can learn from it."""


def announce(model: Any) -> None:
    """Logs a line each on teachers, level pairs, adapters, weights and what of a teacher runs.

    What the run's checkpoints then hold of each teacher, in MMEngine's message hub as ``teachers``,
    is its detector, file, SHA-256 and recorded metrics.

    A teacher that has fewer parameters than the student, or whose batch norms never saw an image,
    is warned of.

    Args:
        model: The :class:`DistillDetector`, its teachers loaded.
    """
    logger = MMLogger.get_current_instance()
    own = _count(model.student)
    described = {}
    for name, teacher in model.teachers.items():
        role, number = model.role(name), _count(teacher.model)
        weights = teacher.checkpoint or 'the weights of its config'
        described[role] = dict(
            detector=type(teacher.model).__name__,
            file=weights,
            sha256=file_hash(weights) if Path(weights).is_file() else None,
            metrics=teacher.metrics,
        )
        logged = ', '.join(f'{key} {value:.3f}' for key, value in teacher.metrics.items())
        logger.info(
            f'{role}: {weights}, {type(teacher.model).__name__} of {_millions(number)} parameters '
            f'(student: {type(model.student).__name__}, {_millions(own)}), '
            f'{logged or "no mAP"} recorded in the file'
        )
        if number < own:
            logger.warning(
                f'{role} has fewer parameters ({_millions(number)}) than the student '
                f'({_millions(own)}): are the two swapped? The student is what is trained and kept.'
            )
        if _never_trained(teacher.model):
            logger.warning(
                f'{role}: the batch norms of {weights} never saw an image: it seems to be '
                'untrained, and would teach noise.'
            )
    MessageHub.get_current_instance().update_info('teachers', described)
    methods = model.distill.values()
    pairs = {
        one.name: ', '.join(f'{i} with {j}' for i, j in one.pairs) for one in methods if one.pairs
    }
    logger.info(f"level pairs, student's with teacher's: {_listed(pairs)}")
    adapters = {one.name: _millions(_count(one)) for one in methods if _count(one)}
    logger.info(f'adapters, parameters that no export holds: {_listed(adapters)}')
    logger.info(f'weights: {_listed({one.name: _weight(one) for one in methods})}')
    known = all_fields()
    run = {
        model.role(name): ', '.join(
            known[field].words for field in sorted(model.reads(name)) if 'coder' not in field
        )
        for name in model.teachers
    }
    logger.info(f'what runs of a teacher in each step: {_listed(run)}')
    if not model.writes_student:
        logger.info(
            'the plain student of a checkpoint: mmkd export CHECKPOINT student.pth, or '
            "custom_hooks=[dict(type='mmkd.StudentHook')]"
        )


class FirstSteps:
    """Looks at the first iterations of a process: at a teacher's maps, and at the losses' sizes.

    Attributes:
        steps: How many were looked at.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._sums: dict[str, Tensor] = {}
        self._looked_at: set[str] = set()

    def look(
        self,
        task: Entries,
        by_method: Mapping[str, Mapping[str, Tensor]],
        seen: Seen,
        teachers: Mapping[str, Teacher],
    ) -> None:
        """Adds up a step's losses; says their sizes once, after fifty.

        Args:
            task: The student's losses.
            by_method: What each method says, by its name.
            seen: What they saw.
            teachers: Of the detector, by name; the maps of one are looked at when they are first
                computed.
        """
        if self.steps >= _STEPS:
            return
        for name, teacher in teachers.items():
            if name not in self._looked_at and 'features' in seen.teachers[name].computed:
                self._looked_at.add(name)
                _look_at_maps(teacher, seen.teachers[name].features)
        self.steps += 1
        for name, losses in dict(by_method, task=task).items():
            total = sum(_total(value) for key, value in losses.items() if 'loss' in key)
            self._sums[name] = self._sums.get(name, 0) + total
        if self.steps == _STEPS:
            task_loss = float(self._sums.pop('task'))
            if not task_loss:  # the methods train alone at first
                return
            shares = {name: float(loss) / task_loss for name, loss in self._sums.items()}
            parts = {name: f'{share:.3g}' for name, share in shares.items()}
            MMLogger.get_current_instance().info(
                f'distillation loss over task loss, mean of {_STEPS} iterations: '
                f'{sum(shares.values()):.3g} ({_listed(parts)})'
            )


def _look_at_maps(teacher: Teacher, maps: Iterable[Tensor]) -> None:
    sizes = [level.detach().abs().mean().item() for level in maps]
    if max(sizes) < _NEAR_ZERO:
        shown = ', '.join(f'{size:.1e}' for size in sizes)
        MMLogger.get_current_instance().warning(
            f'the maps of the teacher {teacher.checkpoint or teacher.source} are near zero (mean '
            f'size by level: {shown}): its file seems to be untrained.'
        )


def _total(value: Any) -> Any:
    """One loss, or one a level."""
    levels = value if isinstance(value, (list, tuple)) else [value]
    return sum(level.detach().float().mean() for level in levels)


def _never_trained(detector: nn.Module) -> bool:
    norms = [
        one for one in detector.modules() if isinstance(one, _BatchNorm) and one.track_running_stats
    ]
    return bool(norms) and all(
        (one.running_mean == 0).all()
        and (one.running_var == 1).all()
        # Caffe's ResNets have their statistics in the bias.
        and (one.bias is None or (one.bias == 0).all())
        for one in norms
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _millions(number: int) -> str:
    return f'{number / 1e6:.2f} M'


def _weight(method: Any) -> str:
    if method.auto_scale is not None:
        return 'chosen by auto_scale'
    return f'{method.loss_weight:g}' + ' at most, by a schedule' * (not method.schedule.constant)


def _listed(parts: Mapping[str, str]) -> str:
    return '; '.join(f'{name} {text}' for name, text in parts.items()) or 'none'
