"""What outlasts a short training is named, with the setting that shortens it."""

import logging
from types import SimpleNamespace

import pytest
from torch import nn

from mmkd.engine.hooks import ShortRunHook
from mmkd.registry import MODELS

RECIPE = "--method '{type: mmkd.Recipe, auto_scale: {fraction: 0.7, iters: 2}}'"


@pytest.mark.parametrize(
    ('iterations', 'warned'),
    [
        (20, ['--cfg-options param_scheduler.1.end=2', RECIPE]),
        (100, ['--cfg-options param_scheduler.1.end=10']),
        (998, ['--cfg-options param_scheduler.1.end=99']),
        (1000, []),
    ],
)
def test_what_lasts_longer_than_half_the_training_is_warned_of(iterations, warned, caplog):
    decay = dict(type='MultiStepLR', begin=0, end=1000, by_epoch=False, milestones=[900])
    warm_up = dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500)
    by_epoch = dict(type='LinearLR', start_factor=0.001, by_epoch=True, begin=0, end=5000)
    model = nn.Module()
    model.distill = {}
    for kind in ('Recipe', 'FGFI'):  # the second has a weight of its own
        method = MODELS.build(dict(type=f'mmkd.{kind}'))
        method.set_auto_scale(None)
        model.distill[method.name] = method
    runner = SimpleNamespace(
        cfg=dict(param_scheduler=[decay, warm_up, by_epoch]),
        max_iters=iterations,
        model=model,
        logger=logging.getLogger('short run'),
    )
    with caplog.at_level('WARNING'):
        ShortRunHook().before_train(runner)
    assert [record.message.split('shorten it: ')[1] for record in caplog.records] == warned


WARM_UPS = [dict(type='LinearLR'), dict(type='ConstantLR', factor=0.01)]


@pytest.mark.parametrize('warm_up', WARM_UPS, ids=['Linear', 'Constant'])
def test_the_hosts_defaults_count_and_other_settings_of_a_method_are_kept(warm_up, caplog):
    model = nn.Module()
    method = MODELS.build(dict(type='mmkd.FGFI'))
    method.set_auto_scale(dict(fraction=0.5))
    model.distill = {'hint': MODELS.build(dict(type='mmkd.Hint')), method.name: method}
    runner = SimpleNamespace(
        cfg=dict(
            param_scheduler=dict(warm_up, by_epoch=False, begin=0, end=500),
            model=dict(methods=[dict(type='mmkd.Hint'), dict(type='mmkd.FGFI')]),
        ),
        max_iters=40,
        model=model,
        logger=logging.getLogger('short run'),
    )
    with caplog.at_level('WARNING'):
        ShortRunHook().before_train(runner)
    place = 'model.methods.1.auto_scale'
    assert [record.message.split('shorten it: ')[1] for record in caplog.records] == [
        '--cfg-options param_scheduler.end=4',
        f'--cfg-options {place}.fraction=0.5 {place}.iters=4',
    ]
