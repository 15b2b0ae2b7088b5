import pytest
import torch

from mmkd.modules import ConvAdapter


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
