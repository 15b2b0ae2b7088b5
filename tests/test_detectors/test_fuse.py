import copy
from functools import partial

import pytest
import torch
from mmengine.logging import MMLogger
from torch import nn

from mmkd.detectors.fuse import Speed, fuse_norms
from mmkd.registry import MODELS
from mmkd.testing import (
    demo_batch,
    tiny_c4_faster_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_retinanet_cfg,
)
from mmkd.testing.distill import build_plain, distill_cfg, loss_of

IMAGE = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def count(model, kind):
    return sum(isinstance(layer, kind) for layer in model.modules())


def with_statistics(model):
    """Batch norms as after training."""
    generator = torch.Generator().manual_seed(2)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats:
            for name in ('running_mean', 'bias', 'running_var', 'weight'):
                values = torch.rand(layer.num_features, generator=generator)
                getattr(layer, name).data = values + (name in ('running_var', 'weight'))
    return model.eval().requires_grad_(False)


def mobilenet():
    cfg = tiny_retinanet_cfg()
    cfg.backbone = dict(type='MobileNetV2', out_indices=(2, 4, 6), widen_factor=0.25)
    cfg.neck.update(in_channels=[8, 24, 80], start_level=0, norm_cfg=dict(type='BN'))
    return cfg


def hrnet():
    cfg = tiny_faster_rcnn_cfg()
    channels, stages = (4, 8, 16, 32), {}
    for branches in (1, 2, 3, 4):
        stages[f'stage{branches}'] = dict(
            num_modules=1,
            num_branches=branches,
            block='BASIC' if branches > 1 else 'BOTTLENECK',
            num_blocks=(1,) * branches,
            num_channels=channels[:branches],
        )
    cfg.backbone = dict(type='HRNet', extra=stages)
    cfg.neck.in_channels = list(channels)
    return cfg


@pytest.mark.parametrize('cfg', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg, mobilenet, hrnet])
def test_values_are_those_of_the_unfused_detector(cfg):
    model = with_statistics(build_plain(cfg()))
    state = copy.deepcopy(model.state_dict())
    fast = Speed().of(model)
    parts = [fast.backbone, *([fast.neck] if fast.with_neck else [])]
    assert count(model, nn.BatchNorm2d) and not sum(count(part, nn.BatchNorm2d) for part in parts)
    for got, expected in zip(fast.extract_feat(IMAGE), model.extract_feat(IMAGE), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5 * expected.abs().max())
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in fast.parameters())


def test_the_shared_head_of_rois_is_fused_and_the_heads_are_left_as_they_are():
    model = build_plain(tiny_c4_faster_rcnn_cfg())
    width = model.rpn_head.in_channels
    model.roi_head.shared_head = nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))
    with_statistics(model)
    fast = Speed().of(model)
    assert not count(fast.roi_head.shared_head, nn.BatchNorm2d)
    rois = torch.tensor([[0, 4, 4, 60, 40], [1, 8, 8, 30, 30.0]])
    maps = model.extract_feat(IMAGE)
    got, expected = (m.roi_head._bbox_forward(maps, rois)['cls_score'] for m in (fast, model))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    weights = {id(p) for p in model.rpn_head.parameters()}
    assert weights == {id(p) for p in fast.rpn_head.parameters()}


def sequential(*layers):
    return with_statistics(nn.Sequential(*layers))


@pytest.mark.parametrize(
    'part',
    [
        sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1)),  # the norm comes first
        sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)),
        sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)),
        nn.ModuleDict({'conv': nn.Conv2d(3, 4, 1), 'norm': nn.BatchNorm2d(4)}).eval(),
        sequential(nn.utils.spectral_norm(nn.Conv2d(3, 4, 1)), nn.BatchNorm2d(4)),
    ],
)
def test_what_is_no_pair_for_certain_is_left_as_it_is(part):
    fuse_norms(part)
    assert count(part, nn.BatchNorm2d) == 1


class NormFirst(nn.Module):
    """A block of another package: ResNet's names, the norm before the convolution."""

    norm1_name = 'bn1'

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)


def test_a_block_of_another_package_is_left_as_it_is():
    block = with_statistics(NormFirst())
    fuse_norms(block)
    assert count(block, nn.BatchNorm2d) == 1


METHODS = [dict(type='mmkd.FGFI'), dict(type='mmkd.TwoStageMimic'), dict(type='mmkd.Chen2017')]


def build(folder, **settings):
    """A detector that distils, its teacher's batch norms as after training."""
    cfg = distill_cfg(folder, methods=METHODS)
    cfg.teacher.update(settings)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    with_statistics(model.teacher.model)
    return model


def losses(model):
    """Those of a step."""
    torch.manual_seed(1)
    return dict(model.parse_losses(loss_of(model))[1])


class TestTheTeacherOfATraining:
    def test_losses_are_as_unfused(self, tmp_path):
        plain, fast = build(tmp_path, fuse=False), build(tmp_path)
        torch.testing.assert_close(losses(fast), losses(plain), rtol=1e-5, atol=1e-7)
        assert not count(fast.teacher.answering.backbone, nn.BatchNorm2d)
        assert plain.teacher.answering is plain.teacher.model

    def test_it_follows_the_students_type_and_new_weights(self, tmp_path):
        model = build(tmp_path)
        before = losses(model)['loss_fgfi']
        model.double()
        assert {p.dtype for p in model.teacher.answering.parameters()} == {torch.float64}
        model.float().teacher.load()
        assert losses(model)['loss_fgfi'] != before
        loaded = losses(model)['loss_fgfi']
        with torch.no_grad():
            model.teacher.model.backbone.conv1.weight.mul_(2)
        assert losses(model)['loss_fgfi'] != loaded

    def test_copies_share_it_and_no_checkpoint_holds_it(self, tmp_path):
        model = build(tmp_path)
        keys = list(model.state_dict())
        losses(model)
        assert copy.deepcopy(model).teacher.answering is model.teacher.answering
        assert list(model.state_dict()) == keys

    def test_in_bfloat16_it_answers_in_float32_within_a_hundredth(self, tmp_path):
        plain, half = build(tmp_path), build(tmp_path, dtype='bf16')
        seen = {}
        half.teacher.answering.backbone.register_forward_hook(
            lambda module, args, out: seen.update(dtype=out[0].dtype)
        )
        data = half.data_preprocessor(demo_batch(), True)
        torch.manual_seed(1)
        maps = half.observe(*data.values()).teachers['teacher']
        assert maps.features[0].dtype == torch.float32 == maps.roi_head.cls_score.dtype
        assert seen['dtype'] == torch.bfloat16 and not torch.is_autocast_enabled('cpu')
        expected = plain.observe(*data.values()).teachers['teacher'].features
        for got, one in zip(maps.features, expected, strict=True):
            assert 0 < (got - one).abs().max() < 0.02 * one.abs().max()

    @pytest.mark.parametrize(
        'settings, message',
        [
            (dict(dtype='int8'), "dtype must be one of .* got 'int8'"),
            (dict(fuse='no'), 'fuse must be True or False'),
            (dict(compile=1), 'compile must be True or False'),
        ],
    )
    def test_another_setting_is_refused(self, tmp_path, settings, message):
        with pytest.raises(ValueError, match=message):
            build(tmp_path, **settings)

    def test_a_type_that_the_device_lacks_is_refused_when_training_starts(
        self, tmp_path, monkeypatch
    ):
        def refuse(*args):
            raise RuntimeError('no kernel')

        model = build(tmp_path, dtype='bf16')
        monkeypatch.setattr(nn.functional, 'conv2d', refuse)
        with pytest.raises(ValueError, match="dtype='bf16' is not what cpu computes in .no kernel"):
            model.init_weights()


class TestCompiled:
    @pytest.fixture(autouse=True)
    def backend(self, monkeypatch):
        """Traces as ever and generates no code, which would take a minute."""
        monkeypatch.setattr(torch, 'compile', partial(torch.compile, backend='eager'))

    def test_losses_are_the_same(self, tmp_path):
        plain, fast = losses(build(tmp_path)), losses(build(tmp_path, compile=True))
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-7)

    def test_what_fails_runs_as_it_is_and_the_log_says_so_once(self, tmp_path, monkeypatch):
        def fail(part, **kw):
            def run(*args):
                raise RuntimeError('no compiler')

            return run

        monkeypatch.setattr(torch, 'compile', fail)
        said = []
        monkeypatch.setattr(MMLogger.get_current_instance(), 'warning', said.append)
        plain, model = build(tmp_path), build(tmp_path, compile=True)
        for _ in range(2):
            torch.testing.assert_close(losses(model), losses(plain))
        assert [line for line in said if 'compile' in line] == [
            f'teacher: compile=True: the {part} could not be compiled and runs as it is (no '
            'compiler).'
            for part in ('backbone', 'neck')
        ]


class TestGraph:
    def test_on_a_cpu_it_runs_as_it_is(self, tmp_path):
        assert losses(build(tmp_path, graph=True)) == losses(build(tmp_path))

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
    @pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
    def test_losses_of_several_sizes_are_the_same(self, tmp_path, dtype):
        plain, fast = build(tmp_path).cuda(), build(tmp_path, graph=True).cuda()
        for size in ((64, 96), (96, 64), (64, 96), (64, 96)):
            with torch.autocast('cuda', dtype, dtype != torch.float32):
                found, expected = (loss_of_seed(one, sizes=(size, size)) for one in (fast, plain))
            torch.testing.assert_close(
                found['loss_fgfi'], expected['loss_fgfi'], rtol=1e-2, atol=1e-5
            )
        parts = fast.teacher.answering.backbone, fast.teacher.answering.neck
        assert [len(part._captured) for part in parts] == [2, 2]


def loss_of_seed(model, **batch):
    torch.manual_seed(1)
    return loss_of(model, **batch)
