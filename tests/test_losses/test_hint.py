import pytest
import torch

from mmkd.losses import HintLoss

# methods.md, section 2: student [[1, 2], [3, 4]] through weights (1, 0.5); differences
# (0, -1, -1, -2) and (-0.5, 0, -0.5, 0) up to sign: squares sum to 6.5, absolute values to 5.
STUDENT = torch.tensor([[[[1.0, 2], [3, 4]], [[0.5, 1], [1.5, 2]]]]).double()
TEACHER = torch.tensor([[[[1.0, 1], [2, 2]], [[0, 1], [1, 2]]]]).double()


def loss(student=STUDENT, teacher=TEACHER, **kwargs):
    return HintLoss(**{'loss_weight': 1.0, **kwargs})(student=[student], teacher=[teacher])


@pytest.mark.parametrize(
    'kwargs, expected',
    [
        ({}, 6.5 / 8),
        ({'norm': 'l1'}, 5 / 8),
        ({'reduction': 'sum'}, 6.5),
        ({'reduction': 'sum', 'norm': 'l1'}, 5),
        ({'loss_weight': 0.5}, 6.5 / 16),
    ],
)
def test_value_worked_out_by_hand(kwargs, expected):
    torch.testing.assert_close(loss(**kwargs), torch.tensor(expected).double())


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_a_batch_of_equal_images_costs_what_one_does(reduction):
    twice = [maps.repeat(2, 1, 1, 1) for maps in (STUDENT, TEACHER)]
    torch.testing.assert_close(loss(*twice, reduction=reduction), loss(reduction=reduction))


def test_each_level_has_its_own_mean_and_they_add_up():
    # Level 0: 6.5 / 8. Level 1: one element, 3^2 = 9; one divisor for both would give 15.5 / 9.
    one = torch.full((1, 1, 1, 1), 3.0).double()
    both = HintLoss(1.0)(student=[STUDENT, one], teacher=[TEACHER, torch.zeros_like(one)])
    torch.testing.assert_close(both, torch.tensor(6.5 / 8 + 9).double())


@pytest.mark.parametrize('norm', ['l2', 'l1'])
def test_gradient(norm):
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(1, 2, 2, 2, generator=generator).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, norm=norm), student)


def test_no_gradient_reaches_the_teacher():
    teacher = TEACHER.clone().requires_grad_()
    loss(STUDENT.clone().requires_grad_(), teacher).backward()
    assert teacher.grad is None


def test_half_precision_maps_are_summed_in_single():
    # 8192 squares of 16: their sum overflows float16 (65504), not float32.
    student = torch.full((1, 8192, 1, 1), 4.0, dtype=torch.float16)
    value = loss(student, torch.zeros_like(student))
    assert value == 16 and value.dtype == torch.float32


def test_maps_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match='teacher must have the shape of student'):
        loss(torch.ones(1, 2, 3, 3), torch.ones(1, 1, 3, 3))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        ({'loss_weight': -1}, 'loss_weight must be >= 0, got -1'),
        ({'norm': 'l3'}, "norm must be one of .*'l2', 'l1'.*got 'l3'"),
        ({'reduction': 'none'}, "reduction must be one of .*'mean', 'sum'.*got 'none'"),
    ],
)
def test_bad_constants_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        HintLoss(**kwargs)
