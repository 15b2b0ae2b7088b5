"""The command: its table and its refusals."""

import importlib.util
import sys
from pathlib import Path

import pytest
from rich.console import Console

from mmkd.engine.readable_errors import run_readably

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('complexity', ROOT / 'tools' / 'complexity.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_a_config(tool, monkeypatch, capsys):
    config = ROOT / 'configs' / 'students' / 'faster_rcnn_vgg16_32nd_bccd.py'
    monkeypatch.setattr(sys, 'argv', ['complexity', str(config), '--shape', '64', '96'])
    assert run_readably(lambda: tool.run(tool.parse_args(), Console())) == 0
    head, rule, row = capsys.readouterr().out.strip().splitlines()
    assert 'config, 96 x 64' in head and head.count('|') == rule.count('|') == row.count('|')
    assert '`faster_rcnn_vgg16_32nd_bccd.py` | 14,814 |' in row


def test_a_shape_that_the_pyramid_cannot_halve_is_refused(tool, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['complexity', 'x.py', '--shape', '64', '100'])
    with pytest.raises(SystemExit, match='2'):
        run_readably(lambda: tool.run(tool.parse_args(), Console()))
    assert '--shape must be multiples of 32, got 64 100' in capsys.readouterr().err


def test_a_config_that_is_not_there_is_named_without_a_traceback(tool, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['complexity', 'nosuch.py'])
    assert run_readably(lambda: tool.run(tool.parse_args(), Console())) == 2
    assert 'error: there is no config nosuch.py' in capsys.readouterr().err
