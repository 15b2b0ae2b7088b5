"""Imports mmkd before any test module imports MMDetection, which may lack compiled operations."""

import pytest
from mmengine.registry import DefaultScope

import mmkd  # noqa: F401


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Names without scope are MMDetection's, whatever scope a runner of another test has set."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield
