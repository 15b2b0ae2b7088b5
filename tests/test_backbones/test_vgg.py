from functools import cache

import pytest
import torch
import torchvision
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import nn

from mmkd.backbones import VGG
from mmkd.compat import checkpoints
from mmkd.registry import MODELS


@pytest.fixture(scope='module')
def torchvision_file(tmp_path_factory):
    """A file as torchvision writes it, of random weights."""

    @cache
    def write(name):
        path = tmp_path_factory.mktemp('zoo') / f'{name}.pth'
        network = getattr(torchvision.models, name)(weights=None, init_weights=False)
        network.classifier = nn.Sequential(nn.Linear(3, 2))  # 470 MB less; backbones have none
        for buffer in network.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
        torch.save(network.state_dict(), path)
        return network, str(path)

    return write


@pytest.mark.parametrize('name, depth, batch_norm', [
    ('vgg11', 11, False), ('vgg16', 16, False), ('vgg13_bn', 13, True), ('vgg19_bn', 19, True),
])  # fmt: skip
def test_torchvisions_weights_give_torchvisions_features(torchvision_file, name, depth, batch_norm):
    network, path = torchvision_file(name)
    model = VGG(
        depth, batch_norm=batch_norm, out_indices=(5,),
        init_cfg=dict(type='Pretrained', checkpoint=path))  # fmt: skip
    model.init_weights()
    image = torch.rand(1, 3, 64, 32)
    with torch.no_grad():
        expected = network.eval().features(image)
        (found,) = model.eval()(image)
    assert found.shape == (1, 512, 2, 1) and torch.equal(found, expected)


def test_the_name_in_torchvisions_zoo_loads_as_a_pretrained_checkpoint(
    torchvision_file, monkeypatch
):
    network, path = torchvision_file('vgg16')
    monkeypatch.setattr(checkpoints, 'load_from_http', lambda url, *_: torch.load(path))
    cfg = dict(
        type='mmkd.VGG',
        depth=16,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg16'),
    )
    model = MODELS.build(cfg)
    model.init_weights()
    found, expected = model.state_dict(), network.state_dict()
    assert found and all(torch.equal(value, expected[name]) for name, value in found.items())
    assert 'vgg16' in mmengine_checkpoint.get_torchvision_models()


@pytest.mark.parametrize('arguments, complaint', [
    (dict(depth=19), r"missing \['features\.16\.weight'"),
    (dict(depth=16, width_divisor=16), r'features\.0\.weight \(64, 3, 3, 3\) for \(4, 3, 3, 3\)'),
    (dict(depth=16, batch_norm=True), r"missing \['features\.1\.weight'"),
    (dict(depth=13), r'features\.14\.weight'),
])  # fmt: skip
def test_weights_that_do_not_fit_are_an_error_and_not_a_warning(
    torchvision_file, arguments, complaint
):
    _, path = torchvision_file('vgg16')
    model = VGG(**arguments, init_cfg=dict(type='Pretrained', checkpoint=path))
    with pytest.raises(ValueError, match=complaint):
        model.init_weights()


def test_a_checkpoint_loaded_after_that_is_not_looked_at_so_hard():
    model = VGG(11, 32)
    model.init_weights()
    model.load_state_dict({}, strict=False)


@pytest.mark.parametrize('divisor', [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize('depth', [11, 13, 16, 19])
def test_outputs_have_the_announced_channels_and_strides(depth, divisor):
    if divisor < 8:  # the wide ones are the same code; one of them is enough
        depth, divisor = 11, 4
    model = VGG(depth, divisor, batch_norm=True, out_indices=range(6))
    maps = model(torch.rand(2, 3, 64, 96))
    widths = [width // divisor for width in (64, 128, 256, 512, 512, 512)]
    assert model.strides == (1, 2, 4, 8, 16, 32) and list(model.out_channels) == widths
    assert [tuple(level.shape) for level in maps] == [
        (2, width, 64 // stride, 96 // stride) for width, stride in zip(widths, model.strides)
    ]
    assert all((level >= 0).all() for level in maps)


def test_parameters_are_those_of_the_paper():
    # Configuration D: 14,714,688 in its convolutions. A batch norm has two a channel.
    count = lambda model: sum(p.numel() for p in model.parameters())  # noqa: E731
    assert count(VGG(16)) == 14_714_688
    channels = 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512
    assert count(VGG(16, batch_norm=True)) == 14_714_688 + 2 * channels
    # VGG-1-32: 2, 4, 8, 16, 16 channels. 3x3 weights and biases by hand:
    weights = 9 * (3 * 2 + 2 * 2 + 2 * 4 + 4 * 4 + 4 * 8 + 2 * 8 * 8 + 8 * 16 + 5 * 16 * 16)
    assert count(VGG(16, 32)) == weights + channels // 32


def test_the_last_pooling_is_kept_only_where_it_is_an_output():
    assert isinstance(VGG(16, 32, out_indices=(4, 5)).features[-1], nn.MaxPool2d)
    assert isinstance(VGG(16, 32).features[-1], nn.ReLU)
    (only,) = VGG(16, 32)(torch.rand(1, 3, 32, 48))
    assert only.shape == (1, 16, 2, 3)


def test_stages_after_the_last_output_are_not_built():
    model = VGG(16, 32, out_indices=(2,))
    assert len([m for m in model.features if isinstance(m, nn.Conv2d)]) == 2 + 2 + 3
    model(torch.rand(1, 3, 16, 16))[0].sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_frozen_stages_neither_learn_nor_move_their_statistics():
    model = VGG(16, 32, batch_norm=True, frozen_stages=2).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
    model(torch.rand(2, 3, 32, 32))[0].sum().backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    # Stages 1 and 2 are four convolutions with batch norm, ReLU and pooling twice: 14 layers.
    assert changed and all(int(name.split('.')[1]) >= 14 for name in changed)
    assert not any(p.requires_grad for p in model.features[:14].parameters())
    assert all(p.requires_grad for p in model.features[14:].parameters())


@pytest.mark.parametrize('stages', [-1, 0])
def test_nothing_is_frozen_by_default(stages):
    assert all(p.requires_grad for p in VGG(11, 32, frozen_stages=stages).parameters())


def test_norm_eval_keeps_the_running_statistics_and_lets_weights_learn():
    model = VGG(11, 32, batch_norm=True, norm_eval=True).train()
    norms = [m for m in model.features if isinstance(m, nn.BatchNorm2d)]
    model(torch.rand(2, 3, 32, 32))
    assert model.training and not any(m.training for m in norms)
    assert all(m.running_mean.eq(0).all() and m.weight.requires_grad for m in norms)


@pytest.mark.parametrize('arguments, complaint', [
    (dict(depth=18), r'depth must be one of \[11, 13, 16, 19\], got 18'),
    (dict(width_divisor=3), 'width_divisor must divide .* got 3'),
    (dict(width_divisor=0), 'width_divisor must divide .* got 0'),
    (dict(width_divisor=128), 'width_divisor must divide .* got 128'),
    (dict(out_indices=()), r'out_indices must be ascending .* got \(\)'),
    (dict(out_indices=(3, 2)), r'got \(3, 2\)'),
    (dict(out_indices=(6,)), r'got \(6,\)'),
    (dict(frozen_stages=6), r'frozen_stages must be in \[-1, 5\]'),
    (dict(frozen_stages=2, out_indices=(0,)), r'frozen_stages must be in \[-1, 1\]'),
])  # fmt: skip
def test_an_argument_out_of_range_is_named(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        VGG(**arguments)
