"""What does not count is selected away, not multiplied by 0: NaN times 0 is NaN."""

import math

import pytest
import torch

from mmkd.losses import (
    ImitationLoss,
    ProposalMimicLoss,
    RowLoss,
    TeacherBoundedLoss,
    WeightedSoftLoss,
)
from mmkd.losses.functional import imitation_mask
from mmkd.losses.row_loss import FORMULAS
from mmkd.methods import FGFI, ProposalMimic, QuantizationMimic
from mmkd.modules import RegionPool
from mmkd.observation import Observation
from mmkd.testing.observations import batch_of, info_of, square_priors

BROKEN = [math.nan, math.inf, -math.inf]
STRIDES, SHAPE = (8, 16), (64, 96)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def outside(levels, rois, rois_levels, value):
    """Maps with ``value`` in each cell more than a cell away from every region of its level."""
    levels = [level.clone() for level in levels]
    for index, (level, stride) in enumerate(zip(levels, STRIDES, strict=True)):
        far = torch.ones(len(level), *level.shape[-2:], dtype=torch.bool)
        for (image, *box), place in zip(rois.tolist(), rois_levels.tolist(), strict=True):
            if place == index:
                x1, y1, x2, y2 = (int(side // stride) for side in box)
                far[int(image), max(y1 - 1, 0) : y2 + 3, max(x1 - 1, 0) : x2 + 3] = False
        assert far.any() and not far.all()
        level.movedim(1, -1)[far] = value
    return levels


@pytest.mark.parametrize('value', BROKEN)
@pytest.mark.parametrize('side', ['student', 'teacher'])
class TestOutsideOfTheMask:
    mask = torch.tensor([[[True, False], [False, True]]])

    def test_imitation(self, value, side):
        maps = dict(student=draw(1, 3, 2, 2), teacher=draw(1, 3, 2, 2, seed=1))
        expected = ImitationLoss()(**{k: [v] for k, v in maps.items()}, mask=[self.mask])
        maps[side].movedim(1, -1)[~self.mask] = value
        student = maps['student'].requires_grad_()
        loss = ImitationLoss()(student=[student], teacher=[maps['teacher']], mask=[self.mask])
        loss.backward()
        assert loss == expected and student.grad.isfinite().all()
        assert torch.equal(student.grad.any(dim=1), self.mask)

    @pytest.mark.parametrize('region', ['roi_align', 'crop'])
    def test_regions(self, value, side, region):
        # The third is left over: it lies where nothing is finite.
        rois = torch.tensor([[0, 8.0, 8, 20, 20], [1, 40, 8, 70, 40], [0, 70, 40, 90, 60]]).double()
        levels, kept = torch.tensor([0, 1, 0]), torch.tensor([True, True, False])
        maps = {
            role: [draw(2, 3, SHAPE[0] // s, SHAPE[1] // s, seed=seed) for s in STRIDES]
            for seed, role in enumerate(('student', 'teacher'))
        }

        def loss_of(maps):
            errors = RegionPool(region)(
                **maps, rois=rois, levels=levels, strides=STRIDES, kept=kept
            )
            return ProposalMimicLoss()(errors=errors, kept=kept)

        expected = loss_of(maps)
        maps[side] = outside(maps[side], rois[:2], levels[:2], value)
        for level in maps['student']:
            level.requires_grad_()
        loss = loss_of(maps)
        loss.backward()
        torch.testing.assert_close(loss, expected)
        assert all(level.grad.isfinite().all() for level in maps['student'])
        assert all(level.grad.any() for level in maps['student'])

    @pytest.mark.parametrize('region', ['roi_align', 'crop'])
    def test_a_region_that_counts_shows_what_is_not_finite_in_it(self, value, side, region):
        maps = dict(student=draw(1, 3, 8, 12), teacher=draw(1, 3, 8, 12, seed=1))
        maps[side][0, 0, 3, 4] = value
        errors = RegionPool(region)(
            **{role: [level] for role, level in maps.items()},
            rois=torch.tensor([[0, 16.0, 16, 56, 56]]).double(),
            levels=torch.tensor([0]),
            strides=STRIDES[:1],
        )
        assert not ProposalMimicLoss()(errors=errors).isfinite()


@pytest.mark.parametrize('make', [
    lambda: FGFI(1.0, max_over='assigned'),
    lambda: ProposalMimic(proposals='gt', duplicate_iou=0.5),
    lambda: ProposalMimic(proposals='gt', region='crop', duplicate_iou=0.5),
    lambda: QuantizationMimic(0.5, proposals='gt', duplicate_iou=0.5),
    lambda: QuantizationMimic(0.5, proposals='gt', region='crop', duplicate_iou=0.5),
])  # fmt: skip
def test_methods_do_not_see_the_teacher_away_from_the_boxes(make):
    # Two boxes on the finest level that repeat each other, and one on the coarser level.
    boxes = torch.tensor([[8.0, 8, 24, 24], [8, 8, 24, 23], [40, 8, 72, 40]]).double()
    rois = torch.cat([torch.zeros(3, 1), boxes], dim=1)
    maps = [[draw(1, 3, SHAPE[0] // s, SHAPE[1] // s, seed=n) for s in STRIDES] for n in (0, 1)]
    broken = outside(maps[1], rois, torch.tensor([0, 0, 1]), math.nan)
    method = make()
    method.setup(*(info_of(side, STRIDES, finest_scale=14.0) for side in maps))
    method.double()
    priors = square_priors([level.shape[-2:] for level in broken], STRIDES, 1)
    found = []
    for teacher in (maps[1], broken):
        sides = [Observation(features=lambda _, m=m: m, priors=lambda _: priors)
                 for m in (maps[0], teacher)]  # fmt: skip
        method.zero_grad()
        losses = method(*sides, batch_of([boxes], SHAPE))
        loss = next(value for key, value in losses.items() if 'loss' in key)
        loss.backward()
        assert all(parameter.grad.isfinite().all() for parameter in method.parameters())
        found.append(loss)
    assert found[0] > 0
    torch.testing.assert_close(found[1], found[0])


def test_an_anchor_in_the_padding_may_be_anything():
    anchors = torch.tensor([[0.0, 0, 16, 16], [math.nan] * 4, [8, 8, 24, 24]]).double()
    kept = imitation_mask(
        torch.tensor([[0.0, 0, 16, 16]]).double(),
        [anchors],
        [torch.tensor([True, False, True])],
        [(1, 3)],
        psi=0.5,
        max_over='all',
        strides=(8,),
        finest_scale=112,
    )
    assert kept[0].tolist() == [[True, False, False]]


@pytest.mark.parametrize('sigmoid', [False, True])
def test_a_class_of_weight_0_may_have_no_probability(sigmoid):
    # -inf is how a head leaves a class out; its logarithm of 0 is not finite.
    loss = WeightedSoftLoss(class_weights=[1.0, 0.0, 0.0] + [0.0] * sigmoid, sigmoid=sigmoid)
    student, teacher = draw(4, 3), draw(4, 3, seed=1)
    student[:, 1] = -math.inf
    student.requires_grad_()
    value = loss(student=student, teacher=teacher, avg_factor=4)
    value.backward()
    assert value.isfinite() and value > 0 and student.grad.isfinite().all()


@pytest.mark.parametrize('sigmoid', [False, True])
def test_a_class_that_the_teacher_excludes_costs_nothing_where_the_student_does_too(sigmoid):
    student, teacher = draw(4, 3), draw(4, 3, seed=1)
    student[:, 1] = teacher[:, 1] = -math.inf
    student.requires_grad_()
    value = WeightedSoftLoss(sigmoid=sigmoid)(student=student, teacher=teacher, avg_factor=4)
    value.backward()
    assert value.isfinite() and value > 0 and student.grad.isfinite().all()


def test_a_student_that_is_not_finite_is_never_taken_for_better_than_its_teacher():
    student, other = torch.full((1, 4), math.nan, requires_grad=True), torch.zeros(1, 4)
    loss = TeacherBoundedLoss()(student=student, teacher=other, target=other, avg_factor=1)
    assert loss.isnan()


@pytest.mark.parametrize('value', BROKEN)
@pytest.mark.parametrize('side', ['student', 'teacher'])
@pytest.mark.parametrize('formula', FORMULAS)
def test_rows_of_weight_0(formula, side, value):
    rows = dict(student=draw(3, 4), teacher=draw(3, 4, seed=1))
    for boxes in rows.values():
        boxes[:, 2:] = boxes[:, :2] + 1  # as the formulas of boxes need them
    kept = {name: tensor[:2] for name, tensor in rows.items()}
    expected = RowLoss(formula)(**kept, weight=torch.ones(2), avg_factor=2)
    rows[side][2] = value
    student = rows['student'].requires_grad_()
    weight = torch.tensor([1.0, 1.0, 0.0])
    loss = RowLoss(formula)(student=student, teacher=rows['teacher'], weight=weight, avg_factor=2)
    loss.backward()
    assert loss == expected and student.grad.isfinite().all()
