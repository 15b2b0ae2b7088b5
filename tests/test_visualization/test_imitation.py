import numpy as np
import pytest
from matplotlib.patches import Rectangle

from mmkd.visualization import draw_imitation
from mmkd.visualization.imitation import _DIM, _TINT, mask_overlay

IMAGE = np.full((24, 40, 3), 128, np.uint8)


def test_a_cell_covers_stride_by_stride_pixels():
    mask = np.zeros((3, 5), bool)
    mask[1, 2] = True
    alpha = mask_overlay(mask, 8, (24, 40))[..., 3]
    expected = np.full((24, 40), _DIM)
    expected[8:16, 16:24] = _TINT
    np.testing.assert_array_equal(alpha, expected)


def test_cells_of_the_padding_are_cut_off_and_missing_ones_dimmed():
    alpha = mask_overlay(np.ones((2, 2), bool), 16, (24, 40))[..., 3]
    assert (alpha[:, :32] == _TINT).all() and (alpha[:, 32:] == _DIM).all()


def test_every_level_has_a_panel_that_names_its_share():
    masks = [np.zeros((6, 10), bool), np.ones((3, 5), bool), np.eye(2, 3, dtype=bool)]
    figure = draw_imitation(IMAGE, masks, [4, 8, 16], np.zeros((0, 4)), np.zeros((0, 4)))
    titles = [axes.get_title() for axes in figure.axes if axes.axison]
    assert titles == [
        'stride 4: 0.0% of 6 x 10 cells\nthe image has no object',
        'stride 8: 100.0% of 3 x 5 cells',
        'stride 16: 33.3% of 2 x 3 cells',
    ]


def test_the_fifth_of_five_levels_is_drawn():
    figure = draw_imitation(
        IMAGE, [np.ones((1, 1), bool)] * 5, [4, 8, 16, 32, 64], np.zeros((0, 4)), np.zeros((0, 4))
    )
    assert [bool(axes.images) for axes in figure.axes] == [True] * 5 + [False]


def test_ignored_boxes_differ_in_colour_and_line():
    boxes, ignored = np.array([[1, 2, 9, 10]]), np.array([[20, 4, 30, 12]])
    figure = draw_imitation(IMAGE, [np.ones((3, 5), bool)], [8], boxes, ignored)
    first, second = (p for p in figure.axes[0].patches if isinstance(p, Rectangle))
    assert first.get_bbox().extents.tolist() == [1, 2, 9, 10]
    assert second.get_bbox().extents.tolist() == [20, 4, 30, 12]
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_edgecolor() != second.get_edgecolor()


def test_masks_and_strides_of_different_number_are_refused():
    with pytest.raises(ValueError, match=r'1 masks do not go with strides \[4, 8\]'):
        draw_imitation(IMAGE, [np.ones((1, 1), bool)], [4, 8], np.zeros((0, 4)), np.zeros((0, 4)))


def test_a_cell_lies_around_the_centre_of_its_anchors():
    mask = np.zeros((3, 5), bool)
    mask[1, 2] = mask[2, 4] = True
    alpha = mask_overlay(mask, 8, (24, 40), offset=0.0)[..., 3]
    expected = np.full((24, 40), _DIM)
    expected[4:12, 12:20] = expected[12:20, 28:36] = _TINT  # around (16, 8) and (32, 16)
    np.testing.assert_array_equal(alpha, expected)


def test_a_panel_without_cells_says_why():
    empty, nothing = np.zeros((3, 5), bool), np.zeros((0, 4))
    masks = [empty, np.ones((3, 5), bool)]
    figure = draw_imitation(IMAGE, masks, [8, 8], np.array([[1, 2, 9, 10]]), nothing)
    assert [axes.get_title() for axes in figure.axes] == [
        "stride 8: 0.0% of 3 x 5 cells\nno object of this level's size",
        'stride 8: 100.0% of 3 x 5 cells',
    ]
