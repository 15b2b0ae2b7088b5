import pytest
import torch
from mmdet.models.task_modules import AnchorGenerator

from mmkd.modules import ImitationRegion, move_priors


@pytest.mark.parametrize('kwargs, message', [
    ({'psi': 1.5}, r'psi must lie in \[0, 1\], got 1.5'),
    ({'max_over': 'image'}, "max_over must be one of .* got 'image'"),
])  # fmt: skip
def test_bad_constants_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ImitationRegion(**kwargs)


def grid(size, stride):
    generator = AnchorGenerator(strides=[stride], ratios=[0.5, 1.0], scales=[1], base_sizes=[24])
    return generator.grid_priors([size], device='cpu')[0]


def test_moved_anchors_are_those_of_the_other_grid():
    anchors, valid = grid((4, 6), 8), torch.ones(2, 4 * 6 * 2, dtype=torch.bool)
    moved, flags = move_priors(anchors, valid, (4, 6), (2, 3), stride=8, ratio=2)
    torch.testing.assert_close(moved, grid((2, 3), 16))
    assert flags.all() and flags.shape == (2, 2 * 3 * 2)


def test_moved_flags_follow_their_cells():
    valid = torch.zeros(1, 4, 6, 2, dtype=torch.bool)
    valid[0, 2:, :, 1] = True  # the lower half, second anchor only
    _, flags = move_priors(grid((4, 6), 8), valid.view(1, -1), (4, 6), (2, 3), stride=8, ratio=2)
    assert flags.view(2, 3, 2).tolist() == [[[False, False]] * 3, [[False, True]] * 3]


def test_the_same_grid_is_left_alone():
    anchors, valid = grid((4, 6), 8), torch.ones(1, 48, dtype=torch.bool)
    moved, flags = move_priors(anchors, valid, (4, 6), (4, 6), stride=8, ratio=1)
    assert moved is anchors and flags is valid
