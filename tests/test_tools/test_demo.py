import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def call(*args):
    return subprocess.run(
        [sys.executable, str(ROOT / 'tools' / 'demo.py'), *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, 'COLUMNS': '120', 'OMP_NUM_THREADS': '1'},
    )


@pytest.mark.slow
def test_the_demo_trains_compares_and_reuses(tmp_path, monkeypatch, capsys):
    args = ['--quick', '--images', 4, 2, '--epochs', 1, '--work-dir', tmp_path]
    first = call(*args)
    assert first.returncode == 0, first.stdout + first.stderr
    for name in ('learning_curves.png', 'loss_curves.png', 'detections.png'):
        assert (tmp_path / name).read_bytes().startswith(b'\x89PNG')
    summary = json.loads((tmp_path / 'summary.json').read_text())
    results = summary['results']
    assert results['student']['params'] == results['distilled']['params']
    assert results['student']['flops'] == results['distilled']['flops']
    assert results['teacher']['params'] > 2 * results['student']['params']
    assert all(0 <= result['map'] <= 1 for result in results.values())
    assert all(f in first.stdout for f in ('teacher', 'student alone', 'distilled student'))

    monkeypatch.setattr(sys, 'argv', ['demo.py', *map(str, args)])
    monkeypatch.setenv('COLUMNS', '120')
    with pytest.raises(SystemExit, match='^0$'):  # it starts nothing: in this process
        runpy.run_path(str(ROOT / 'tools' / 'demo.py'), run_name='__main__')
    assert capsys.readouterr().out.count('seed 0: reused') == 3
    again = json.loads((tmp_path / 'summary.json').read_text())['results']
    assert all(again[name] == {**result, 'reused': True} for name, result in results.items())


def test_wrong_options_are_refused(capsys):
    with pytest.raises(SystemExit, match='^2$'):
        runpy.run_path(str(ROOT / 'tools' / 'demo.py'))['parse_args'](['--epochs', '0'])
    assert '--epochs must be >= 1' in capsys.readouterr().err
