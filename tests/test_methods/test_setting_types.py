"""A setting of another type is refused by name and value, by every method alike."""

import pytest

from mmkd.methods import DistillMethod
from mmkd.modules import pair_levels
from mmkd.registry import MODELS
from mmkd.settings import accepted_arguments

METHODS = sorted(
    (name, kind) for name, kind in MODELS.module_dict.items()
    if isinstance(kind, type) and issubclass(kind, DistillMethod)
    and kind.__module__.startswith('mmkd.methods.')
)  # fmt: skip
WEIGHTS = {'Chen2017': {'nu': 'loss_weight', 'gamma': 'loss_weight'}}
"""Settings that a part calls otherwise."""
CHECKED_IN_SETUP = {'levels'}
PLURAL = {'positive_iou': dict(positive_fraction=0.5), 'mu': {}}


@pytest.mark.parametrize('name, kind', METHODS)
def test_text_for_a_number_a_list_or_a_dict_is_refused_with_its_name(name, kind):
    settings = set(accepted_arguments(kind)[0]) - CHECKED_IN_SETUP - {'name'}
    for setting in settings:
        with pytest.raises(ValueError) as error:
            kind(**{**PLURAL.get(setting, {}), setting: "'7'"})
        shown = WEIGHTS.get(name, {}).get(setting, setting)
        assert shown in str(error.value) and "'7'" in str(error.value), (setting, str(error.value))


@pytest.mark.parametrize('name, kind', METHODS)
def test_a_number_for_a_text_a_list_or_a_dict_is_refused_with_its_name(name, kind):
    settings = set(accepted_arguments(kind)[0]) - CHECKED_IN_SETUP
    for setting in settings:
        with pytest.raises(ValueError) as error:
            kind(**{**PLURAL.get(setting, {}), setting: -7.5})
        shown = WEIGHTS.get(name, {}).get(setting, setting)
        assert shown in str(error.value) and '-7.5' in str(error.value), (setting, str(error.value))


@pytest.mark.parametrize('levels', [0, '0', '[[0, 0]]', [0], [['0', '0']], [[0.0, 0]]])
def test_levels_that_are_no_list_of_pairs_are_refused(levels):
    with pytest.raises(ValueError, match=r'^levels .*student index, teacher index'):
        pair_levels([4, 8], [4, 8], levels)


def test_a_list_with_text_in_it_is_refused_with_the_place():
    cases = ((['1', 2], r"class_weights\[0\] .*'1': write it without"), ('12', "'12'"))
    for weights, text in cases:
        with pytest.raises(ValueError, match=text):
            MODELS.get('SoftClassification')(class_weights=weights)


@pytest.mark.parametrize('schedule, text', [
    ('0.1', "loss_weight must be a number >= 0, got '0.1': write it without quotes"),
    (['0.1'], "loss_weight: a piece must be a dict .* got '0.1'"),
    (dict(type='constant', value='1'), "loss_weight: value must be a number >= 0, got '1'"),
    (dict(type='linear', start=0, stop=None), 'loss_weight: stop must be a number >= 0, got None'),
    (dict(type='stop', begin='3'), "loss_weight: begin must be a whole number >= 0, got '3'"),
    (dict(type='warmup', value=1, end=2.5), 'loss_weight: end must be a whole number >= 1, got 2'),
    (dict(type='constant', value=1, by_epoch='no'), "by_epoch must be True or False, got 'no'"),
])  # fmt: skip
def test_a_schedule_names_the_piece_that_is_wrong(schedule, text):
    with pytest.raises(ValueError, match=text):
        MODELS.get('Hint')(loss_weight=schedule)
