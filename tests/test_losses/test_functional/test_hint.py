import pytest
import torch

from mmkd.losses.functional import hint_error


@pytest.mark.parametrize('norm, expected', [('l2', 0.25 + 4), ('l1', 0.5 + 2)])
def test_value_worked_out_by_hand(norm, expected):
    student = torch.tensor([1.5, 1.0]).view(1, 2, 1, 1)
    teacher = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    assert hint_error(student, teacher, norm) == expected


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm must be one of .*got 'max'"):
        hint_error(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), 'max')
