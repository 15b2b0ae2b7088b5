"""mmcv's operations, called through mmcv's own wrappers, equal torchvision's and plain loops."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.ops as tv_ops

import mmkd.compat  # noqa: F401  isort: skip  first: mmcv.ops needs it
import mmcv.ops
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from mmengine.registry import MODELS

import mmkd.compat.ops as compat_ops

stand_in = pytest.mark.skipif(
    not isinstance(sys.modules['mmcv._ext'], compat_ops.TorchvisionExtension),
    reason='mmcv is compiled here',
)


def boxes_and_scores(num=60, device='cpu', dtype=torch.float32):
    rng = torch.Generator().manual_seed(0)
    corner = torch.rand(num, 2, generator=rng) * 40
    boxes = torch.cat([corner, corner + 4 + torch.rand(num, 2, generator=rng) * 20], dim=1)
    return boxes.to(device, dtype), torch.rand(num, generator=rng).to(device, dtype)


def greedy_nms(boxes, scores, threshold, offset):
    """Indices by the definition, in float64."""
    boxes, order, kept = boxes.double().tolist(), scores.argsort(descending=True).tolist(), []

    def iou(a, b):
        width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
        height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
        areas = sum((x[2] - x[0] + offset) * (x[3] - x[1] + offset) for x in (a, b))
        return width * height / (areas - width * height)

    for index in order:
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def feature_and_rois(device, dtype=torch.float64):
    rng = torch.Generator().manual_seed(1)
    feature = torch.randn(2, 3, 9, 11, generator=rng).to(device, dtype)
    rois = torch.tensor(
        [[0, 4.0, 6.0, 30.0, 29.0], [1, 0.0, 0.0, 43.0, 35.0], [1, 12.0, 8.0, 13.0, 9.0]]
    )
    return feature.requires_grad_(), rois.to(device, dtype)


def value_and_gradients(function, inputs, seed=2):
    """The output of ``function`` and the gradients of a fixed random projection of it."""
    inputs = [t.detach().clone().requires_grad_() for t in inputs]
    output = function(*inputs)
    rng = torch.Generator().manual_seed(seed)
    grad = torch.randn(output.shape, generator=rng).to(output)
    return [output.detach(), *torch.autograd.grad(output, inputs, grad)]


class TestSuppression:
    @pytest.mark.parametrize('offset', [0, 1])
    def test_nms_keeps_what_the_definition_keeps(self, device, offset):
        boxes, scores = boxes_and_scores(device=device)
        dets, kept = mmcv.ops.nms(boxes, scores, 0.4, offset=offset)
        assert kept.tolist() == greedy_nms(boxes, scores, 0.4, offset)
        assert 1 < len(kept) < len(boxes)
        torch.testing.assert_close(dets, torch.cat([boxes, scores[:, None]], dim=1)[kept])

    def test_the_offset_changes_the_answer_on_small_boxes(self):
        # Widths 2 and 2, one pixel apart: IoU 2/6 by continuous and 6/12 by inclusive ends.
        boxes, scores = (
            torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]]),
            torch.tensor([0.9, 0.8]),
        )
        assert len(mmcv.ops.nms(boxes, scores, 0.4, offset=0)[1]) == 2
        assert len(mmcv.ops.nms(boxes, scores, 0.4, offset=1)[1]) == 1

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
    def test_nms_takes_scores_of_another_precision(self, device, dtype):
        boxes, scores = boxes_and_scores(device=device)
        kept = mmcv.ops.nms(boxes, scores.to(dtype), 0.4)[1]
        assert kept.tolist() == greedy_nms(boxes, scores.to(dtype), 0.4, 0)

    def test_nms_of_no_boxes_keeps_none(self, device):
        dets, kept = mmcv.ops.nms(
            torch.zeros(0, 4, device=device), torch.zeros(0, device=device), 0.5
        )
        assert dets.shape == (0, 5) and kept.shape == (0,) and kept.dtype == torch.long

    def test_nms_filters_by_score_and_number(self):
        boxes, scores = boxes_and_scores()
        kept = mmcv.ops.nms(boxes, scores, 0.4, score_threshold=0.3, max_num=5)[1]
        valid = [i for i in greedy_nms(boxes, scores, 0.4, 0) if scores[i] > 0.3]
        assert kept.tolist() == valid[:5]

    def test_batched_nms_equals_torchvision(self, device):
        boxes, scores = boxes_and_scores(device=device)
        classes = torch.arange(len(boxes), device=device) % 3
        kept = mmcv.ops.batched_nms(boxes, scores, classes, dict(type='nms', iou_threshold=0.4))[1]
        assert kept.tolist() == tv_ops.batched_nms(boxes, scores, classes, 0.4).tolist()

    def test_nms_takes_numpy_arrays(self):
        boxes, scores = boxes_and_scores()
        dets, kept = mmcv.ops.nms(boxes.numpy(), scores.numpy(), 0.4)
        assert isinstance(dets, np.ndarray)
        assert kept.tolist() == greedy_nms(boxes, scores, 0.4, 0)

    @pytest.mark.parametrize(
        'method, second',
        [('naive', None), ('linear', 0.8 * (1 - 0.5)), ('gaussian', 0.8 * np.exp(-0.25 / 0.5))],
    )
    def test_soft_nms_decays_the_overlapping_box(self, method, second):
        # The second box overlaps the first with IoU 0.5; the third overlaps none.
        boxes = torch.tensor(
            [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0], [50.0, 50.0, 60.0, 60.0]]
        )
        scores = torch.tensor([0.9, 0.8, 0.7])
        dets, kept = mmcv.ops.soft_nms(boxes, scores, 0.3, sigma=0.5, method=method)
        assert kept.tolist() == ([0, 2] if second is None else [0, 2, 1])
        assert dets[:2, 4].tolist() == pytest.approx([0.9, 0.7])
        if second is not None:
            assert dets[2].tolist() == pytest.approx([0, 0, 10, 5, second])

    def test_nms_match_groups_the_suppressed_with_their_keeper(self):
        boxes = torch.tensor(
            [
                [0.0, 0.0, 10.0, 10.0, 0.8],
                [50.0, 50.0, 60.0, 60.0, 0.7],
                [0.0, 0.0, 10.0, 5.0, 0.6],
                [0.0, 0.0, 10.0, 10.0, 0.9],
            ]
        )
        groups = mmcv.ops.nms_match(boxes, 0.5)
        assert [group.tolist() for group in groups] == [[3, 0, 2], [1]]


class TestOverlaps:
    # Areas 4 and 2, intersection 1; the pair (1, 0) does not touch.
    first = torch.tensor([[0.0, 0.0, 2.0, 2.0], [10.0, 10.0, 12.0, 12.0]])
    second = torch.tensor([[1.0, 1.0, 3.0, 2.0], [10.0, 10.0, 12.0, 12.0]])

    @pytest.mark.parametrize('mode, expected', [('iou', 1 / 5), ('iof', 1 / 4)])
    def test_value_by_hand(self, device, mode, expected):
        first, second = self.first.to(device), self.second.to(device)
        table = mmcv.ops.bbox_overlaps(first, second, mode=mode)
        torch.testing.assert_close(table.cpu(), torch.tensor([[expected, 0.0], [0.0, 1.0]]))
        pairs = mmcv.ops.bbox_overlaps(first, second, mode=mode, aligned=True)
        torch.testing.assert_close(pairs.cpu(), torch.tensor([expected, 1.0]))

    def test_offset_counts_inclusive_pixels(self):
        # 3x3 and 3x2 pixels, 2x2 of them shared: 4 / (9 + 6 - 4).
        value = mmcv.ops.bbox_overlaps(self.first, self.second, offset=1)[0, 0]
        assert value == pytest.approx(4 / 11)

    def test_a_degenerate_box_divides_like_mmcv(self):
        # With offset 1 mmcv bounds the divisor from below by 1; width -1 + 1 has area 0.
        empty = torch.tensor([[5.0, 5.0, 4.0, 4.0]])
        assert mmcv.ops.bbox_overlaps(empty, empty, offset=1).item() == 0


class TestRoIPooling:
    @pytest.mark.parametrize('aligned', [True, False])
    @pytest.mark.parametrize('sampling_ratio', [0, 2])
    def test_roi_align_equals_torchvision(self, device, aligned, sampling_ratio):
        feature, rois = feature_and_rois(device)
        layer = mmcv.ops.RoIAlign((3, 4), 0.25, sampling_ratio, aligned=aligned)
        found = value_and_gradients(lambda x: layer(x, rois), [feature])
        wanted = value_and_gradients(
            lambda x: tv_ops.roi_align(x, rois, (3, 4), 0.25, sampling_ratio, aligned), [feature]
        )
        torch.testing.assert_close(found, wanted)

    def test_roi_align_averages_a_constant_to_itself(self):
        layer = mmcv.ops.RoIAlign(2, 1.0, 2)
        pooled = layer(torch.full((1, 1, 8, 8), 3.0), torch.tensor([[0.0, 1.0, 1.0, 6.0, 6.0]]))
        torch.testing.assert_close(pooled, torch.full((1, 1, 2, 2), 3.0))

    def test_roi_pool_equals_torchvision(self, device):
        feature, rois = feature_and_rois(device)
        layer = mmcv.ops.RoIPool((3, 4), 0.25)
        found = value_and_gradients(lambda x: layer(x, rois), [feature])
        wanted = value_and_gradients(lambda x: tv_ops.roi_pool(x, rois, (3, 4), 0.25), [feature])
        torch.testing.assert_close(found, wanted)

    @pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
    def test_sixteen_bit_features_give_sixteen_bit_results(self, device, dtype):
        feature, rois = feature_and_rois(device, torch.float32)
        half, half_rois = feature.detach().to(dtype), rois.to(dtype)
        for layer in (mmcv.ops.RoIAlign(3, 0.25), mmcv.ops.RoIPool(3, 0.25)):
            found = value_and_gradients(lambda x, f=layer: f(x, half_rois), [half])
            wanted = value_and_gradients(lambda x, f=layer: f(x, half_rois.float()), [half.float()])
            assert all(t.dtype == dtype for t in found)
            torch.testing.assert_close(found[0].float(), wanted[0], atol=0.03, rtol=0.02)

    def test_no_roi_pools_to_nothing_and_backpropagates_zero(self, device):
        feature, rois = feature_and_rois(device)
        for layer in (mmcv.ops.RoIAlign(3, 0.25), mmcv.ops.RoIPool(3, 0.25)):
            pooled, grad = value_and_gradients(lambda x, f=layer: f(x, rois[:0]), [feature])
            assert pooled.shape == (0, 3, 3, 3) and not grad.any()

    @stand_in
    def test_max_mode_names_itself_and_the_remedy(self):
        layer = mmcv.ops.RoIAlign(3, 0.25, pool_mode='max')
        with pytest.raises(NotImplementedError, match="pool_mode='max'.*compiled mmcv"):
            layer(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5))


def deformable_inputs(device, groups, offset_groups, batch=2):
    rng = torch.Generator().manual_seed(3)

    def draw(*shape):
        return torch.randn(*shape, generator=rng).to(device, torch.float64)

    # 3x3 kernel, stride 2, padding 1 and dilation 1 of 8x10: 4x5 outputs.
    return (
        draw(batch, 4, 8, 10),
        draw(batch, offset_groups * 18, 4, 5),
        draw(batch, offset_groups * 9, 4, 5).sigmoid(),
        draw(6, 4 // groups, 3, 3),
        draw(6),
    )


class TestDeformableConvolutions:
    @pytest.mark.parametrize('groups, offset_groups', [(1, 1), (2, 1), (1, 2)])
    def test_the_first_version_equals_torchvision(self, device, groups, offset_groups):
        x, offset, _, weight, _ = deformable_inputs(device, groups, offset_groups)
        found = value_and_gradients(
            lambda *t: mmcv.ops.deform_conv2d(*t, 2, 1, 1, groups, offset_groups),
            [x, offset, weight],
        )
        wanted = value_and_gradients(
            lambda x, o, w: tv_ops.deform_conv2d(x, o, w, stride=2, padding=1), [x, offset, weight]
        )
        torch.testing.assert_close(found, wanted)

    @pytest.mark.parametrize('with_bias', [True, False])
    @pytest.mark.parametrize('groups, offset_groups', [(1, 1), (2, 1), (1, 2)])
    def test_the_modulated_one_equals_torchvision(self, device, groups, offset_groups, with_bias):
        x, offset, mask, weight, bias = deformable_inputs(device, groups, offset_groups)
        inputs = [x, offset, mask, weight] + [bias] * with_bias
        found = value_and_gradients(
            lambda x, o, m, w, b=None: mmcv.ops.modulated_deform_conv2d(
                x, o, m, w, b, 2, 1, 1, groups, offset_groups
            ),
            inputs,
        )
        wanted = value_and_gradients(
            lambda x, o, m, w, b=None: tv_ops.deform_conv2d(
                x, o, w, b, stride=2, padding=1, mask=m
            ),
            inputs,
        )
        torch.testing.assert_close(found, wanted)

    @pytest.mark.parametrize('kind', ['DCN', 'DCNv2'])
    def test_without_offsets_a_registered_layer_is_a_convolution(self, device, kind):
        # Both packs start with zero offsets; the mask of DCNv2 starts at sigmoid(0) = 1/2.
        torch.manual_seed(0)
        layer = MODELS.build(
            dict(type=kind, in_channels=4, out_channels=6, kernel_size=3, padding=1, bias=False)
        ).to(device)
        x = torch.randn(2, 4, 7, 7, device=device)
        factor = {'DCN': 1, 'DCNv2': 0.5}[kind]
        torch.testing.assert_close(
            layer(x), factor * F.conv2d(x, layer.weight, padding=1), atol=1e-5, rtol=1e-5
        )

    def test_unequal_height_and_width_settings_are_not_swapped(self):
        torch.manual_seed(0)
        layer = mmcv.ops.DeformConv2d(2, 3, (3, 1), stride=(2, 1), padding=(1, 0), dilation=(1, 2))
        x = torch.randn(1, 2, 9, 6)
        wanted = F.conv2d(x, layer.weight, stride=(2, 1), padding=(1, 0), dilation=(1, 2))
        found = layer(x, torch.zeros(1, 2 * 3, *wanted.shape[2:]))
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


class TestFocalLoss:
    logits = torch.tensor(
        [[0.5, -2.0, 3.0], [1.0, 0.1, -0.3], [-4.0, 2.0, 0.7]], dtype=torch.float64
    )
    target = torch.tensor([0, 3, 2])  # 3 is background

    def written_out(self, logits, gamma, alpha, weight=None):
        positive = F.one_hot(self.target.to(logits.device), 4)[:, :3].to(logits)
        p = logits.sigmoid()
        loss = -(
            positive * alpha * (1 - p) ** gamma * p.log()
            + (1 - positive) * (1 - alpha) * p**gamma * (1 - p).log()
        )
        return loss if weight is None else loss * weight[self.target][:, None]

    @pytest.mark.parametrize('gamma, alpha', [(2.0, 0.25), (0.5, 0.5), (0.0, 0.75), (1.0, 0.4)])
    def test_value_and_gradient_equal_the_formula(self, device, gamma, alpha):
        logits, target = self.logits.to(device), self.target.to(device)
        found = value_and_gradients(
            lambda x: mmcv.ops.sigmoid_focal_loss(x, target, gamma, alpha, None, 'none'), [logits]
        )
        wanted = value_and_gradients(lambda x: self.written_out(x, gamma, alpha), [logits])
        torch.testing.assert_close(found, wanted)

    def test_mean_divides_by_rows(self):
        total = mmcv.ops.sigmoid_focal_loss(self.logits, self.target, 2.0, 0.25, None, 'sum')
        mean = mmcv.ops.sigmoid_focal_loss(self.logits, self.target, 2.0, 0.25, None, 'mean')
        torch.testing.assert_close(mean, total / 3)

    def test_class_weights_multiply_rows(self):
        weight, target = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), torch.tensor([0, 1, 2])
        plain = mmcv.ops.sigmoid_focal_loss(self.logits, target, 2.0, 0.25, None, 'none')
        weighted = mmcv.ops.sigmoid_focal_loss(self.logits, target, 2.0, 0.25, weight, 'none')
        torch.testing.assert_close(weighted, plain * weight[:, None])

    def test_gradient_is_finite_where_the_prediction_is_certain(self):
        logits = torch.tensor([[60.0, -60.0]], requires_grad=True)
        mmcv.ops.sigmoid_focal_loss(logits, torch.tensor([0]), 0.5, 0.25, None, 'sum').backward()
        assert torch.isfinite(logits.grad).all() and logits.grad.abs().max() < 1e-6


class TestDeformableAttention:
    def test_value_and_gradient_equal_the_grid_sample_version(self, device):
        rng = torch.Generator().manual_seed(4)
        shapes = torch.tensor([[4, 5], [2, 3]], device=device)
        starts = torch.tensor([0, 20], device=device)
        value = torch.randn(2, 26, 2, 3, generator=rng).to(device)
        places = torch.rand(2, 7, 2, 2, 4, 2, generator=rng).to(device)
        weights = torch.rand(2, 7, 2, 2, 4, generator=rng).to(device)
        found = value_and_gradients(
            lambda v, p, w: MultiScaleDeformableAttnFunction.apply(v, shapes, starts, p, w, 64),
            [value, places, weights],
        )
        wanted = value_and_gradients(
            lambda v, p, w: multi_scale_deformable_attn_pytorch(v, shapes, p, w),
            [value, places, weights],
        )
        torch.testing.assert_close(found, wanted)


@stand_in
class TestStandIn:
    def test_an_operation_without_counterpart_imports_and_raises_when_called(self):
        layer = mmcv.ops.CARAFE(3, 1, 2)
        with pytest.raises(NotImplementedError, match='carafe_forward needs the compiled mmcv'):
            layer(torch.zeros(1, 2, 4, 4), torch.zeros(1, 9, 8, 8))

    def test_every_name_that_the_host_asks_for_is_callable(self):
        extension = sys.modules['mmcv._ext']
        assert callable(extension.nms_rotated) and callable(extension.softmax_focal_loss_forward)

    def test_names_of_the_import_system_are_not_invented(self):
        assert not hasattr(sys.modules['mmcv._ext'], '__path__')

    def test_the_report_of_the_environment_says_whose_kernels_run(self):
        assert 'torchvision' in mmcv.ops.get_compiler_version()
        assert 'torchvision' in mmcv.ops.get_compiling_cuda_version()

    def test_installing_twice_changes_nothing(self):
        before = sys.modules['mmcv._ext']
        assert compat_ops.install() is False
        assert sys.modules['mmcv._ext'] is before


@pytest.mark.slow
def test_a_compiled_mmcv_wins(tmp_path):
    # A stand-in for the shared library: it has every name.
    (tmp_path / '_ext.py').write_text(
        textwrap.dedent("""
        def __getattr__(name):
            if name.startswith('__'):
                raise AttributeError(name)
            return 'compiled'
    """)
    )
    script = textwrap.dedent(f"""
        import mmcv
        mmcv.__path__.append({str(tmp_path)!r})
        import mmkd.compat
        from importlib import import_module
        print(import_module('mmcv.ops.nms').ext_module.nms)
    """)
    run = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert run.stdout.strip().endswith('compiled'), run.stderr
