import numpy as np
import pytest
import torch
from torchvision.ops import roi_align

from mmkd.losses.functional import (
    RegionErrors,
    boxes_to_cells,
    cropped_errors,
    mimic_rows,
    pooled_errors,
)
from tests.references.proposal_mimic import align, crop


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


# Whole, between cells, inside one cell, a line, a point, beside the map on two sides, around it.
ROIS = torch.tensor([
    [0, 8, 16, 24, 32], [1, 9, 3, 30, 21], [1, 17, 18, 19, 20], [0, 4, 8, 28, 8], [1, 16, 8, 16, 8],
    [0, 100, 4, 120, 9], [1, -30, -20, -10, -5], [1, -50, -50, 500, 500], [0, 3, 3, 17, 29],
]).double()  # fmt: skip


def test_cells_are_floor_to_ceil_clipped_and_at_least_one():
    cells = boxes_to_cells(ROIS[:, 1:], 8, (4, 5)).tolist()
    assert cells == [
        [1, 2, 3, 4], [1, 0, 4, 3], [2, 2, 3, 3], [0, 1, 4, 2], [2, 1, 3, 2],
        [4, 0, 5, 2], [0, 0, 1, 1], [0, 0, 5, 4], [0, 0, 3, 4],
    ]  # fmt: skip


def test_cropped_errors_equal_the_regions_in_loops():
    student, teacher = draw(2, 3, 4, 5), draw(2, 3, 4, 5, seed=1)
    found = cropped_errors(student, teacher, ROIS, 8)
    for place, roi in enumerate(ROIS.tolist()):
        ours, theirs = (crop(side.numpy(), roi, 8) for side in (student, teacher))
        assert found.error[place].item() == pytest.approx(((ours - theirs) ** 2).sum(), abs=1e-9)
        assert found.elements[place] == ours.size and found.positions[place] == ours[0].size


def test_the_gradient_of_cropped_errors_counts_a_cell_once_for_each_region():
    student = draw(2, 3, 4, 5).requires_grad_()
    teacher = draw(2, 3, 4, 5, seed=1)
    assert torch.autograd.gradcheck(
        lambda s: cropped_errors(s, teacher, ROIS, 8).error, student
    )  # fmt: skip
    covered = np.zeros((2, 4, 5))
    for image, (x1, y1, x2, y2) in zip(
        ROIS[:, 0].int().tolist(), boxes_to_cells(ROIS[:, 1:], 8, (4, 5)).tolist(), strict=True
    ):
        covered[image, y1:y2, x1:x2] += 1
    cropped_errors(student, teacher, ROIS, 8).error.sum().backward()
    expected = 2 * (student.detach() - teacher) * torch.from_numpy(covered)[:, None]
    torch.testing.assert_close(student.grad, expected)


def test_small_regions_of_large_single_precision_maps_are_exact():
    student, teacher = torch.full((1, 1, 200, 200), 1000.0), torch.zeros(1, 1, 200, 200)
    student[0, 0, 199, 199] = 1e-3
    roi = torch.tensor([[0, 199.0, 199.0, 200.0, 200.0]])
    error = cropped_errors(student, teacher, roi, 1).error
    torch.testing.assert_close(error, torch.tensor([1e-6]), rtol=0, atol=1e-5)


def test_the_pooling_in_loops_is_torchvisions():
    maps = draw(2, 2, 4, 5)
    pooled = roi_align(maps, ROIS, 7, 1 / 8, 2, aligned=True)
    expected = np.stack([align(maps.numpy(), roi, 8) for roi in ROIS.tolist()])
    np.testing.assert_allclose(pooled.numpy(), expected, atol=1e-9)


def test_pooled_errors_sum_each_region():
    student, teacher = draw(3, 4, 2, 2), draw(3, 4, 2, 2, seed=1)
    found = pooled_errors(student, teacher)
    torch.testing.assert_close(found.error, (student - teacher).square().sum(dim=(1, 2, 3)))
    assert found.positions.tolist() == [4.0] * 3 and found.elements.tolist() == [16.0] * 3


def test_half_precision_is_summed_in_single():
    student = torch.full((1, 4096, 1, 1), 4.0, dtype=torch.float16)
    for found in (
        pooled_errors(student, torch.zeros_like(student)),
        cropped_errors(student, torch.zeros_like(student), torch.tensor([[0, 0.0, 0, 1, 1]]), 1),
    ):
        assert found.error.item() == 4096 * 16 and found.error.dtype == torch.float32


# methods.md, section 9: squares sum to 6 over 4 elements in 2 cells, and to 4 over 2 in 1.
ERRORS = RegionErrors(*(torch.tensor(row).double() for row in ([6, 4], [2, 1], [4, 2])))


@pytest.mark.parametrize(
    'normalize, expected', [('none', [6, 4]), ('elements', [1.5, 2]), ('positions', [3, 4])]
)
def test_rows_worked_out_by_hand(normalize, expected):
    assert mimic_rows(ERRORS, normalize).tolist() == expected


def test_an_unknown_divisor_and_two_shapes_are_refused():
    with pytest.raises(ValueError, match="normalize must be one of .*got 'mean'"):
        mimic_rows(ERRORS, 'mean')
    with pytest.raises(ValueError, match='teacher must have the shape of student'):
        pooled_errors(draw(1, 2, 3, 3), draw(1, 1, 3, 3))
    with pytest.raises(ValueError, match='teacher must have the shape of student'):
        cropped_errors(draw(1, 2, 3, 3), draw(1, 1, 3, 3), ROIS[:1], 8)
