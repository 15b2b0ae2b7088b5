"""Formulas of the papers on classification and faces: printed examples, loops, what they ignore."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkd.losses import CorrelationLoss, DecoupledLoss, FSPLoss, SoftTargetLoss, TripletLoss
from mmkd.losses.functional import (
    angle_error,
    attention_error,
    attention_map,
    channel_divergence,
    distance_error,
    fsp_error,
    fsp_matrix,
    ranking_error,
    selectivity_error,
    triplet_error,
    triplet_terms,
)
from tests.references import logits as logit_loops
from tests.references import maps as map_loops
from tests.references import relations as relation_loops


def double(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(3)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


LOGITS = double([[2, 1, 0], [0, 1, 0]]), double([[3, 0, 1], [0, 2, 1]])
MAPS = (
    double([[[[0, 1], [2, 3]], [[1, 1], [0, 2]]]]),
    double([[[[1, 1], [2, 5]], [[0, 2], [0, 1]]]]),
)
ROWS = double([[0, 0], [1, 0], [0, 1]]), double([[0, 0], [2, 0], [0, 1]])
UNIT = double([[1, 0], [0, 1], [-1, 0]]), double([[1, 0], [0.6, 0.8], [0, 1]])


class TestPrintedExamples:
    def test_soft_targets(self):
        given_rows = dict(student=LOGITS[0], teacher=LOGITS[1], avg_factor=2)
        assert SoftTargetLoss(2.0)(**given_rows).item() == pytest.approx(0.193203, abs=1e-6)
        assert SoftTargetLoss(1.0, True)(**given_rows).item() == pytest.approx(0.073341, abs=1e-6)

    def test_decoupled_and_correlation(self):
        first = dict(student=LOGITS[0][:1], teacher=LOGITS[1][:1])
        loss = DecoupledLoss(1, 8, 4)(**first, labels=torch.tensor([0]), avg_factor=1)
        assert loss.item() == pytest.approx(4.103401, abs=1e-6)
        both = CorrelationLoss()(student=LOGITS[0], teacher=LOGITS[1])
        assert both.item() == pytest.approx(0.046526, abs=1e-6)

    def test_attention(self):
        sides = double([[[[1, 2], [0, 1]], [[0, 1], [2, 1]]]]), double([[[[2, 0], [1, 1]]]])
        maps = [attention_map(side) for side in sides]
        assert attention_error(*maps).item() == pytest.approx(0.326238, abs=1e-6)
        assert attention_error(*maps, 'norm').item() == pytest.approx(1.142345, abs=1e-6)

    def test_fsp(self):
        student = double([[[[1, 0], [2, 1]], [[0, 1], [1, 0]]]]), double([[[[1, 1], [0, 2]]]])
        teacher = double([[[[2, 1], [0, 1]], [[1, 1], [0, 0]]]]), double([[[[0, 1], [1, 1]]]])
        error = fsp_error(fsp_matrix(*student), fsp_matrix(*teacher))
        assert error.item() == pytest.approx(0.0625, abs=1e-9)
        assert FSPLoss()(student=[student], teacher=[teacher]).item() == pytest.approx(0.03125)

    @pytest.mark.parametrize(
        'kernel, value', [('linear', 0.1), ('polynomial', 0.5), ('gaussian', 0.364489)]
    )
    def test_selectivity(self, kernel, value):
        sides = double([[[[3, 4], [0, 0]]]]), double([[[[1, 0], [0, 0]], [[0, 5], [0, 0]]]])
        assert selectivity_error(*sides, kernel).item() == pytest.approx(value, abs=1e-6)

    def test_ranking(self):
        assert ranking_error(*UNIT, 3, 3, 2, False).item() == pytest.approx(0.231049, abs=1e-6)
        assert ranking_error(*UNIT, 3, 3, 2, True).item() == pytest.approx(0.070154, abs=1e-6)

    def test_relations(self):
        assert distance_error(*ROWS).item() == pytest.approx(0.018484, abs=1e-6)
        assert angle_error(*ROWS).item() == pytest.approx(0.003801, abs=1e-6)

    def test_triplets(self):
        distances = [0.4, 0.9, 0.2], [0.8, 1.0, 1.5], [0.3, 0.5, 0.6], [1.1, 0.7, 0.4]
        loss = triplet_terms(*(double(values) for values in distances), margins=(0.2, 0.5))
        assert loss.item() == pytest.approx(0.091667, abs=1e-6)

    def test_channels(self):
        assert channel_divergence(*MAPS).item() == pytest.approx(0.325486, abs=1e-6)


class TestAgainstLoops:
    def test_logits(self, draw):
        student, teacher = draw(7, 5), draw(7, 5)
        labels = torch.arange(7) % 5
        lists = student.tolist(), teacher.tolist()
        rows = dict(student=student, teacher=teacher, avg_factor=7)
        pairs = [
            (SoftTargetLoss(3.0)(**rows), logit_loops.kd(*lists, 3.0)),
            (SoftTargetLoss(3.0, True)(**rows), logit_loops.binary_kd(*lists, 3.0)),
            (
                DecoupledLoss(0.7, 0.3, 2.0)(**rows, labels=labels),
                logit_loops.dkd(*lists, labels.tolist(), 0.7, 0.3, 2.0),
            ),
            (
                CorrelationLoss(0.7, 0.3, 2.0)(student=student, teacher=teacher),
                logit_loops.dist(*lists, 0.7, 0.3, 2.0),
            ),
        ]
        for found, expected in pairs:
            assert found.item() == pytest.approx(expected, abs=1e-6) and expected > 0

    @pytest.mark.parametrize('kind', ['sum', 'sum_p', 'max_p'])
    @pytest.mark.parametrize('form', ['mean_square', 'norm'])
    def test_attention(self, draw, kind, form):
        student, teacher = draw(2, 3, 4, 5), draw(2, 6, 4, 5)
        maps = [attention_map(side, kind, 3.0) for side in (student, teacher)]
        expected = map_loops.attention_loss(student.numpy(), teacher.numpy(), kind, 3.0, form)
        assert attention_error(*maps, form).mean().item() == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize('kernel', ['linear', 'polynomial', 'gaussian'])
    @pytest.mark.parametrize('channels', [(3, 5), (40, 50)])
    def test_selectivity(self, draw, kernel, channels):
        student, teacher = (draw(2, count, 3, 4) for count in channels)
        expected = map_loops.nst_loss(student.numpy(), teacher.numpy(), kernel)
        found = selectivity_error(student, teacher, kernel).mean()
        assert found.item() == pytest.approx(expected, abs=1e-6)

    def test_fsp_and_channels(self, draw):
        student, teacher = ((draw(2, 3, 4, 5), draw(2, 2, 4, 5)) for _ in range(2))
        found = FSPLoss(reduction='sum')(student=[student], teacher=[teacher])
        numbers = [tuple(side.numpy() for side in pair) for pair in (student, teacher)]
        assert found.item() == pytest.approx(map_loops.fsp_loss(*numbers), abs=1e-6)
        expected = map_loops.cwd_loss(student[0].numpy(), teacher[0].numpy(), 2.0)
        found = channel_divergence(student[0], teacher[0], 2.0).mean()
        assert found.item() == pytest.approx(expected, abs=1e-6)

    def test_the_larger_map_of_fsp_is_max_pooled(self, draw):
        first, second = draw(1, 2, 4, 6), draw(1, 3, 2, 3)
        pooled = torch.nn.functional.max_pool2d(first, 2)
        torch.testing.assert_close(fsp_matrix(first, second), fsp_matrix(pooled, second))

    @pytest.mark.parametrize('soft', [True, False])
    def test_relations(self, draw, soft):
        student, teacher = draw(6, 3), draw(6, 4)
        numbers = student.numpy(), teacher.numpy()
        labels = [0, 0, 1, 1, 2, 0]
        pairs = [
            (distance_error(student, teacher), relation_loops.rkd_distance(*numbers)),
            (angle_error(student, teacher, 4), relation_loops.rkd_angle(*numbers)),
            (
                ranking_error(student, teacher, 0.5, 2, 3, soft),
                relation_loops.dark_rank(*numbers, 0.5, 2, 3, soft),
            ),
            (
                triplet_error(student, teacher, torch.tensor(labels), margins=(0.2, 0.5)),
                relation_loops.triplets(*numbers, labels, 0.2, 0.5),
            ),
        ]
        for found, expected in pairs:
            assert found.item() == pytest.approx(expected, abs=1e-6) and expected > 0


class TestWhatTheyIgnore:
    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 2**16), st.floats(0.1, 10))
    def test_relations_ignore_rigid_motion_and_scale(self, seed, scale):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(5, 4, generator=generator, dtype=torch.float64)
        turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
        moved = scale * rows @ turn + 3
        assert distance_error(moved, rows) < 1e-12 and angle_error(moved, rows) < 1e-9

    @settings(max_examples=20, deadline=None)
    @given(st.permutations(range(6)), st.permutations(range(12)))
    def test_attention_ignores_the_order_of_channels_and_selectivity_that_of_cells(
        self, channels, cells
    ):
        maps = torch.randn(1, 6, 12, 1, generator=torch.Generator().manual_seed(1)).double()
        assert attention_error(attention_map(maps[:, channels]), attention_map(maps)).max() < 1e-15
        other = maps.flip(1) * 2 + 1
        first = selectivity_error(maps, other, 'gaussian')
        moved = selectivity_error(maps[:, :, cells], other[:, :, cells], 'gaussian')
        torch.testing.assert_close(first, moved)


class TestEdges:
    def test_equal_sides_pay_nothing(self, draw):
        rows, maps = draw(5, 4), draw(2, 3, 4, 4)
        for value in (
            SoftTargetLoss()(student=rows, teacher=rows, avg_factor=5),
            CorrelationLoss()(student=rows, teacher=rows),
            distance_error(rows, rows),
            angle_error(rows, rows),
            ranking_error(rows, rows, 3, 3, 4, True),
            selectivity_error(maps, maps).sum(),
            channel_divergence(maps, maps).sum(),
            attention_error(attention_map(maps), attention_map(maps), 'norm').sum(),
        ):
            assert abs(value.item()) < 1e-6

    @pytest.mark.parametrize('count', [0, 1, 2])
    def test_too_few_rows_give_zero_with_a_graph(self, draw, count):
        rows = draw(count, 4).requires_grad_()
        teacher = draw(count, 4)
        for loss in (distance_error, angle_error, lambda a, b: ranking_error(a, b, 3, 3, 4, True)):
            value = loss(rows, teacher)
            assert value == 0 and value.requires_grad
        value = TripletLoss()(student=rows, teacher=teacher, labels=torch.zeros(count).long())
        value.backward()
        assert value == 0 and rows.grad.isfinite().all()
        if not count:
            soft = SoftTargetLoss()(student=rows, teacher=teacher, avg_factor=0)
            assert soft == 0 and CorrelationLoss()(student=rows, teacher=teacher) == 0

    def test_maps_and_rows_of_zeros_have_finite_gradients(self):
        maps = torch.zeros(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
        rows = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
        teacher_map, teacher = torch.ones(1, 2, 3, 3).double(), torch.eye(4, 3).double()
        total = attention_error(attention_map(maps), attention_map(teacher_map), 'norm').sum()
        total = total + selectivity_error(maps, teacher_map, 'gaussian').sum()
        total = total + distance_error(rows, teacher) + angle_error(rows, teacher)
        total = total + ranking_error(rows, teacher, 3, 3, 3, True)
        total.backward()
        assert maps.grad.isfinite().all() and rows.grad.isfinite().all()

    def test_gradients(self, draw):
        rows, maps = draw(5, 3).requires_grad_(), draw(1, 3, 3, 3).requires_grad_()
        target, target_map = draw(5, 4), draw(1, 4, 3, 3)
        labels = torch.tensor([0, 0, 1, 1, 2])
        for loss in (
            lambda x: distance_error(x, target),
            lambda x: angle_error(x, target, 2),
            lambda x: ranking_error(x, target, 1, 2, 3, True),
            lambda x: triplet_error(x, target, labels, margins=(0.2, 0.5)),
            lambda x: DecoupledLoss()(
                student=x, teacher=target[:, :3], labels=labels, avg_factor=5
            ),
        ):
            assert torch.autograd.gradcheck(loss, rows)
        for loss in (
            lambda x: selectivity_error(x, target_map),
            lambda x: attention_error(attention_map(x), attention_map(target_map), 'norm'),
            lambda x: channel_divergence(x, target_map[:, :3]),
        ):
            assert torch.autograd.gradcheck(loss, maps)

    def test_the_hardest_triplet_of_each_row(self):
        rows = double([[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.5]])
        labels = torch.tensor([0, 0, 0, 1])
        loss = triplet_error(rows, rows, labels, margins=(0.2, 0.2), hardest=True)
        unit = rows / rows.norm(dim=1, keepdim=True)
        d = torch.cdist(unit, unit).square().numpy()
        expected = np.mean([max(d[a, p] - d[a, 3] + 0.2, 0) for a, p in ((0, 2), (1, 2), (2, 0))])
        assert loss.item() == pytest.approx(expected, abs=1e-9)

    def test_an_ensemble_averages_probabilities(self, draw):
        student, teachers = draw(4, 3), draw(2, 4, 3)
        mean = (teachers / 2).softmax(dim=-1).mean(dim=0).log() * 2
        one = SoftTargetLoss(2.0)(student=student, teacher=mean, avg_factor=4)
        several = SoftTargetLoss(2.0)(student=student, teacher=teachers, avg_factor=4)
        torch.testing.assert_close(one, several)

    def test_an_unsure_and_a_certain_teacher_are_finite_in_half_precision(self):
        student = torch.tensor([[40.0, -40.0, 0.0]]).half().requires_grad_()
        teacher = torch.tensor([[-60.0, 60.0, 0.0]]).half()
        losses = [
            SoftTargetLoss(1.0)(student=student, teacher=teacher, avg_factor=1),
            SoftTargetLoss(1.0, True)(student=student, teacher=teacher, avg_factor=1),
            DecoupledLoss()(
                student=student, teacher=teacher, labels=torch.tensor([1]), avg_factor=1
            ),
        ]
        sum(losses).backward()
        assert all(loss.isfinite() for loss in losses) and student.grad.isfinite().all()
