"""Which student level is compared with which teacher level."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from ..utils.errors import UserError

LevelPairs = list[tuple[int, int]]


def pair_levels(
    student_strides: Sequence[int],
    teacher_strides: Sequence[int],
    levels: Sequence[Sequence[int]] | None = None,
    pairing: str | None = None,
) -> LevelPairs:
    """Pairs feature levels by stride, in the student's pixels, or as told by their indices.

    Args:
        student_strides: Of each student level.
        teacher_strides: Of each teacher level.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        pairing: Of a teacher on larger images: ``'shift'`` pairs equal strides and leaves others
            alone (several maps of one stride in their order), ``'upsample'`` equal indices.

    Raises:
        ValueError: The stride lists differ and ``levels`` is not given, or an index does not exist.
    """
    lists = f'student strides {list(student_strides)}, teacher strides {list(teacher_strides)}'
    if levels is None and pairing == 'shift':
        return _common(student_strides, teacher_strides, lists)
    if levels is None:
        compared = len if pairing == 'upsample' else list
        if compared(student_strides) != compared(teacher_strides):
            raise UserError(
                'The feature levels',
                f'differ: {lists}',
                'give both detectors the same levels, or pair them by hand with '
                'levels=[[student index, teacher index], ...]',
            )
        return [(i, i) for i in range(len(student_strides))]
    if isinstance(levels, str) or not isinstance(levels, Sequence):
        raise UserError(
            f'levels must be a list [[student index, teacher index], ...], got {levels!r}.'
        )
    pairs = []
    for pair in levels:
        if (
            not isinstance(pair, Sequence)
            or len(pair) != 2
            or not all(isinstance(index, int) for index in pair)
            or not (0 <= pair[0] < len(student_strides) and 0 <= pair[1] < len(teacher_strides))
        ):
            raise UserError(
                f'levels has {pair!r}, which is not a [student index, teacher index] of {lists}.'
            )
        pairs.append((int(pair[0]), int(pair[1])))
    if not pairs:
        raise UserError('levels', 'is empty', 'name at least one [student index, teacher index]')
    return pairs


def _common(student: Sequence[int], teacher: Sequence[int], lists: str) -> LevelPairs:
    pairs: LevelPairs = []
    for stride in sorted(set(student) & set(teacher)):
        of_student, of_teacher = (
            [i for i, s in enumerate(side) if s == stride] for side in (student, teacher)
        )
        if len(of_student) != len(of_teacher):
            raise UserError(
                "pairing='shift'",
                f'finds {len(of_student)} and {len(of_teacher)} levels of stride {stride}: {lists}',
                'pair them by hand with levels=[[student index, teacher index], ...]',
            )
        pairs += zip(of_student, of_teacher, strict=True)
    if not pairs:
        raise UserError(
            "pairing='shift'",
            f"finds no level of one stride in the student's pixels: {lists}",
            "use pairing='upsample', which compares levels of one index on the teacher's grid",
        )
    return pairs


def resize_like(student: Tensor, teacher: Tensor) -> Tensor:
    """The student's map on the teacher's grid, bilinear; itself where the grids agree.

    (B, C_S, H_S, W_S), (B, C_T, H_T, W_T) -> (B, C_S, H_T, W_T).
    """
    if student.shape[-2:] == teacher.shape[-2:]:
        return student
    return functional.interpolate(
        student, size=teacher.shape[-2:], mode='bilinear', align_corners=False
    )
