import pytest
import torch

from mmkd.losses.functional import assigned_levels
from mmkd.modules import RegionPool
from mmkd.testing.heads import random_rois
from tests.references.proposal_mimic import align, crop, extractor_level

STRIDES = (4, 8, 16)


def maps(channels, seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, channels, 96 // stride, 96 // stride, generator=generator).double()
        for stride in STRIDES
    ]


ROIS = random_rois(torch.Generator().manual_seed(0), 12)
LEVELS = torch.tensor([0, 2, 1, 0, 0, 1, 2, 2, 0, 1, 0, 2])


def cut(region, student, teacher, rois=ROIS, levels=LEVELS, **kwargs):
    return RegionPool(region)(
        student=student, teacher=teacher, rois=rois, levels=levels, strides=STRIDES, **kwargs
    )


@pytest.mark.parametrize('region', ['roi_align', 'crop'])
def test_each_region_is_cut_on_its_level_in_the_order_given(region):
    student, teacher = maps(3, 0), maps(3, 1)
    found = cut(region, student, teacher)
    reference = align if region == 'roi_align' else crop
    for place, (roi, level) in enumerate(zip(ROIS.tolist(), LEVELS.tolist(), strict=True)):
        ours, theirs = (
            reference(side[level].numpy(), roi, STRIDES[level]) for side in (student, teacher)
        )
        assert found.error[place].item() == pytest.approx(((ours - theirs) ** 2).sum(), abs=1e-8)
        assert found.elements[place] == ours.size and found.positions[place] == ours[0].size


def test_the_level_is_the_extractors():
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

    extractor = SingleRoIExtractor(
        dict(type='RoIAlign', output_size=7), 1, list(STRIDES), finest_scale=16
    )
    rois = random_rois(torch.Generator().manual_seed(1), 200)
    rois[:, 3:] = rois[:, 1:3] + 4 * (rois[:, 3:] - rois[:, 1:3])
    rois[0, 3:] = rois[0, 1:3]
    rois[1] = torch.tensor([0, 8, 8, 40, 40]).double()  # on the border: 32 = 2 * 16
    rois[2] = torch.tensor([0, 8, 8, 39.9, 40]).double()
    ours = assigned_levels(rois[:, 1:], STRIDES, 16)
    assert ours.tolist() == extractor.map_roi_levels(rois, 3).tolist()
    assert ours.tolist() == [extractor_level(roi, 16, 3) for roi in rois.tolist()]
    assert set(ours.tolist()) == {0, 1, 2} and ours[1] == 1 and ours[2] == 0


@pytest.mark.parametrize('region', ['roi_align', 'crop'])
def test_gradient(region):
    student, teacher = maps(1, 0), maps(1, 1)
    levels = [level[:, :, :4, :4] for level in student]
    theirs = [level[:, :, :4, :4] for level in teacher]

    def error(*ours):
        return cut(region, ours, theirs).error

    assert torch.autograd.gradcheck(error, [level.clone().requires_grad_() for level in levels])


@pytest.mark.parametrize('region', ['roi_align', 'crop'])
def test_a_level_without_a_region_stays_in_the_graph(region):
    student = [level.requires_grad_() for level in maps(2, 0)]
    for rois, levels in ((ROIS[:3], torch.zeros(3).long()), (ROIS[:0], LEVELS[:0])):
        for level in student:
            level.grad = None
        cut(region, student, maps(2, 1), rois, levels).error.sum().backward()
        assert student[0].grad.any() == bool(len(rois))
        assert all(level.grad is not None and not level.grad.any() for level in student[1:])


@pytest.mark.parametrize('region', ['roi_align', 'crop'])
def test_neither_the_teacher_nor_the_boxes_get_a_gradient(region):
    student, teacher = ([m.requires_grad_() for m in maps(2, seed)] for seed in (0, 1))
    rois = ROIS.clone().requires_grad_()
    cut(region, student, teacher, rois).error.sum().backward()
    assert rois.grad is None and all(level.grad is None for level in teacher)


@pytest.mark.parametrize('region', ['roi_align', 'crop'])
def test_the_transform_is_told_the_level(region):
    student, teacher = maps(2, 0), maps(2, 1)
    found = cut(
        region,
        student,
        teacher,
        transform=lambda level, ours, theirs: (ours * (level == 1), theirs * (level == 1)),
    )
    plain = cut(region, student, teacher)
    torch.testing.assert_close(found.error, plain.error * (LEVELS == 1))


@pytest.mark.parametrize('kwargs, message', [
    ({'region': 'pool'}, "region must be one of .*got 'pool'"),
    ({'output_size': 0}, 'output_size must be >= 1, got 0'),
    ({'sampling_ratio': -1}, 'sampling_ratio must be >= 0, got -1'),
])  # fmt: skip
def test_bad_settings_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        RegionPool(**kwargs)


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match='teacher must have the shape of student'):
        cut('crop', maps(2, 0), maps(3, 1))
