import math

import numpy as np
import pytest
import torch

from mmkd.losses.functional import quantize
from tests.references.quantize import quantize_array


def of(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype)


@pytest.mark.parametrize('signed', [False, True])
@pytest.mark.parametrize('step', [1.0, 0.25, 0.3, 7.0])
def test_equals_the_definition_in_loops(step, signed):
    values = 8 * torch.randn(200, generator=torch.Generator().manual_seed(0)).double()
    expected = quantize_array(values.numpy(), step, signed)
    np.testing.assert_allclose(quantize(values, step, signed).numpy(), expected, atol=1e-9)
    assert len(set(expected.tolist())) > 4


def test_a_value_halfway_goes_down():
    found = quantize(of(0.5, 1.5, 2.5, 0.75, 1.25), 1.0)
    assert found.tolist() == [0, 1, 2, 1, 1]
    assert quantize(of(0.25, 0.75, 1.25), 0.5).tolist() == [0, 0.5, 1.0]


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('step', [1.0, 0.1, 0.3, 1 / 3, 0.7, 1e-3])
def test_halfway_is_exact_where_the_division_rounds(dtype, step):
    count = torch.arange(1, 400, dtype=dtype)
    halfway = (count - 0.5) * step
    above = torch.nextafter(halfway, torch.full_like(halfway, math.inf))
    assert torch.equal(quantize(halfway, step), (count - 1) * step)
    assert torch.equal(quantize(above, step), count * step)
    assert torch.equal(quantize(-halfway, step, signed=True), -(count - 1) * step)
    assert torch.equal(quantize(-above, step, signed=True), -count * step)


def test_negative_values_are_zero_unless_signed():
    values = of(-7.0, -0.6, -0.5, 0.0, 0.6)
    assert quantize(values, 1.0).tolist() == [0, 0, 0, 0, 1]
    assert quantize(values, 1.0, signed=True).tolist() == [-7, -1, 0, 0, 1]


def test_there_is_no_upper_bound():
    assert quantize(of(1e6 + 0.2), 1.0).item() == 1e6


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('step', [1.0, 0.1, 0.3])
@pytest.mark.parametrize('signed', [False, True])
def test_idempotent(dtype, step, signed):
    values = 5 * torch.randn(500, generator=torch.Generator().manual_seed(1)).to(dtype)
    once = quantize(values, step, signed)
    assert torch.equal(quantize(once, step, signed), once) and once.dtype == dtype


def test_the_gradient_is_the_identity():
    values = (4 * torch.randn(50)).requires_grad_()
    weights = torch.randn(50)
    (quantize(values, 0.7) * weights).sum().backward()
    assert torch.equal(values.grad, weights)


# methods.md, section 10: s = 1, one RoI.
TEACHER, STUDENT = of(0.3, 1.1, 2.4, 0.5), of(0.8, 1.4, 1.2, -0.6)


def test_values_worked_out_by_hand():
    assert quantize(TEACHER, 1.0).tolist() == [0, 1, 2, 0]
    assert quantize(STUDENT, 1.0).tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize('both, expected', [(True, 1.0), (False, 0.9)])
def test_the_loss_worked_out_by_hand(both, expected):
    student = quantize(STUDENT, 1.0) if both else STUDENT
    loss = (quantize(TEACHER, 1.0) - student).square().sum() / 2
    torch.testing.assert_close(loss, torch.tensor(expected).double())


def test_the_gradient_worked_out_by_hand():
    student = STUDENT.clone().requires_grad_()
    ((quantize(TEACHER, 1.0) - quantize(student, 1.0)).square().sum() / 2).backward()
    assert student.grad.tolist() == [1, 0, -1, 0]


@pytest.mark.parametrize('step', [0, -1, math.nan, math.inf])
def test_a_step_that_is_not_positive_is_refused(step):
    with pytest.raises(ValueError, match='step must be > 0 and finite, got'):
        quantize(of(1.0), step)
