import json

import pytest

from mmkd.study.logs import find_metric, per_class, read_position, read_scalars


def log(folder, *lines):
    path = folder / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))


def train(step, loss):
    return dict(lr=0.1, loss=loss, time=1.0, iter=step, step=step)


def test_a_resumed_start_replaces_what_it_ran_again(tmp_path):
    log(tmp_path / '20260101_000000', train(10, 5.0), dict(mAP=0.1, step=1), train(20, 4.0),
        train(30, 3.0))  # fmt: skip
    log(tmp_path / '20260101_000100', train(20, 4.5), dict(mAP=0.2, step=2))
    log(tmp_path / '20260101_000200')  # stopped before it logged anything
    scalars = read_scalars(tmp_path)
    assert scalars.train['loss'] == ([10, 20], [5.0, 4.5])
    assert scalars.val['mAP'] == ([1, 2], [0.1, 0.2])


def test_the_position_is_the_last_that_was_printed(tmp_path):
    path = tmp_path / 'output.txt'
    path.write_text(
        '2026/01/01 mmengine - INFO - Epoch(train)  [1][10/40]  lr: 1e-3  eta: 0:02:00  time: 1\n'
        '2026/01/01 mmengine - INFO - Epoch(train)  [2][20/40]  lr: 1e-3  eta: 1 day, 0:01:05\n'
        '2026/01/01 mmengine - INFO - Epoch(val)  [2][5/40]  eta: 0:00:01\n'
    )
    position = read_position(path, epochs=4)
    assert (position.epoch, position.done) == (2, pytest.approx(1.5 / 4))
    assert position.seconds_left == 86400 + 65
    assert read_position(tmp_path / 'none.txt', 4) is None


@pytest.mark.parametrize(
    'logged, expected',
    [
        (['pascal_voc/AP_a', 'pascal_voc/mAP', 'pascal_voc/mAP_area'], 'pascal_voc/mAP'),
        (['coco/bbox_mAP_50', 'coco/bbox_mAP'], 'coco/bbox_mAP'),
        (['mine/mAP'], 'mine/mAP'),
    ],
)
def test_the_metric_is_found(logged, expected):
    assert find_metric('auto', dict.fromkeys(logged, 0.5)) == expected


def test_a_metric_that_was_not_logged_is_named():
    with pytest.raises(ValueError, match=r"metric='b' was not logged; there are \['a'\]"):
        find_metric('b', dict(a=1.0))
    with pytest.raises(ValueError, match=r"no mAP among \['a'\]"):
        find_metric('auto', dict(a=1.0))


def test_classes_of_voc_and_coco():
    assert per_class('pascal_voc/mAP', {'pascal_voc/AP_cat': 0.5, 'x/AP_dog': 1}) == {'cat': 0.5}
    assert per_class('coco/bbox_mAP', {'coco/cat_precision': 0.4, 'coco/bbox_mAP': 1}) == {
        'cat': 0.4
    }
