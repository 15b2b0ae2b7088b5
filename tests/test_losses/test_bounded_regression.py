import pytest
import torch

from mmkd.losses import TeacherBoundedLoss
from tests.references.chen2017 import bounded_row

# methods.md, section 8, y = 0: squared errors of the student (1.25, 0.05), teacher (0.5, 0.25).
STUDENT = torch.tensor([[1.0, 0, 0, 0.5], [0.2, 0.1, 0, 0]]).double()
TEACHER = torch.tensor([[0.5, 0.5, 0, 0], [0, 0.4, 0.3, 0]]).double()


def loss(student=STUDENT, teacher=TEACHER, target=None, avg_factor=1.0, margin=0.0, nu=1.0):
    target = torch.zeros_like(student) if target is None else target
    return TeacherBoundedLoss(margin, nu)(
        student=student, teacher=teacher, target=target, avg_factor=avg_factor
    )


@pytest.mark.parametrize('margin, expected', [(0.0, 1.25), (0.25, 1.3)])
def test_the_worked_example(margin, expected):
    assert loss(margin=margin).item() == pytest.approx(expected, abs=1e-6)


def test_the_worked_example_beside_smooth_l1():
    hard = torch.nn.functional.smooth_l1_loss(STUDENT, STUDENT * 0, reduction='sum')
    whole = hard / 4 + loss(avg_factor=4.0, nu=0.5)
    assert whole.item() == pytest.approx(0.318750, abs=1e-6)


@pytest.mark.parametrize('margin', [0.0, 0.7])
def test_equals_the_formula_in_loops(margin):
    generator = torch.Generator().manual_seed(0)
    student, teacher, target = (torch.randn(20, 4, generator=generator).double() for _ in range(3))
    rows = [
        bounded_row(s, t, y, margin)
        for s, t, y in zip(student.numpy(), teacher.numpy(), target.numpy(), strict=True)
    ]
    assert 0 in rows and sum(rows) > 0
    value = loss(student, teacher, target, 50.0, margin, 0.5).item()
    assert value == pytest.approx(0.5 * sum(rows) / 50, abs=1e-6)


def test_a_student_exactly_the_margin_ahead_pays_nothing():
    # Student 1, teacher 1.25 + 0: 1 + 0.25 > 1.25 is false.
    student, teacher = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[1.0, 0.5, 0, 0]])
    assert loss(student, teacher, margin=0.25) == 0
    assert loss(student, teacher, margin=0.26) == 1


def test_a_student_that_equals_the_teacher_pays_nothing_without_a_margin():
    assert loss(TEACHER, TEACHER) == 0 and loss(TEACHER, TEACHER, margin=0.1) > 0


def test_gradient_takes_the_gate_as_constant():
    student = STUDENT.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s), student)
    loss(student).backward()
    torch.testing.assert_close(student.grad, 2 * STUDENT * torch.tensor([[1.0], [0]]))


def test_no_row_gives_a_zero_that_backpropagates():
    student = torch.zeros(0, 4, requires_grad=True)
    value = loss(student, TEACHER[:0], avg_factor=0.0)
    value.backward()
    assert value == 0 and student.grad is not None


def test_no_gradient_reaches_the_teacher():
    teacher = TEACHER.clone().requires_grad_()
    loss(STUDENT.clone().requires_grad_(), teacher).backward()
    assert teacher.grad is None


def test_half_precision_deltas_are_squared_in_single():
    # 300^2 overflows float16 (65504).
    student = torch.full((1, 4), 300.0, dtype=torch.float16)
    value = loss(student, torch.zeros_like(student))
    assert value == 4 * 90000 and value.dtype == torch.float32


@pytest.mark.parametrize(
    'kwargs, message',
    [({'margin': -1}, 'margin must be >= 0, got -1'), ({'nu': -1}, 'loss_weight must be >= 0')],
)
def test_bad_constants_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        loss(**kwargs)


def test_a_shape_that_would_broadcast_is_refused():
    with pytest.raises(ValueError, match='teacher must have the shape of student'):
        loss(teacher=TEACHER[:1])
