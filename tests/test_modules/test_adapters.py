import pytest
import torch

from mmkd.modules import ConvAdapter, DeconvAdapter


def test_maps_channels_and_keeps_the_size():
    assert ConvAdapter(2, 5, kernel_size=3)(torch.rand(1, 2, 7, 9)).shape == (1, 5, 7, 9)


def test_weights_stay_within_two_deviations():
    adapter = ConvAdapter(8, 8, kernel_size=3, init_std=1e-4)
    adapter.init_weights()
    assert 0 < adapter.conv.weight.abs().max() <= 2e-4


@pytest.mark.parametrize('relu', [False, True])
def test_only_a_rectified_adapter_is_never_negative(relu):
    torch.manual_seed(0)
    out = ConvAdapter(4, 4, relu=relu)(torch.randn(1, 4, 8, 8))
    assert bool((out >= 0).all()) is relu


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match='kernel_size must be odd and positive, got 2'):
        ConvAdapter(1, 1, kernel_size=2)


class TestDeconvAdapter:
    def test_it_doubles_the_map_each_octave(self):
        for octaves in (1, 2):
            out = DeconvAdapter(3, 5, octaves)(torch.randn(2, 3, 4, 6))
            assert out.shape == (2, 5, 4 * 2**octaves, 6 * 2**octaves)

    def test_it_begins_as_bilinear_interpolation(self):
        adapter = DeconvAdapter(3, 3)
        adapter.init_weights()
        torch.nn.init.dirac_(adapter.conv.weight)
        torch.nn.init.zeros_(adapter.conv.bias)
        level = torch.randn(1, 3, 5, 6)
        expected = torch.nn.functional.interpolate(level, scale_factor=2, mode='bilinear')
        inside = (..., slice(1, -1), slice(1, -1))  # at the border it reads zeros
        torch.testing.assert_close(adapter(level)[inside], expected[inside])

    def test_every_layer_learns(self):
        adapter = DeconvAdapter(3, 5, 2)
        adapter.init_weights()
        adapter(torch.randn(1, 3, 4, 4)).square().sum().backward()
        assert all(parameter.grad.any() for parameter in adapter.parameters())

    def test_no_octave_is_refused(self):
        with pytest.raises(ValueError, match='octaves must be >= 1, got 0'):
            DeconvAdapter(3, 5, 0)
