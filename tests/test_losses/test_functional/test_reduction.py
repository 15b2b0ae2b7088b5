from functools import partial

import pytest
import torch

from mmkd.losses import functional
from mmkd.losses.functional import check_same_shape, global_avg_factor
from mmkd.methods.head_samples import expected_sides


def test_a_count_of_zero_divides_by_one():
    assert global_avg_factor(torch.tensor(0)) == 1


def test_a_count_keeps_its_value_and_carries_no_gradient():
    count = torch.tensor(5.0, requires_grad=True)
    assert global_avg_factor(count) == 5 and not global_avg_factor(count).requires_grad


def test_a_shape_that_would_broadcast_is_refused_by_name():
    with pytest.raises(ValueError, match=r'teacher must have .* student, \(2, 4\), got \(1, 4\)'):
        check_same_shape(student=torch.zeros(2, 4), teacher=torch.zeros(1, 4))


MAPS, ROWS = (2, 6, 4, 5), (7, 6)


@pytest.mark.parametrize(
    ('formula', 'shape'),
    [
        (partial(functional.selectivity_error, kernel='polynomial'), MAPS),
        (partial(functional.selectivity_error, kernel='polynomial'), (2, 9, 2, 2)),
        (partial(functional.selectivity_error, kernel='gaussian'), MAPS),
        (functional.fsp_matrix, MAPS),
        (functional.angle_error, ROWS),
        (functional.distance_error, ROWS),
        (
            lambda one, two: functional.query_costs(one, two, one[:, :4], two[:, :4], (2, 5, 2)),
            ROWS,
        ),
        (lambda one, _: expected_sides(one.repeat(1, 4)), ROWS),
    ],
)
def test_sums_of_products_are_not_rounded_by_an_autocast(formula, shape):
    made = torch.Generator().manual_seed(0)
    sides = [torch.rand(shape, generator=made) for _ in range(2)]
    with torch.autocast('cpu', torch.bfloat16):
        found = formula(*sides)
    torch.testing.assert_close(found, formula(*sides), rtol=1e-6, atol=1e-7)
