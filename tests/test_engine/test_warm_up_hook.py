"""A warm-up that outlasts the training is named, with the setting that shortens it."""

import logging
from types import SimpleNamespace

import pytest

from mmkd.engine.hooks import WarmUpHook


@pytest.mark.parametrize(('iterations', 'warned'), [(20, True), (998, True), (1000, False)])
def test_a_warm_up_of_more_than_half_the_training_is_warned_of(iterations, warned, caplog):
    decay = dict(type='MultiStepLR', begin=0, end=1000, by_epoch=False, milestones=[900])
    warm_up = dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500)
    by_epoch = dict(type='LinearLR', start_factor=0.001, by_epoch=True, begin=0, end=5000)
    runner = SimpleNamespace(
        cfg=dict(param_scheduler=[decay, warm_up, by_epoch]),
        max_iters=iterations,
        logger=logging.getLogger('warm-up'),
    )
    with caplog.at_level('WARNING'):
        WarmUpHook().before_train(runner)
    assert len(caplog.records) == warned
    if warned:
        assert f'--cfg-options param_scheduler.1.end={iterations // 10}' in caplog.text
