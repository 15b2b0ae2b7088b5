"""Levels paired, resized and adapted: which layer each pair gets, and what comes out of it."""

import pytest
import torch
from torch import nn

from mmkd.losses import ImitationLoss
from mmkd.modules import ConvAdapter, DeconvAdapter, FeatureAligner
from mmkd.testing.observations import info_of

STRIDES = (8, 16, 32)


def maps(*channels, strides=STRIDES, seed=0):
    """A level for each number of channels, of images of 64 x 96 pixels."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, number, 64 // stride, 96 // stride, generator=generator)
        for number, stride in zip(channels, strides, strict=True)
    ]


def info(levels, strides=STRIDES, **changes):
    return info_of(levels, strides, **changes).features


class TestPairing:
    def test_equal_strides_pair_one_to_one(self):
        assert FeatureAligner().pair(STRIDES, STRIDES) == [(0, 0), (1, 1), (2, 2)]

    def test_levels_by_hand_keep_their_order(self):
        aligner = FeatureAligner(levels=[[2, 1], [0, 0]])
        assert aligner.pair(STRIDES, STRIDES) == [(2, 1), (0, 0)]

    @pytest.mark.parametrize('pairing, expected', [
        ('shift', [(0, 1), (1, 2)]), ('upsample', [(0, 0), (1, 1), (2, 2)]),
    ])  # fmt: skip
    def test_a_teacher_on_larger_images_is_paired_as_it_says(self, pairing, expected):
        assert FeatureAligner().pair(STRIDES, (4, 8, 16), pairing) == expected
        assert FeatureAligner(levels=[[2, 2]]).pair(STRIDES, (4, 8, 16), pairing) == [(2, 2)]

    def test_other_strides_are_refused(self):
        with pytest.raises(ValueError, match=r'student strides \[8, 16, 32\], teacher strides'):
            FeatureAligner().pair(STRIDES, (4, 8, 16))


class TestTheLayers:
    def test_one_a_pair_from_the_students_to_the_teachers_channels_in_the_order_of_the_pairs(self):
        student, teacher = maps(2, 3, 4), maps(5, 6, 7)
        layers = FeatureAligner().build(info(student), info(teacher), [(2, 0), (0, 2), (1, 1)])
        shapes = [tuple(layer.conv.weight.shape) for layer in layers]
        assert shapes == [(5, 4, 1, 1), (7, 2, 1, 1), (6, 3, 1, 1)]
        assert {type(layer) for layer in layers} == {ConvAdapter}

    def test_each_maps_its_own_pair_onto_the_teachers_grid(self):
        student, teacher, pairs = maps(2, 3, 4), maps(5, 6, 7), [(2, 0), (0, 2), (1, 1)]
        aligner = FeatureAligner()
        layers = aligner.build(info(student), info(teacher), pairs)
        adapted, targets = aligner(layers, student, teacher, pairs)
        assert all(target is teacher[j] for target, (_, j) in zip(targets, pairs, strict=True))
        for layer, found, (i, j) in zip(layers, adapted, pairs, strict=True):
            on_grid = nn.functional.interpolate(
                student[i], size=teacher[j].shape[-2:], mode='bilinear'
            )
            torch.testing.assert_close(found, layer(on_grid))

    def test_the_arguments_are_those_of_the_setting(self):
        adapter = dict(type='mmkd.ConvAdapter', kernel_size=3, init_std=0.01)
        levels = maps(2, 3, 4)
        layer, *_ = FeatureAligner(adapter).build(info(levels), info(levels), [(1, 2)])
        assert layer.conv.kernel_size == (3, 3) and layer.init_std == 0.01

    @pytest.mark.parametrize('kind', ['mmkd.ConvAdapter', 'ConvAdapter', ConvAdapter])
    def test_the_type_is_a_name_with_or_without_scope_or_the_class(self, kind):
        levels = maps(2, 3, 4)
        aligner = FeatureAligner(dict(type=kind))
        assert type(aligner.build(info(levels), info(levels), [(0, 0)])[0]) is ConvAdapter

    @pytest.mark.parametrize('setting, expected', [
        (dict(relu=None), [nn.ReLU, nn.Identity, nn.ReLU]),
        (dict(relu=True), [nn.ReLU] * 3),
        (dict(relu=False), [nn.Identity] * 3),
        ({}, [nn.Identity] * 3),
    ])  # fmt: skip
    def test_relu_follows_the_teachers_map_where_it_is_none(self, setting, expected):
        student, teacher = maps(2, 3, 4), maps(5, 6, 7)
        aligner = FeatureAligner(dict(type='mmkd.ConvAdapter', **setting))
        described = info(teacher, rectified=(True, False, True))
        layers = aligner.build(info(student), described, [(0, 0), (1, 1), (2, 2)])
        assert [type(layer.relu) for layer in layers] == expected
        # Of the teacher's level of the pair, not of the student's.
        layers = aligner.build(info(student), described, [(0, 1), (1, 2), (2, 0)])
        swapped = [expected[1], expected[2], expected[0]]
        assert [type(layer.relu) for layer in layers] == swapped


class TestLayersThatEnlarge:
    setting = dict(type='mmkd.DeconvAdapter')

    @pytest.mark.parametrize('times', [2, 4])
    def test_double_the_map_as_often_as_the_strides_say(self, times):
        strides = tuple(stride // times for stride in STRIDES)
        student, teacher = maps(2, 3, 4), maps(5, 6, 7, strides=strides)
        aligner, pairs = FeatureAligner(self.setting), [(1, 1), (0, 0)]
        layers = aligner.build(info(student), info(teacher, strides), pairs)
        assert {type(layer) for layer in layers} == {DeconvAdapter}
        assert [len(layer.deconvs) for layer in layers] == [times.bit_length() - 1] * 2
        adapted, targets = aligner(layers, student, teacher, pairs)
        for layer, found, target, (i, _) in zip(layers, adapted, targets, pairs, strict=True):
            assert found.shape == target.shape
            assert torch.equal(found, layer(student[i]))  # not resized before

    def test_each_pair_has_octaves_of_its_own(self):
        student, teacher = maps(2, 3, 4), maps(5, 6, 7, strides=(2, 4, 16))
        layers = FeatureAligner(self.setting).build(
            info(student), info(teacher, (2, 4, 16)), [(0, 0), (2, 2)]
        )
        assert [len(layer.deconvs) for layer in layers] == [2, 1]

    def test_an_odd_cell_of_padding_is_mended(self):
        student, teacher = [torch.randn(1, 2, 3, 4)], [torch.randn(1, 5, 5, 8)]
        aligner = FeatureAligner(self.setting)
        layers = aligner.build(info(student, (16,)), info(teacher, (8,)), [(0, 0)])
        (found,), _ = aligner(layers, student, teacher, [(0, 0)])
        assert found.shape == teacher[0].shape

    @pytest.mark.parametrize('strides', [(8, 16, 32), (16, 32, 64), (3, 16, 32)])
    def test_are_refused_where_the_strides_are_no_doubling(self, strides):
        levels = maps(2, 3, 4)
        message = rf"DeconvAdapter .* stride 8 is compared with {strides[0]} .*pairing='upsample'"
        with pytest.raises(ValueError, match=message):
            FeatureAligner(self.setting).build(info(levels), info(levels, strides), [(0, 0)])


@pytest.mark.parametrize('adapter, message', [
    ('conv', r"adapter must be a dict with type, .*ConvAdapter.* got 'conv'"),
    (dict(kernel_size=3), r'adapter must be a dict with type, .*kernel_size'),
    (dict(type='mmkd.ConvAdaptor'), r"adapter: type 'mmkd.ConvAdaptor' is not registered"),
    (dict(type='mmkd.ConvAdapter', kernel=3), r"adapter: ConvAdapter has no argument 'kernel'"),
    (dict(type='mmkd.ImitationRegion'), r'adapter: ImitationRegion .* no forward\(\)'),
    (dict(type='mmkd.Quantizer'), r'adapter: Quantizer .* __init__\(in_channels, out_channels\)'),
])  # fmt: skip
def test_what_is_no_layer_is_refused(adapter, message):
    with pytest.raises(ValueError, match=message):
        FeatureAligner(adapter)


class TestFewCells:
    """Kept cells alone give what whole maps give, and the same gradients."""

    @pytest.mark.parametrize('kernel, relu', [(1, False), (3, True), (5, False)])
    @pytest.mark.parametrize('share', [0.0, 0.05, 0.15])
    def test_they_are_those_of_whole_maps(self, kernel, relu, share):
        generator = torch.Generator().manual_seed(1)
        student = torch.randn(2, 3, 7, 9, dtype=torch.double, generator=generator)
        teacher = torch.randn(2, 4, 7, 9, dtype=torch.double, generator=generator)
        mask = torch.rand(2, 7, 9, generator=generator) < share
        if share:  # windows that reach over every border
            mask[0, 0, 0] = mask[1, 6, 8] = True
        layers = nn.ModuleList([ConvAdapter(3, 4, kernel, relu)]).double()
        student.requires_grad_()

        def loss_of(maps, targets, masks):
            loss = ImitationLoss()(student=maps, teacher=targets, mask=masks)
            return loss, torch.autograd.grad(loss, [student, *layers.parameters()])

        aligner, pairs = FeatureAligner(), [(0, 0)]
        whole = loss_of(*aligner(layers, [student], [teacher], pairs), [mask])
        maps, targets, masks = aligner.at_cells(layers, [student], [teacher], pairs, [mask])
        assert maps[0].shape == targets[0].shape == (1, 4, 1, mask.sum())
        assert masks[0].shape == (1, 1, mask.sum())
        torch.testing.assert_close(loss_of(maps, targets, masks), whole, rtol=1e-12, atol=1e-15)

    def test_another_grid_is_resized_first(self):
        student, teacher = torch.randn(1, 3, 4, 6), torch.randn(1, 4, 8, 12)
        layers, mask = nn.ModuleList([ConvAdapter(3, 4, 3)]), torch.rand(1, 8, 12) < 0.2
        (whole,), _ = FeatureAligner()(layers, [student], [teacher], [(0, 0)])
        (few,), *_ = FeatureAligner().at_cells(layers, [student], [teacher], [(0, 0)], [mask])
        torch.testing.assert_close(few[0, :, 0].t(), whole.permute(0, 2, 3, 1)[mask])

    @pytest.mark.parametrize('layer', [ConvAdapter(3, 4, 3), DeconvAdapter(3, 4)])
    def test_many_cells_and_other_layers_keep_their_maps(self, layer):
        size = (16, 12) if isinstance(layer, DeconvAdapter) else (8, 6)
        student, teacher = torch.randn(2, 3, 8, 6), torch.randn(2, 4, *size)
        mask = torch.ones(2, *size, dtype=torch.bool)
        if isinstance(layer, DeconvAdapter):
            mask[:] = False
        layers = nn.ModuleList([layer])
        maps, targets, masks = FeatureAligner().at_cells(
            layers, [student], [teacher], [(0, 0)], [mask]
        )
        assert maps[0].shape == teacher.shape and targets[0] is teacher and masks[0] is mask
