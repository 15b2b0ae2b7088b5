"""Imports mmkd before any test module imports MMDetection, which may lack compiled operations.

Fuzz tests take their budget from ``--fuzz-examples``: a test under hypothesis' ``@given`` that sets
no ``max_examples`` of its own draws that many inputs. With the default they are the same in every
run; a larger number draws new ones each time.
"""

import pytest
from hypothesis import HealthCheck, settings
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope

import mmkd  # noqa: F401

FUZZ_EXAMPLES = 25


def pytest_addoption(parser):
    parser.addoption(
        '--fuzz-examples',
        type=int,
        default=FUZZ_EXAMPLES,
        metavar='N',
        help=f'inputs that each fuzz test draws (default: {FUZZ_EXAMPLES})',
    )


def pytest_configure(config):
    examples = config.getoption('--fuzz-examples')
    settings.register_profile(
        'mmkd',
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        derandomize=examples == FUZZ_EXAMPLES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    settings.load_profile('mmkd')


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that no process ends with them while another waits."""
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Names without scope are MMDetection's, whatever scope a runner of another test has set."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(autouse=True)
def no_progress():
    """A runner of another test leaves its iteration there, which schedules of weights read."""
    MessageHub._instance_dict.clear()
