import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mmkd.testing import tiny_faster_rcnn_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import distill_cfg

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
