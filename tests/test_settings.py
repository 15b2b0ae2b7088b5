"""Settings are checked before they are used, and the message says what to do."""

import pytest

from mmkd.settings import (
    accepted_arguments,
    check_arguments,
    check_flag,
    check_known,
    check_number,
)


class Base:
    def __init__(self, size, colour='red'):
        self.size = size


class HandsOn(Base):
    def __init__(self, *, depth=1, **kwargs):
        if kwargs.get('colour') == 'blue':
            depth += 1
        super().__init__(**kwargs)


class TakesOneOut(Base):
    def __init__(self, **kwargs):
        self.own = kwargs.pop('own', None)
        super().__init__(**kwargs)


class OfTheHost(Base):
    """What a class of MMDetection, MMCV, MMEngine or mmkd does not name it hands on."""

    __module__ = 'mmdet.some.module'

    def __init__(self, *, depth=1, **kwargs):
        super().__init__(**kwargs)


class Inherits(HandsOn):
    pass


def take_some(kwargs):
    kwargs.pop('secret', None)


@pytest.mark.parametrize('value, rule, whole', [
    (0, '>= 0', False), (0.5, '>= 0', False), (1, '(0, 1]', False), (0, '[0, 1)', False),
    (3, '>= 1', True), (1e-9, '> 0', False),
])  # fmt: skip
def test_a_number_in_its_range_passes(value, rule, whole):
    check_number('size', value, rule, whole=whole)


@pytest.mark.parametrize('value, rule, whole, text', [
    (-1, '>= 0', False, 'size must be >= 0, got -1.'),
    (0, '> 0', False, 'size must be > 0, got 0.'),
    (0, '(0, 1]', False, 'size must lie in (0, 1], got 0.'),
    (1, '[0, 1)', False, 'size must lie in [0, 1), got 1.'),
    (float('nan'), '>= 0', False, 'size must be >= 0 and finite, got nan.'),
    (float('inf'), '> 0', False, 'size must be > 0 and finite, got inf.'),
    ('0.1', '>= 0', False, "size must be a number >= 0, got '0.1': write it without quotes."),
    ('big', '(0, 1]', False, "size must be a number in (0, 1], got 'big'."),
    (None, '>= 0', False, 'size must be a number >= 0, got None.'),
    (True, '>= 0', False, 'size must be a number >= 0, got True.'),
    ([1], '>= 1', True, 'size must be a whole number >= 1, got [1].'),
    (1.5, '>= 1', True, 'size must be a whole number >= 1, got 1.5.'),
])  # fmt: skip
def test_another_is_refused_by_name_range_and_value(value, rule, whole, text):
    with pytest.raises(ValueError) as error:
        check_number('size', value, rule, whole=whole)
    assert str(error.value) == text


def test_the_remedy_ends_the_message():
    with pytest.raises(ValueError, match='got 0: measure it first.$'):
        check_number('size', 0, '> 0', remedy='measure it first')


def test_a_flag_is_no_text():
    check_flag('relu', False)
    check_flag('relu', None, none=True)
    with pytest.raises(ValueError, match="relu must be True or False, got 'False': write it with"):
        check_flag('relu', 'False')
    with pytest.raises(ValueError, match='relu must be True, False or None, got 0.$'):
        check_flag('relu', 0, none=True)


def test_an_unknown_name_is_told_the_nearest():
    check_known('Net', ['depth'], ['depth', 'width'])
    with pytest.raises(ValueError) as error:
        check_known('Net', ['depth', 'wdith'], ['depth', 'width'])
    assert str(error.value) == (
        "Net has no argument 'wdith'. Did you mean 'width'? It takes ['depth', 'width']."
    )


@pytest.mark.parametrize('kind, names, open_ended', [
    (Base, {'size', 'colour'}, False),
    (HandsOn, {'depth', 'size', 'colour'}, True),
    (Inherits, {'depth', 'size', 'colour'}, True),
    (OfTheHost, {'depth', 'size', 'colour'}, False),
    (TakesOneOut, {'size', 'colour'}, True),
    (take_some, {'kwargs'}, False),
    (dict, set(), True),
])  # fmt: skip
def test_arguments_that_reach_a_base_class_are_accepted_and_others_are_not(kind, names, open_ended):
    found, more = accepted_arguments(kind)
    assert set(found) == names and more == open_ended


def test_a_class_from_outside_may_take_more_but_a_typo_is_refused():
    check_arguments('net', dict(own=3, colour='red'), TakesOneOut)
    with pytest.raises(ValueError, match="TakesOneOut has no argument 'color'. Did you mean 'col"):
        check_arguments('net', dict(color='red'), TakesOneOut)
