import time

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from mmkd.losses.functional import (
    assigned_levels,
    imitation_mask,
    masked_squared_error,
    pairwise_iou,
)
from tests.references.imitation import imitation_masks


def square_anchors(height, width, stride, sides):
    """One anchor a side and cell, centred on (j * stride, i * stride); (H * W * A, 4)."""
    y, x = torch.meshgrid(
        torch.arange(height) * stride, torch.arange(width) * stride, indexing='ij'
    )
    boxes = [torch.stack([x - s / 2, y - s / 2, x + s / 2, y + s / 2], -1) for s in sides]
    return torch.stack(boxes, dim=2).double().view(-1, 4)


def masks_of(boxes, anchors, sizes, valid=None, strides=(8,), finest_scale=112, **kwargs):
    kwargs = {'psi': 0.5, 'max_over': 'all', **kwargs}
    valid = [torch.ones(len(a), dtype=torch.bool) for a in anchors] if valid is None else valid
    return imitation_mask(
        boxes, anchors, valid, sizes, strides=strides, finest_scale=finest_scale, **kwargs
    )


class TestWorkedExample:
    # methods.md, section 11: 3 x 3 map, stride 8, one 16 x 16 anchor a cell, box (2, 3, 16, 17).
    # The best IoU, 0.674074, is at (1, 1); F = 0.337037; only (2, 1) with 0.386503 exceeds it too.
    anchors = (square_anchors(3, 3, 8, [16]),)
    box = torch.tensor([[2.0, 3.0, 16.0, 17.0]], dtype=torch.float64)
    kept = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=torch.bool)

    def test_mask_keeps_the_two_cells(self):
        assert torch.equal(masks_of(self.box, self.anchors, [(3, 3)])[0], self.kept)

    def test_psi_zero_keeps_every_overlapped_cell_and_psi_one_none(self):
        everywhere = masks_of(self.box, self.anchors, [(3, 3)], psi=0.0)[0]
        nowhere = masks_of(self.box, self.anchors, [(3, 3)], psi=1.0)[0]
        assert everywhere.all() and not nowhere.any()

    def test_squared_error_is_summed_over_channels_and_kept_cells(self):
        # teacher[c, i, j] = (9c + 3i + j) / 10, student 1: 0.36 + 0.09 and 0.09 + 0.36.
        teacher = torch.arange(18, dtype=torch.float64).view(1, 2, 3, 3) / 10
        error = masked_squared_error(torch.ones_like(teacher), teacher, self.kept[None])
        torch.testing.assert_close(error, torch.tensor(0.9, dtype=torch.float64))


class TestAgainstLoops:
    strides = (8, 16, 32)
    sizes = ((8, 12), (4, 6), (2, 3))

    def scene(self, seed, num_boxes):
        rng = np.random.default_rng(seed)
        corners = rng.uniform(-10, 80, (num_boxes, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(1, 70, (num_boxes, 2))], axis=1)
        anchors = [
            square_anchors(*size, s, [2 * s, 3 * s])
            for size, s in zip(self.sizes, self.strides, strict=True)
        ]
        valid = [torch.from_numpy(rng.random(len(a)) > 0.2) for a in anchors]
        return torch.from_numpy(boxes), anchors, valid

    @pytest.mark.parametrize('max_over', ['all', 'level', 'assigned'])
    @pytest.mark.parametrize('seed, num_boxes, psi', [(0, 4, 0.5), (1, 1, 0.8), (2, 9, 0.2)])
    def test_masks_equal_the_reference(self, max_over, seed, num_boxes, psi):
        boxes, anchors, valid = self.scene(seed, num_boxes)
        levels = [
            sum(np.sqrt((b[2] - b[0]) * (b[3] - b[1])) >= 10 * s / 8 for s in self.strides[1:])
            for b in boxes.numpy()
        ]
        expected = imitation_masks(
            boxes.numpy(),
            [a.view(*size, 2, 4).numpy() for a, size in zip(anchors, self.sizes, strict=True)],
            [v.view(*size, 2).numpy() for v, size in zip(valid, self.sizes, strict=True)],
            psi,
            max_over,
            levels,
        )
        masks = masks_of(
            boxes,
            anchors,
            self.sizes,
            valid,
            strides=self.strides,
            finest_scale=10.0,
            psi=psi,
            max_over=max_over,
        )
        for mask, reference in zip(masks, expected, strict=True):
            np.testing.assert_array_equal(mask.numpy(), reference)

    def test_the_three_choices_differ_so_that_the_comparison_can_tell(self):
        boxes, anchors, valid = self.scene(0, 4)
        found = {
            choice: [
                m.tolist()
                for m in masks_of(
                    boxes,
                    anchors,
                    self.sizes,
                    valid,
                    strides=self.strides,
                    finest_scale=10.0,
                    max_over=choice,
                )
            ]
            for choice in ('all', 'level', 'assigned')
        }
        assert found['all'] != found['level'] != found['assigned'] != found['all']


class TestEdges:
    anchors = (square_anchors(3, 3, 8, [16]),)

    def test_no_box_keeps_no_cell(self):
        assert not masks_of(torch.zeros(0, 4).double(), self.anchors, [(3, 3)])[0].any()

    @pytest.mark.parametrize('max_over', ['all', 'level', 'assigned'])
    def test_a_box_that_no_anchor_meets_keeps_no_cell(self, max_over):
        far = torch.tensor([[500.0, 500.0, 520.0, 520.0]], dtype=torch.float64)
        assert not masks_of(far, self.anchors, [(3, 3)], max_over=max_over)[0].any()

    def test_a_box_without_area_keeps_no_cell(self):
        point = torch.tensor([[8.0, 8.0, 8.0, 8.0]], dtype=torch.float64)
        assert not masks_of(point, self.anchors, [(3, 3)])[0].any()

    def test_anchors_in_the_padding_neither_count_nor_set_the_threshold(self):
        box = torch.tensor([[2.0, 3.0, 16.0, 17.0]], dtype=torch.float64)
        valid = torch.ones(9, dtype=torch.bool)
        valid[4] = False  # the best cell; 0.386503 is then the best, F = 0.193252
        mask = masks_of(box, self.anchors, [(3, 3)], [valid])[0]
        # Above F: 0.208556 at (1, 0), 0.298851 at (1, 2), 0.386503 at (2, 1).
        assert mask.nonzero().tolist() == [[1, 0], [1, 2], [2, 1]]


@pytest.mark.parametrize('finest_scale', [4.0, 100.0])
def test_levels_of_one_stride_share_their_boxes_large_and_small(finest_scale):
    # R-FCN's two maps: the rule alone would give a box of side 14 to one of them.
    anchors = square_anchors(3, 3, 8, [16])
    masks = masks_of(
        torch.tensor([[2.0, 3.0, 16.0, 17.0]], dtype=torch.float64),
        [anchors, anchors],
        [(3, 3), (3, 3)],
        strides=(8, 8),
        finest_scale=finest_scale,
        max_over='assigned',
    )
    assert all(torch.equal(mask, TestWorkedExample.kept) for mask in masks)


def test_the_fpn_rule_sends_a_side_of_224_to_stride_16():
    sides = torch.tensor([10.0, 111.0, 112.0, 224.0, 1000.0])
    boxes = torch.stack([torch.zeros(5), torch.zeros(5), sides, sides], dim=1)
    assert assigned_levels(boxes, (4, 8, 16, 32), 56.0).tolist() == [0, 0, 1, 2, 3]


def test_pairwise_iou_equals_torchvisions():
    torch.manual_seed(0)
    boxes, anchors = torch.rand(7, 4) * 50, torch.rand(50, 4) * 50
    boxes[:, 2:] += boxes[:, :2]
    anchors[:, 2:] += anchors[:, :2] + 1
    torch.testing.assert_close(pairwise_iou(boxes, anchors), box_iou(boxes, anchors))
    assert pairwise_iou(boxes[:0], anchors).shape == (0, 50)


def test_masks_of_a_large_image_cost_a_fiftieth_of_the_loops():
    """800x1333, five levels of three anchors; the loops take as long for each of twenty boxes."""
    strides = (4, 8, 16, 32, 64)
    sizes = [(-(-800 // stride), -(-1333 // stride)) for stride in strides]
    anchors = [
        square_anchors(*size, stride, [6 * stride, 8 * stride, 10 * stride])
        for size, stride in zip(sizes, strides, strict=True)
    ]
    corners = torch.rand(20, 2, generator=torch.Generator().manual_seed(0)).double() * 500
    boxes = torch.cat([corners, corners + 40 + corners.flip(0) / 3], dim=1)

    def loops():
        levels = [
            level.view(*size, 3, 4).numpy() for level, size in zip(anchors, sizes, strict=True)
        ]
        valid = [np.ones(level.shape[:3], dtype=bool) for level in levels]
        return imitation_masks(boxes[:1].numpy(), levels, valid, 0.5)

    def timed(function):
        start = time.perf_counter()
        return function(), time.perf_counter() - start

    expected, slow = timed(loops)
    found, _ = timed(lambda: masks_of(boxes[:1], anchors, sizes, strides=strides))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    trained = boxes.float(), [level.float() for level in anchors], sizes
    fast = min(timed(lambda: masks_of(*trained, strides=strides))[1] for _ in range(3))
    assert 20 * slow > 50 * fast
