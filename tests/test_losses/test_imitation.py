import pytest
import torch

from mmkd.losses import ImitationLoss


class TestImitationLoss:
    # methods.md, section 11: squared error 0.9 over 2 kept cells, 0.9 / 4 = 0.225.
    teacher = torch.arange(18, dtype=torch.float64).view(1, 2, 3, 3) / 10
    mask = torch.tensor([[[0, 0, 0], [0, 1, 0], [0, 1, 0]]], dtype=torch.bool)

    def loss(self, student, teacher, mask, loss_weight=1.0):
        return ImitationLoss(loss_weight)(student=[student], teacher=[teacher], mask=[mask])

    @pytest.mark.parametrize('loss_weight, expected', [(1.0, 0.225), (0.01, 0.00225)])
    def test_value_worked_out_by_hand(self, loss_weight, expected):
        loss = self.loss(torch.ones_like(self.teacher), self.teacher, self.mask, loss_weight)
        torch.testing.assert_close(loss, torch.tensor(expected, dtype=torch.float64))

    def test_one_divisor_for_all_levels_and_images(self):
        # Level 0: error 0.9 in 2 cells. Level 1: error 1 in 1 cell. (0.9 + 1) / (2 * 3).
        student = [torch.ones_like(self.teacher), torch.ones(1, 1, 1, 1).double()]
        teacher = [self.teacher, torch.zeros(1, 1, 1, 1).double()]
        mask = [self.mask, torch.ones(1, 1, 1, dtype=torch.bool)]
        loss = ImitationLoss(1.0)(student=student, teacher=teacher, mask=mask)
        torch.testing.assert_close(loss, torch.tensor(1.9 / 6, dtype=torch.float64))

    def test_no_kept_cell_gives_a_zero_that_backpropagates(self):
        student = torch.ones(1, 2, 3, 3, requires_grad=True)
        loss = self.loss(student, torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3, dtype=torch.bool))
        loss.backward()
        assert loss == 0 and not student.grad.any()

    def test_gradient(self):
        student = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda s: self.loss(s, self.teacher, self.mask), student)

    def test_no_gradient_reaches_the_teacher(self):
        teacher = self.teacher.clone().requires_grad_()
        student = torch.ones_like(self.teacher, requires_grad=True)
        self.loss(student, teacher, self.mask).backward()
        assert teacher.grad is None

    def test_half_precision_maps_are_summed_in_single(self):
        # 4096 squares of 16: their sum overflows float16 (65504), not float32.
        student = torch.full((1, 4096, 1, 1), 4.0, dtype=torch.float16)
        loss = self.loss(student, torch.zeros_like(student), torch.ones(1, 1, 1, dtype=torch.bool))
        assert loss == 4096 * 16 / 2 and loss.dtype == torch.float32

    @pytest.mark.parametrize('dtype, cells', [(torch.float16, 70_000), (torch.bfloat16, 1_001)])
    def test_cells_are_counted_where_half_precision_rounds_or_ends(self, dtype, cells):
        # A difference of 1 everywhere: cells / (2 cells).
        student = torch.ones(1, 1, 1, cells, dtype=dtype, requires_grad=True)
        mask = torch.ones(1, 1, cells, dtype=torch.bool)
        loss = self.loss(student, torch.zeros_like(student), mask)
        loss.backward()
        assert loss == 0.5
        assert student.grad.flatten()[-1].item() == pytest.approx(1 / cells, rel=0.01)

    def test_maps_of_two_shapes_are_refused(self):
        with pytest.raises(ValueError, match='teacher must have the shape of student'):
            self.loss(torch.ones(1, 2, 3, 3), torch.ones(1, 1, 3, 3), self.mask)

    def test_a_negative_weight_is_refused(self):
        with pytest.raises(ValueError, match='loss_weight must be >= 0, got -1'):
            ImitationLoss(-1)
