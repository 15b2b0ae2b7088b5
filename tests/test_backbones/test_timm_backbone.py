import sys

import pytest
import torch
from torch import nn

from mmkd.backbones import TimmBackbone
from mmkd.registry import MODELS

THIN = dict(model_name='inception_next_atto', depths=(1, 1, 2, 1), dims=(8, 16, 32, 64))


def test_without_timm_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ImportError, match=r"needs timm .*pip install 'mmkd\[timm\]'"):
        TimmBackbone('inception_v3')


class TestWithTimm:
    @pytest.fixture(autouse=True)
    def timm(self):
        return pytest.importorskip('timm', reason='the extra mmkd[timm] is not installed')

    def test_an_inception_like_network_is_as_thin_as_asked(self):
        model = MODELS.build(dict(type='mmkd.TimmBackbone', **THIN))
        assert model.out_channels == (8, 16, 32, 64) and model.strides == (4, 8, 16, 32)
        maps = model(torch.rand(2, 3, 64, 96))
        assert [tuple(m.shape[1:]) for m in maps] == [
            (8, 16, 24), (16, 8, 12), (32, 4, 6), (64, 2, 3)]  # fmt: skip
        assert sum(p.numel() for p in model.parameters()) < 60_000

    def test_outputs_are_chosen_and_the_rest_is_not_built(self):
        model = TimmBackbone(**THIN, out_indices=(1, 2))
        assert model.out_channels == (16, 32) and model.strides == (8, 16)
        sum(level.sum() for level in model(torch.rand(2, 3, 64, 64))).backward()
        assert all(p.grad is not None for p in model.parameters())

    def test_initialising_a_detector_leaves_what_timm_has_drawn(self):
        model = TimmBackbone(**THIN)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        model.init_weights()
        assert all(value.equal(before[name]) for name, value in model.state_dict().items())

    def test_norm_eval_keeps_the_running_statistics(self):
        model = TimmBackbone(**THIN, norm_eval=True).train()
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        assert norms and model.training and not any(m.training for m in norms)

    @pytest.mark.parametrize('arguments, size', [
        (dict(model_name='vit_tiny_patch16_224', depth=3), (224, 224)),
        (dict(model_name='vit_tiny_patch16_224', depth=3, img_size=(64, 96)), (64, 96)),
        (THIN, None),
    ])  # fmt: skip
    def test_a_network_of_one_image_size_names_it(self, arguments, size):
        model = TimmBackbone(**arguments)
        assert model.img_size == size
        model(torch.rand(1, 3, *(size or (32, 64))))

    @pytest.mark.parametrize('arguments, complaint', [
        (dict(model_name='inception_v9'), r"no such network; close names are \['inception_"),
        (dict(model_name='inceptionnext'), r"close names are \['inception_next"),
        (dict(model_name='inception_v3', dims=(8,)), 'builds no maps of it with'),
        (dict(THIN, out_indices=(9,)), r"builds no maps of it with .*'out_indices': \(9,\)"),
    ])  # fmt: skip
    def test_what_timm_cannot_build_is_named(self, arguments, complaint):
        with pytest.raises(ValueError, match=complaint):
            TimmBackbone(**arguments)
