import json
import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mmkd.testing import tiny_faster_rcnn_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import distill_cfg
from mmkd.testing.one_stage import tiny_tood_cfg

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'benchmark.py'


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    def run(model, *options):
        Config(dict(model=model)).dump(tmp_path / 'first.py')
        common = ['--shape', '64', '96', '--rounds', '1', '--device', 'cpu']
        arguments = [str(TOOL), str(tmp_path / 'first.py'), *common, *options]
        monkeypatch.setattr(sys, 'argv', arguments)
        with pytest.raises(SystemExit, match='0'):
            runpy.run_path(str(TOOL), run_name='__main__')
        return capsys.readouterr().out

    return run


def test_inference_of_two_detectors_is_printed_with_their_proposals(call, tmp_path):
    Config(dict(model=tiny_faster_rcnn_cfg())).dump(tmp_path / 'second.py')
    printed = call(tiny_rfcn_cfg(), '--proposals', '9', '--inference', str(tmp_path / 'second.py'))
    rows = [line.split() for line in printed.splitlines() if 'first' in line or 'second' in line]
    assert [row[1] for row in rows[-2:]] == ['first', 'second']
    assert [row[-2] for row in rows[-2:]] == ['9', '9']


def test_the_parts_of_a_step_are_printed(call, tmp_path):
    printed = call(distill_cfg(tmp_path))
    assert all(part in printed for part in ('student', 'teacher', 'masks', 'distilled'))
    assert 'waits for a GPU' in printed and 'plain' in printed and 'fgfi' in printed


def test_a_head_that_asks_a_run_for_its_epoch_is_timed(call, tmp_path):
    printed = call(
        distill_cfg(tmp_path, tiny_tood_cfg(), tiny_tood_cfg(base_channels=16)), '--images', '2'
    )
    assert 'fgfi' in printed


def test_a_sweep_is_written_and_drawn(call, tmp_path):
    file, methods = tmp_path / 'cost.json', [dict(type='mmkd.FGFI'), dict(type='mmkd.Chen2017')]
    call(distill_cfg(tmp_path, methods=methods), '--json', str(file), '--sweep', 'boxes', '1', '4')
    found = json.loads(file.read_text())
    assert [step['value'] for step in found['steps']] == ['1', '4'] and found['what'] == 'boxes'
    for step in found['steps']:
        assert set(step['methods']) == {'fgfi', 'chen2017'} and step['waits']['fgfi'] == 0
        assert min(step['methods'].values()) > 0 < step['memory']
        expected = step['distilled'] / (step['student'] + step['plain_teacher'])
        assert step['over_plain_teacher'] == pytest.approx(expected)  # of one round
        assert step['images_per_second'] == pytest.approx(1 / step['distilled'])
    assert file.with_suffix('.png').stat().st_size > 10_000


def test_methods_are_swept_in_half_precision(call, tmp_path):
    file = tmp_path / 'cost.json'
    options = ['--amp', 'bf16', '--json', str(file), '--sweep', 'method', 'fgfi', 'mmkd.Hint']
    printed = call(distill_cfg(tmp_path), *options)
    found = [list(step['methods']) for step in json.loads(file.read_text())['steps']]
    assert found == [['fgfi'], ['hint']] and 'cpu, bf16' in ' '.join(printed.split())
    assert file.with_suffix('.png').is_file()
