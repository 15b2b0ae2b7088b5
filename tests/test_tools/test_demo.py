import json
import runpy
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def call(monkeypatch, capsys):
    """The command without an interpreter of its own: what it printed."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['demo.py', *map(str, args)])
        monkeypatch.setenv('COLUMNS', '120')
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / 'tools' / 'demo.py'), run_name='__main__')
        printed = ''.join(capsys.readouterr())
        assert end.value.code in (0, None), printed
        return printed

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_the_demo_trains_compares_and_reuses(tmp_path, call):
    args = ['--quick', '--images', 4, 2, '--epochs', 1, '--work-dir', tmp_path]
    first = call(*args)
    for name in ('learning_curves.png', 'loss_curves.png', 'detections.png'):
        assert (tmp_path / name).read_bytes().startswith(b'\x89PNG')
    summary = json.loads((tmp_path / 'summary.json').read_text())
    results = summary['results']
    assert results['student']['params'] == results['distilled']['params']
    assert results['student']['flops'] == results['distilled']['flops']
    assert results['teacher']['params'] > 2 * results['student']['params']
    assert all(0 <= result['map'] <= 1 for result in results.values())
    assert all(f in first for f in ('teacher', 'student alone', 'distilled student'))

    assert call(*args).count('seed 0: reused') == 3
    again = json.loads((tmp_path / 'summary.json').read_text())['results']
    assert all(again[name] == {**result, 'reused': True} for name, result in results.items())


def test_wrong_options_are_refused(capsys):
    with pytest.raises(SystemExit, match='^2$'):
        runpy.run_path(str(ROOT / 'tools' / 'demo.py'))['parse_args'](['--epochs', '0'])
    assert '--epochs must be >= 1' in capsys.readouterr().err
