import pytest
import torch

from mmkd.losses import WeightedSoftLoss
from tests.references.chen2017 import hard_loss, sigmoid_row, soft_row

# methods.md, section 8: K = 2, the background is column 2, labels (0, background).
STUDENT = torch.tensor([[1.0, 0, 0], [0, 0, 2]]).double()
TEACHER = torch.tensor([[2.0, 0, 0], [0, 1, 2]]).double()


def loss(student=STUDENT, teacher=TEACHER, avg_factor=None, **kwargs):
    avg_factor = float(len(student)) if avg_factor is None else avg_factor
    return WeightedSoftLoss(**kwargs)(student=student, teacher=teacher, avg_factor=avg_factor)


def draw(rows, columns):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(rows, columns, generator=generator).double() for _ in range(2)]


def test_the_worked_example():
    soft = loss().item()
    hard = hard_loss(STUDENT.numpy(), [0, 2])
    assert soft == pytest.approx(0.917909, abs=1e-6)
    assert hard == pytest.approx(0.395495, abs=1e-6)
    assert 0.5 * hard + 0.5 * soft == pytest.approx(0.656702, abs=1e-6)


def test_the_worked_example_of_one_sigmoid_an_anchor():
    student, teacher = torch.tensor([[0.5], [-1.0]]), torch.tensor([[1.0], [-2.0]])
    value = loss(student.double(), teacher.double(), sigmoid=True).item()
    assert value == pytest.approx(0.654979, abs=1e-6)


@pytest.mark.parametrize('sigmoid', [False, True])
@pytest.mark.parametrize('temperature', [1.0, 3.0])
@pytest.mark.parametrize('weights', [None, [0.5, 1.0, 2.0, 3.0, 0.25]])
def test_equals_the_formula_in_loops(sigmoid, temperature, weights):
    student, teacher = draw(7, 4 if sigmoid else 5)
    value = loss(
        student, teacher, 6.0, sigmoid=sigmoid, temperature=temperature, class_weights=weights
    )
    table = [1.0] * 4 + [1.5] if weights is None else weights
    row = sigmoid_row if sigmoid else soft_row
    expected = sum(
        row(s, t, table, temperature) for s, t in zip(student.numpy(), teacher.numpy(), strict=True)
    )
    assert value.item() == pytest.approx(expected / 6, abs=1e-6)


@pytest.mark.parametrize('sigmoid', [False, True])
def test_gradient(sigmoid):
    student, teacher = draw(3, 4)
    student.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher, sigmoid=sigmoid), student)


def test_without_a_weight_a_student_that_equals_the_teacher_has_no_gradient():
    student = TEACHER.clone().requires_grad_()
    loss(student, TEACHER, background_weight=1.0).backward()
    assert student.grad.abs().max() < 1e-12


def test_the_weight_of_the_background_is_on_the_last_column():
    # Row 0 with P_T = (0, 0, 1) to machine precision: only w_bg * -log P_S of column 2 is left.
    student, teacher = torch.zeros(1, 3).double(), torch.tensor([[0.0, 0, 100]]).double()
    assert loss(student, teacher, background_weight=4.0).item() == pytest.approx(
        4 * torch.log(torch.tensor(3.0)).item(), abs=1e-6
    )


def test_there_is_no_t_squared():
    # As T grows all probabilities are 1/3: (1 + 1 + 1.5) / 3 * log 3, whatever T is.
    value = loss(temperature=1e6).item()
    assert value == pytest.approx(3.5 / 3 * torch.log(torch.tensor(3.0)).item(), abs=1e-4)


def test_far_logits_stay_finite():
    student = torch.tensor([[300.0, -300.0, 0.0]], requires_grad=True)
    value = loss(student, -student.detach())
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()


def test_no_row_gives_a_zero_that_backpropagates():
    student = torch.zeros(0, 3, requires_grad=True)
    value = loss(student, TEACHER[:0], avg_factor=0.0)
    value.backward()
    assert value == 0 and student.grad is not None


def test_no_gradient_reaches_the_teacher():
    teacher = TEACHER.clone().requires_grad_()
    loss(STUDENT.clone().requires_grad_(), teacher).backward()
    assert teacher.grad is None


@pytest.mark.parametrize('sigmoid', [False, True])
def test_half_precision_logits_are_compared_in_single(sigmoid):
    with torch.autocast('cpu', torch.bfloat16):
        value = loss(STUDENT.bfloat16(), TEACHER.bfloat16(), sigmoid=sigmoid)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(sigmoid=sigmoid).float())


@pytest.mark.parametrize(
    'kwargs, message',
    [
        ({'background_weight': -1}, 'background_weight must be >= 0, got -1'),
        ({'temperature': 0}, 'temperature must be > 0, got 0'),
        ({'class_weights': [1, -1]}, r'class_weights\[1\] must be >= 0, got -1'),
        ({'class_weights': [1, 1]}, 'class_weights has 2 entries, but the head needs 3'),
    ],
)
def test_bad_constants_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        loss(**kwargs)


def test_logits_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match='teacher must have the shape of student'):
        loss(teacher=TEACHER[:1])
