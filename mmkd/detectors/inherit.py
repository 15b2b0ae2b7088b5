"""Parts of the student that begin with the teacher's weights."""

from typing import Any

from mmengine.logging import MMLogger
from torch import nn

from mmkd.detectors.checkpoint_keys import misfit_report
from mmkd.fields import check_anchors
from mmkd.utils.errors import UserError

_BACKBONE = 'backbone'


def inherited_parts(setting: Any, model: Any) -> tuple[str, ...]:
    """Names of the student's parts that take over the teacher's weights.

    Args:
        setting: Names of parts, all of which must fit; True for those of neck and heads that do;
            False for none.
        model: The detector that distils, its student and teachers built.

    Raises:
        ValueError: The setting is neither, or contradicts others; a part is unknown, or its weights
            or anchors do not fit, names the first that differ; or none fits.
    """
    if setting is False or not model.pairs:
        return ()
    if setting is not True and (not isinstance(setting, (list, tuple)) or not setting):
        raise UserError(
            f"inherit must be True or a list of parts, e.g. ['neck', 'rpn_head'], got {setting!r}."
        )
    if model.student_checkpoint is not None:
        raise UserError(
            f'inherit={setting!r} and student.checkpoint={model.student_checkpoint!r} both say '
            'what the student begins with: leave one out.'
        )
    if len(model.pairs) > 1:
        raise UserError(
            f'inherit={setting!r}',
            f'takes one teacher, there are {list(model.pairs)}',
            'start from a file instead, student=dict(config=..., checkpoint=...)',
        )
    (pair,) = model.pairs.values()
    parts = _fitting(setting, model.student, pair)
    if _BACKBONE in parts and pair.converter is not None:
        MMLogger.get_current_instance().warning(
            "inherit: the backbone begins with weights for pixels that the teacher's "
            "data_preprocessor normalises otherwise than the student's."
        )
    return parts


def _fitting(setting: Any, student: nn.Module, pair: Any) -> tuple[str, ...]:
    known, misfits = parts_of(student), {}
    named = setting is not True
    wanted = list(setting) if named else [name for name in known if name != _BACKBONE]
    for name in wanted:
        if name not in known:
            raise UserError(f'inherit: the student has no part {name!r}, it has {known}.')
        if report := _misfit(name, student, pair.teacher.model, pair.factor):
            misfits[name] = report
    fitting = tuple(name for name in wanted if name not in misfits)
    if misfits and (named or not fitting):
        name, report = next(iter(misfits.items()))
        raise UserError(
            f"inherit: {name} of the student cannot take over the teacher's weights:\n{report}\n"
            'Give both parts one form, or leave it out.'
        )
    return fitting


def parts_of(detector: nn.Module) -> list[str]:
    """Names of a detector's parts that have weights."""
    parts = detector.named_children()
    return [name for name, part in parts if any(True for _ in part.parameters())]


def _misfit(name: str, student: nn.Module, teacher: nn.Module, factor: int) -> str:
    own, other = getattr(student, name), getattr(teacher, name, None)
    if not isinstance(other, nn.Module):
        return f'  the teacher has no {name}'
    report = misfit_report(own.state_dict(), other.state_dict(), 'student', 'teacher')
    if not report and all(getattr(head, 'prior_generator', None) for head in (own, other)):
        try:
            check_anchors(name, own, other, factor)
        except UserError as error:
            return f'  {error}'
    return report


def inherits_classes(model: Any) -> bool:
    """Whether weights that are taken over are of a class list, so that both sides need one."""
    parts = (getattr(model.student, name) for name in model.inherits)
    counts = (getattr(module, 'num_classes', None) for part in parts for module in part.modules())
    return any((count or 1) > 1 for count in counts)


def inherit(model: Any) -> None:
    """Copies the teacher's weights and buffers of the inherited parts, and says so."""
    parts, student = model.inherits, model.student
    if not parts:
        return
    (teacher,) = model.teachers.values()
    for name in parts:
        getattr(student, name).load_state_dict(getattr(teacher.model, name).state_dict())
    others = ', '.join(name for name in parts_of(student) if name not in parts)
    MMLogger.get_current_instance().info(
        f"inherit: begins with the teacher's weights: {', '.join(parts)}; with the student's own: "
        f'{others or "nothing"}'
    )
