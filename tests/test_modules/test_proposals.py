import numpy as np
import pytest
import torch

from mmkd.modules import ProposalRegion
from tests.references.proposal_mimic import choose


def boxes(num, seed, repeat=()):
    generator = torch.Generator().manual_seed(seed)
    corner, size = (torch.rand(num, 2, generator=generator).double() for _ in range(2))
    made = torch.cat([corner * 50, corner * 50 + 5 + size * 40], dim=1)
    return torch.cat([made, *(made[i : i + 1] for i in repeat)])


def kept(region, lists, gt):
    found = region([[part] for part in lists], [gt])
    return [tuple(box) for box in found.rois[found.kept, 1:].tolist()]


@pytest.mark.parametrize('settings', [
    {},
    dict(max_per_image=7),
    dict(duplicate_iou=0.4),
    dict(duplicate_iou=0.7, max_per_image=9),
    dict(positive_fraction=0.25),
    dict(positive_fraction=0.5, positive_iou=0.3, max_per_image=10),
    dict(positive_fraction=1.0, positive_iou=0.3),
    dict(positive_fraction=0.1, duplicate_iou=0.8),
])  # fmt: skip
@pytest.mark.parametrize('seed', range(3))
def test_equals_the_choice_in_loops(settings, seed):
    shared = boxes(4, 7)
    lists = [
        torch.cat([boxes(12, seed, repeat=(3, 3)), shared]),
        torch.cat([shared, boxes(5, seed + 10)]),
        boxes(2, seed + 20),
    ]
    gt = torch.cat([lists[2], shared[:1], boxes(2, 99)])
    expected = choose(
        [part.numpy() for part in lists], gt.numpy(), **{'cap': 256, **_renamed(settings)}
    )
    assert kept(ProposalRegion(**settings), lists, gt) == expected and expected


def _renamed(settings):
    return {'cap' if key == 'max_per_image' else key: value for key, value in settings.items()}


def test_images_keep_their_index_and_the_kept_rows_come_first():
    found = ProposalRegion(max_per_image=3)([[boxes(5, 0), boxes(1, 1, repeat=(0,))]], [None, None])
    assert found.rois[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert found.kept.tolist() == [True, True, True, True, False]


def test_lists_take_turns_under_the_cap():
    first, second = boxes(9, 0), boxes(9, 1)
    found = kept(ProposalRegion(max_per_image=4), [first, second], None)
    expected = torch.stack([first[0], second[0], first[1], second[1]])
    np.testing.assert_allclose(found, expected)


def test_no_box_at_all_is_no_region():
    empty = torch.zeros(0, 4)
    for region in (ProposalRegion(), ProposalRegion(256, 0.5, 0.5)):
        found = region([[empty, empty], [empty, empty]], [empty, empty])
        assert found.rois.shape == (0, 5) and found.kept.shape == (0,)


def test_balance_without_ground_truth_keeps_nothing():
    found = ProposalRegion(positive_fraction=0.5)([[boxes(5, 0)]], [torch.zeros(0, 4)])
    assert not found.kept.any()


def test_boxes_without_area_are_regions_as_any():
    point = torch.tensor([[4.0, 4, 4, 4], [4, 4, 4, 4], [5, 5, 5, 9]])
    for region in (ProposalRegion(), ProposalRegion(positive_fraction=0.5)):
        found = region([[torch.cat([point, torch.tensor([[0.0, 0, 9, 9]])])]], [point[:1]])
        assert found.rois.isfinite().all()
    assert ProposalRegion()([[point]], [point]).kept.tolist() == [True, True, False]


def test_no_gradient_passes():
    wanted = boxes(3, 0).requires_grad_()
    assert not ProposalRegion()([[wanted]], [wanted]).rois.requires_grad


@pytest.mark.parametrize('kwargs, message', [
    ({'max_per_image': 0}, 'max_per_image must be >= 1, got 0'),
    ({'duplicate_iou': 0}, r'duplicate_iou must lie in \(0, 1\], got 0'),
    ({'positive_fraction': 1.5}, r'positive_fraction must lie in \(0, 1\], got 1.5'),
    ({'positive_iou': -1}, r'positive_iou must lie in \(0, 1\], got -1'),
    ({'positive_iou': 0.6}, 'positive_iou=0.6 does nothing without positive_fraction: set'),
])  # fmt: skip
def test_bad_settings_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ProposalRegion(**kwargs)
