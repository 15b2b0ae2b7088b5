"""Levels mean the same in any order: coarse first, as YOLOv3 lists them, or paired so by hand."""

import itertools

import pytest
import torch

from mmkd.losses.functional import assigned_levels
from mmkd.methods import FGFI, Chen2017, Hint, ProposalMimic, QuantizationMimic, TwoStageMimic
from mmkd.observation import Observation
from mmkd.testing.observations import batch_of, info_of, square_priors

STRIDES = (8, 16, 32)
SHAPE = (64, 96)
FINEST = 16.0
BOXES = [
    torch.tensor([[2.0, 3, 14, 15], [20, 10, 60, 50]]).double(),
    torch.tensor([[5.0, 5, 85, 60]]).double(),
]
MIMIC = dict(proposals='gt', levels=None)


def two_stage(levels):
    weights = dict(feats_weight=0, cls_weight=0, bbox_weight=0)
    return TwoStageMimic(mimic=dict(MIMIC, levels=levels), **weights)


METHODS = {
    **{
        f'fgfi_{choice}': lambda levels, choice=choice: FGFI(1.0, max_over=choice, levels=levels)
        for choice in ('assigned', 'all', 'level')
    },
    'hint': lambda levels: Hint(levels=levels),
    'hint_of_stages': lambda levels: Hint(levels=levels, stage='backbone'),
    'chen2017': lambda levels: Chen2017(mu=1, nu=0, hint=dict(levels=levels)),
    'mimic': lambda levels: ProposalMimic(**{**MIMIC, 'levels': levels}),
    'mimic_cut': lambda levels: ProposalMimic(**{**MIMIC, 'levels': levels}, region='crop'),
    'quantization': lambda levels: QuantizationMimic(0.5, **{**MIMIC, 'levels': levels}),
    'two_stage': two_stage,
}


def maps(channels, seed):
    """By stride; each level has a number of channels of its own."""
    generator = torch.Generator().manual_seed(seed)
    return {
        s: torch.randn(
            2, channels + place, SHAPE[0] // s, SHAPE[1] // s, generator=generator
        ).double()
        for place, s in enumerate(STRIDES)
    }


STUDENT, TEACHER = maps(2, 0), maps(6, 1)


def loss_of(make, strides=STRIDES, levels=None):
    """Loss of a method whose detectors list their levels so; weights depend on the shape alone."""
    sides = []
    for by_stride in (STUDENT, TEACHER):
        levels_of = [by_stride[s] for s in strides]
        priors = square_priors([level.shape[-2:] for level in levels_of], strides, len(BOXES))
        info = info_of(levels_of, strides, finest_scale=FINEST)
        sides.append((info, levels_of, priors))
    method = make(levels)
    method.setup(*(info for info, *_ in sides))
    method.double()
    for parameter in method.parameters():
        generator = torch.Generator().manual_seed(parameter.shape.numel())
        parameter.data = torch.randn(parameter.shape, generator=generator).double() / 10
    seen = [
        Observation(
            features=lambda _, m=m: m,
            backbone=lambda _, m=m: m,
            priors=lambda _, p=priors: p,
        )
        for _, m, priors in sides
    ]
    found = method(*seen, batch_of(BOXES, SHAPE))
    return sum(value for key, value in found.items() if 'loss' in key)


@pytest.mark.parametrize('name', METHODS)
def test_any_order_of_pairs_and_of_the_detectors_levels_gives_one_loss(name):
    expected = loss_of(METHODS[name])
    assert expected > 0
    for order in itertools.permutations(range(3)):
        pairs = [[i, i] for i in order]
        torch.testing.assert_close(loss_of(METHODS[name], levels=pairs), expected)
    torch.testing.assert_close(loss_of(METHODS[name], strides=STRIDES[::-1]), expected)


@pytest.mark.parametrize('name', METHODS)
def test_so_do_pairs_of_some_levels(name):
    one, other = (loss_of(METHODS[name], levels=pairs) for pairs in ([[1, 1], [2, 2]],
                                                                     [[2, 2], [1, 1]]))  # fmt: skip
    torch.testing.assert_close(one, other)


def test_the_level_of_a_box_is_an_index_into_the_strides_as_given():
    sides = torch.tensor([12.0, 60, 120, 500])
    boxes = torch.stack([torch.zeros(4), torch.zeros(4), sides, sides], dim=1)
    assert assigned_levels(boxes, (8, 16, 32), 56.0).tolist() == [0, 0, 1, 2]
    assert assigned_levels(boxes, (32, 16, 8), 56.0).tolist() == [2, 2, 1, 0]
    assert assigned_levels(boxes, (16, 8, 32), 56.0).tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize('name, prefix, pairs', [
    ('fgfi_all', 'adapters', [2, 0, 1]),
    ('hint', 'adapters', [2, 0, 1]),
    ('chen2017', 'parts.hint.adapters', [2, 0, 1]),
    ('mimic', 'adapters', [0, 1, 2]),
    ('quantization', 'adapters', [0, 1, 2]),
    ('two_stage', 'mimic.adapters', [0, 1, 2]),
])  # fmt: skip
def test_names_and_order_of_the_adapters_in_a_checkpoint(name, prefix, pairs):
    # The order of the config, but that proposal mimic has had the finest level first from the
    # start. A file that was saved loads, each adapter in the place of its levels.
    method = METHODS[name]([[2, 2], [0, 0], [1, 1]])
    method.setup(*(info_of(list(side.values()), STRIDES) for side in (STUDENT, TEACHER)))
    kernel = 3 if name.startswith('fgfi') else 1
    saved = {}
    for place, level in enumerate(pairs):
        saved[f'{prefix}.{place}.conv.weight'] = torch.ones(6 + level, 2 + level, kernel, kernel)
        saved[f'{prefix}.{place}.conv.bias'] = torch.ones(6 + level)
    assert list(method.state_dict()) == list(saved)
    method.load_state_dict(saved, strict=True)
