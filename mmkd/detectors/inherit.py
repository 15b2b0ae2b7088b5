"""Parts of the student that begin with the teacher's weights."""

from collections.abc import Sequence

from mmengine.logging import MMLogger
from torch import nn

from mmkd.detectors.checkpoint_keys import misfit_report
from mmkd.fields import check_anchors
from mmkd.utils.errors import UserError

_BACKBONE = 'backbone'


def inherited_parts(
    setting: bool | Sequence[str], student: nn.Module, teacher: nn.Module, factor: int = 1
) -> tuple[str, ...]:
    """Names of the student's parts that take over the teacher's weights.

    Args:
        setting: Names of parts, all of which must fit; or True for those of neck and heads that do.
        student: The student.
        teacher: The teacher.
        factor: Side of the teacher's images over that of the student's.

    Raises:
        ValueError: A part is unknown, or its weights or anchors do not fit; names the first that
            differ. Or none fits.
    """
    named = setting is not True
    if named and (not isinstance(setting, (list, tuple)) or not setting):
        raise UserError(
            f"inherit must be True or a list of parts, e.g. ['neck', 'rpn_head'], got {setting!r}."
        )
    known = parts_of(student)
    wanted = list(setting) if named else [name for name in known if name != _BACKBONE]
    misfits = {}
    for name in wanted:
        if name not in known:
            raise UserError(f'inherit: the student has no part {name!r}, it has {known}.')
        if report := _misfit(name, student, teacher, factor):
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


def knows_classes(part: nn.Module) -> bool:
    """Whether the weights of a part are of a class list, so that both sides need one."""
    return any((getattr(module, 'num_classes', None) or 1) > 1 for module in part.modules())


def inherit(parts: Sequence[str], student: nn.Module, teacher: nn.Module) -> None:
    """Copies the teacher's weights and buffers of these parts to the student, and says so."""
    for name in parts:
        getattr(student, name).load_state_dict(getattr(teacher, name).state_dict())
    others = ', '.join(name for name in parts_of(student) if name not in parts)
    MMLogger.get_current_instance().info(
        f"inherit: begins with the teacher's weights: {', '.join(parts)}; with the student's own: "
        f'{others or "nothing"}'
    )
