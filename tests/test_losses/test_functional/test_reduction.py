import pytest
import torch

from mmkd.losses.functional import check_same_shape, global_avg_factor


def test_a_count_of_zero_divides_by_one():
    assert global_avg_factor(torch.tensor(0)) == 1


def test_a_count_keeps_its_value_and_carries_no_gradient():
    count = torch.tensor(5.0, requires_grad=True)
    assert global_avg_factor(count) == 5 and not global_avg_factor(count).requires_grad


def test_a_shape_that_would_broadcast_is_refused_by_name():
    with pytest.raises(ValueError, match=r'teacher must have .* student, \(2, 4\), got \(1, 4\)'):
        check_same_shape(student=torch.zeros(2, 4), teacher=torch.zeros(1, 4))
