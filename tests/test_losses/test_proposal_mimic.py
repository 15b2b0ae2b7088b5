import pytest
import torch

from mmkd.losses import ProposalMimicLoss
from mmkd.losses.functional import RegionErrors, cropped_errors, pooled_errors


def errors(*rows):
    return RegionErrors(*(torch.tensor(row).double() for row in rows))


class TestProposalMimicLoss:
    # methods.md, section 9: squares of 6 over 4 elements in 2 cells, of 4 over 2 elements in 1.
    two = errors([6, 4], [2, 1], [4, 2])

    @pytest.mark.parametrize(
        'normalize, expected', [('none', 2.5), ('elements', 0.875), ('positions', 1.75)]
    )
    def test_value_worked_out_by_hand(self, normalize, expected):
        loss = ProposalMimicLoss(1.0, normalize)(errors=self.two)
        torch.testing.assert_close(loss, torch.tensor(expected).double())

    def test_the_worked_example_cut_out_of_maps(self):
        # One map holds both regions: u1 and v1 in cells 0 and 1 of row 0, u2 and v2 in cell 2.
        teacher = torch.tensor([[[[1, 2, 3]], [[0, 1, 1]]]]).double()
        student = torch.tensor([[[[0, 2, 1]], [[1, 3, 1]]]]).double()
        rois = torch.tensor([[0, 0, 0, 16, 8], [0, 16, 0, 24, 8]]).double()
        loss = ProposalMimicLoss()(errors=cropped_errors(student, teacher, rois, 8))
        torch.testing.assert_close(loss, torch.tensor(0.875).double())

    def test_left_over_rows_count_neither_above_nor_below(self):
        loss = ProposalMimicLoss()(
            errors=errors([6, 9, 4], [2, 1, 1], [4, 1, 2]),
            kept=torch.tensor([True, False, True]),
        )
        torch.testing.assert_close(loss, torch.tensor(0.875).double())

    def test_the_divisor_can_be_given(self):
        loss = ProposalMimicLoss(3.0)(errors=self.two, avg_factor=7.0)
        torch.testing.assert_close(loss, torch.tensor(3 * 3.5 / 14).double())

    def test_no_region_gives_a_zero_that_backpropagates(self):
        student = torch.ones(0, 2, 7, 7, requires_grad=True)
        loss = ProposalMimicLoss()(errors=pooled_errors(student, torch.ones(0, 2, 7, 7)))
        loss.backward()
        assert loss == 0 and student.grad is not None

    @pytest.mark.parametrize('kwargs, message', [
        ({'loss_weight': -1}, 'loss_weight must be >= 0, got -1'),
        ({'normalize': 'sum'}, "normalize must be one of .*got 'sum'"),
    ])  # fmt: skip
    def test_bad_constants_are_refused(self, kwargs, message):
        with pytest.raises(ValueError, match=message):
            ProposalMimicLoss(**kwargs)
