"""A whole training run: schedules follow the runner's progress and stand in its log."""

import json

import pytest

from mmkd.testing import in_process, tiny_run_cfg, train, write_tiny_coco
from mmkd.testing.distill import distill_cfg


@pytest.mark.slow
def test_a_run_logs_what_its_schedules_said(tmp_path):
    method = dict(
        type='mmkd.Chen2017',
        mu=dict(type='linear', start=1.0, stop=0.5),
        nu=dict(type='warmup', value=0.5, end=3, by_epoch=False),
        gamma=[dict(type='constant', value=0.5), dict(type='stop', begin=1)],
    )
    model = distill_cfg(tmp_path, methods=[method]).to_dict()
    cfg = tiny_run_cfg(
        write_tiny_coco(tmp_path / 'data'),
        tmp_path / 'run',
        model,
        epochs=2,
        num_workers=0,
        log_processor=dict(type='LogProcessor', window_size=1),  # each step's own loss
    )
    assert in_process(train, cfg, log=tmp_path / 'log.txt') == 0
    (file,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    steps = [line for line in lines if 'loss_chen2017_hint' in line]
    seen = {
        name: [line[f'chen2017_{name}'] for line in steps]
        for name in ('soft_mu', 'bounded_weight', 'hint_weight')
    }
    assert seen['soft_mu'] == [1.0] * 3 + [0.5] * 3
    assert seen['bounded_weight'] == [0.0, 0.25, 0.5, 0.5, 0.5, 0.5]
    assert seen['hint_weight'] == [0.5] * 3 + [0.0] * 3
    assert [line['loss_chen2017_hint'] > 0 for line in steps] == [True] * 3 + [False] * 3
