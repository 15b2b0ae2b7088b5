import pytest
import torch

from mmkd.modules import pair_levels, resize_like


def test_equal_strides_pair_one_to_one():
    assert pair_levels([4, 8], [4, 8]) == [(0, 0), (1, 1)]


def test_differing_strides_are_refused_with_both_lists():
    with pytest.raises(ValueError, match=r'student strides \[4, 8\], teacher strides \[8, 16\]'):
        pair_levels([4, 8], [8, 16])


def test_levels_pair_by_hand():
    assert pair_levels([4, 8], [8, 16], levels=[[1, 0]]) == [(1, 0)]


@pytest.mark.parametrize('levels', [[[0, 2]], [[-1, 0]], [[0]], [0, 1]])
def test_a_pair_that_does_not_exist_is_refused(levels):
    with pytest.raises(ValueError, match='not a \\[student index, teacher index\\]'):
        pair_levels([4, 8], [8, 16], levels=levels)


def test_no_pair_at_all_is_refused():
    with pytest.raises(ValueError, match='levels is empty'):
        pair_levels([4], [4], levels=[])


def test_a_map_on_the_same_grid_is_returned_as_it_is():
    maps = torch.rand(1, 2, 3, 4)
    assert resize_like(maps, torch.rand(1, 5, 3, 4)) is maps


def test_a_coarser_teacher_gets_the_mean_of_two_by_two_cells():
    maps = torch.arange(16.0).view(1, 1, 4, 4)
    resized = resize_like(maps, torch.rand(1, 1, 2, 2))
    # Bilinear without corner alignment: (0 + 1 + 4 + 5) / 4 = 2.5, two further 4.5, ...
    torch.testing.assert_close(resized, torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]]))


class TestATeacherOnLargerImages:
    # Its strides 4, 8, 16 in pixels of a student's images of half the side.
    teacher = (2, 4, 8)

    def test_shift_pairs_one_stride_and_leaves_the_rest_alone(self):
        assert pair_levels((4, 8, 16), self.teacher, pairing='shift') == [(0, 1), (1, 2)]

    def test_shift_pairs_several_maps_of_one_stride_in_their_order(self):
        assert pair_levels((16, 16), (16, 16), pairing='shift') == [(0, 0), (1, 1)]
        with pytest.raises(ValueError, match='finds 1 and 2 levels of stride 16'):
            pair_levels((8, 16), (16, 16), pairing='shift')

    def test_upsample_pairs_one_index(self):
        expected = [(0, 0), (1, 1), (2, 2)]
        assert pair_levels((4, 8, 16), self.teacher, pairing='upsample') == expected

    def test_levels_by_hand_come_first(self):
        pairs = pair_levels((4, 8, 16), self.teacher, [[2, 0]], pairing='shift')
        assert pairs == [(2, 0)]

    def test_nothing_in_common_is_refused_with_the_remedy(self):
        with pytest.raises(ValueError, match=r"\[16\], teacher strides \[8\].*pairing='upsample'"):
            pair_levels((16,), (8,), pairing='shift')

    def test_upsample_of_pyramids_of_two_heights_is_refused(self):
        with pytest.raises(ValueError, match='The feature levels differ'):
            pair_levels((4, 8), self.teacher, pairing='upsample')
