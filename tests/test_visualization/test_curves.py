import json

import numpy as np
import pytest

from mmkd.visualization import draw_loss_curves, draw_metric_curves, read_run
from mmkd.visualization.curves import RunScalars, smooth

TRAIN = [
    {'lr': 0.1, 'loss': 4.0, 'loss_fgfi': 1.0, 'time': 0.2, 'epoch': 1, 'iter': 10, 'step': 10},
    {'lr': 0.1, 'loss': 2.0, 'loss_fgfi': 0.5, 'time': 0.2, 'epoch': 2, 'iter': 20, 'step': 20},
]
VAL = [{'voc/mAP': 0.25, 'time': 9.0, 'step': 1}, {'voc/mAP': 0.5, 'time': 9.0, 'step': 2}]


def write_log(work_dir, entries, start='20260101_000000', end='\n'):
    path = work_dir / start / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(json.dumps(entry) for entry in entries) + end)
    return path


def test_training_and_validation_are_told_apart(tmp_path):
    write_log(tmp_path, [TRAIN[0], VAL[0], TRAIN[1], VAL[1]])
    run = read_run(tmp_path)
    assert run.train['loss'] == ([10, 20], [4.0, 2.0])
    assert run.train['time'] == ([10, 20], [0.2, 0.2])
    assert run.val['voc/mAP'] == ([1, 2], [0.25, 0.5])


def test_the_newest_start_of_a_run_counts(tmp_path):
    write_log(tmp_path, TRAIN[:1], '20260101_000000')
    write_log(tmp_path, TRAIN[1:], '20260102_000000')
    assert read_run(tmp_path).train['loss'] == ([20], [2.0])


def test_a_last_line_that_is_being_written_is_left_out(tmp_path):
    write_log(tmp_path, TRAIN, end='\n{"lr": 0.1, "lo')
    assert read_run(tmp_path).train['loss'] == ([10, 20], [4.0, 2.0])


def test_a_damaged_line_is_named(tmp_path):
    path = write_log(tmp_path, TRAIN)
    path.write_text('{"lr":\n' + path.read_text())
    with pytest.raises(ValueError, match=r'scalars\.json, line 1 is not valid JSON'):
        read_run(tmp_path)


def test_a_run_without_a_log_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'has the run started\?'):
        read_run(tmp_path)


def test_a_metric_curve_shows_its_points_and_last_value(tmp_path):
    write_log(tmp_path, TRAIN + VAL)
    figure = draw_metric_curves({'alone': read_run(tmp_path)}, 'voc/mAP', 'mAP')
    axes = figure.axes[0]
    assert axes.lines[0].get_xydata().tolist() == [[1, 0.25], [2, 0.5]]
    assert figure.legends[0].get_texts()[0].get_text() == 'alone (0.500)'


def test_a_metric_that_was_not_logged_is_refused_with_those_that_were(tmp_path):
    write_log(tmp_path, TRAIN + VAL)
    with pytest.raises(ValueError, match=r"alone logged no 'coco/mAP', only .*voc/mAP"):
        draw_metric_curves({'alone': read_run(tmp_path)}, 'coco/mAP')


def test_only_losses_are_drawn_and_only_for_runs_that_have_them(tmp_path):
    write_log(tmp_path / 'a', TRAIN)
    plain = [{k: v for k, v in entry.items() if k != 'loss_fgfi'} for entry in TRAIN]
    write_log(tmp_path / 'b', plain)
    runs = {'distilled': read_run(tmp_path / 'a'), 'alone': read_run(tmp_path / 'b')}
    figure = draw_loss_curves(runs)
    drawn = {axes.get_title(): [line.get_label() for line in axes.lines] for axes in figure.axes}
    assert drawn == {'task losses together': ['distilled', 'alone'], 'loss_fgfi': ['distilled']}
    with pytest.raises(ValueError, match='no run has logged any of'):
        draw_loss_curves(runs, {'loss_other': 'other'})


def test_smoothing_keeps_length_and_averages_what_there_is_at_the_ends():
    # Windows: (1, 4), (1, 4, 7), (4, 7).
    np.testing.assert_allclose(smooth([1, 4, 7], 3), [2.5, 4, 5.5])


def losses(**curves):
    """A run that logged these losses, at two iterations."""
    return RunScalars(train={name: ([10, 20], values) for name, values in curves.items()})


def test_losses_together_are_those_of_the_task_in_every_run():
    alone = losses(loss=[3.0, 2.0], loss_cls=[1.0, 0.5], loss_bbox=[2.0, 1.5])
    distilled = losses(loss=[9.0, 8.0], loss_cls=[1.0, 0.5], loss_bbox=[3.0, 2.5], loss_kd=[5, 5])
    figure = draw_loss_curves({'alone': alone, 'distilled': distilled}, {'loss': 'together'})
    # Windows of five average both points: (3 + 2) / 2, and (1 + 3 + 0.5 + 2.5) / 2 without the 5.
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines] == [[2.5] * 2, [3.5] * 2]


@pytest.mark.parametrize('low, high', [(0.11, 0.19), (0.06, 0.4), (0.02, 9.0)])
def test_a_logarithmic_axis_has_some_plain_ticks_whatever_its_range(low, high):
    values = [high] * 9 + [low] * 9
    run = RunScalars(train={'loss_a': (list(range(18)), values)})
    axes = draw_loss_curves({'a': run}).axes[0]
    bottom, top = axes.get_ylim()
    shown = [tick for tick in axes.get_yticks() if bottom <= tick <= top]
    labels = [axes.yaxis.get_major_formatter()(tick, 0) for tick in shown]
    assert 3 <= len(shown) <= 9 and not any('e' in label for label in labels)


def test_a_legend_is_no_wider_than_its_figure():
    names = [f'a run with quite a long name, number {index}' for index in range(12)]
    figure = draw_loss_curves({name: losses(loss_a=[2.0, 1.0]) for name in names})
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
