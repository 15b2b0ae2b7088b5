import pytest
import torch

from mmkd.losses.functional import quantize
from mmkd.modules import Quantizer
from mmkd.registry import MODELS


def test_it_is_the_formula_without_parameters():
    module = MODELS.build(dict(type='mmkd.Quantizer', step=0.5, signed=True))
    values = torch.randn(2, 3, 4, 4)
    assert torch.equal(module(values), quantize(values, 0.5, True))
    assert not list(module.parameters()) and not module.state_dict()


def test_a_step_that_is_not_positive_is_refused_with_a_remedy():
    with pytest.raises(ValueError, match='step must be > 0, got 0: tools/calibrate_quantizer.py'):
        Quantizer(0)
