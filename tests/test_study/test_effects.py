import json

import pytest

from mmkd.study.effects import effects

STUDY = """
methods = dict(
    hint=[dict(type='mmkd.Hint')],
    fsp=dict(methods=[dict(type='mmkd.FSP'), dict(type='mmkd.KD')], stages=[dict(methods=['fsp'])]),
    weak=[dict(type='mmkd.FGFI', loss_weight=0.1)],
    both=[dict(type='mmkd.FGFI'), dict(type='mmkd.KD')],
    more=dict(methods=[dict(type='mmkd.FGFI')], unlabelled=dict(score_thr=0.5)),
)
metric = 'coco/bbox_mAP'
record = 'made.json'
"""


@pytest.mark.parametrize('seeds', [1, 2, 3])
def test_methods_at_their_defaults_have_a_line_a_study(tmp_path, seeds):
    gains = dict(student=[0, 0, 0], hint=[0.01, 0.02, 0.03], fsp=[0.5, 0.5, 0.5])
    gains |= dict(weak=[1, 1, 1], both=[1, 1, 1], more=[1, 1, 1])
    runs = [
        dict(arm=arm, seed=seed, metrics={'coco/bbox_mAP': 0.3 + gain[seed]})
        for arm, gain in gains.items()
        for seed in range(seeds)
    ]
    (tmp_path / 'made.py').write_text(STUDY)
    assert effects(tmp_path) == {}
    runs.append(dict(arm='hint', seed=9, metrics={'another': 1.0}))
    (tmp_path / 'made.json').write_text(json.dumps(dict(runs=runs)))
    found = effects(tmp_path)
    assert set(found) == {'Hint', 'FSP'}
    expected = [
        '+0.010 made, 1 seed',
        '+0.015 made, 2 seeds',
        '+0.020 [-0.005, +0.045] made, 3 seeds',
    ]
    assert found['Hint'] == [expected[seeds - 1]]
    assert found['FSP'][0].endswith(f'{seeds} seed{"s" * (seeds > 1)} with KD')
