"""``python -m mmkd.run`` starts scripts as python would, with compat in place."""

import os
import subprocess
import sys

import pytest

from mmkd import run

pytestmark = pytest.mark.slow


def start(*argv, cwd):
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        [sys.executable, '-m', 'mmkd.run', *map(str, argv)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': path},
    )


def test_the_script_sees_its_arguments_its_folder_and_mmcvs_operations(tmp_path):
    (tmp_path / 'tool').mkdir()
    (tmp_path / 'tool' / 'helper.py').write_text('WORD = "helped"\n')
    script = tmp_path / 'tool' / 'script.py'
    script.write_text(
        'import sys\n'
        'import helper\n'
        'from mmcv.ops import nms\n'
        'import mmdet.evaluation\n'
        'print(__name__, sys.argv, helper.WORD)\n'
        'sys.exit(3)\n'
    )
    result = start('tool/script.py', '--resume', 'a b', cwd=tmp_path)
    assert result.returncode == 3, result.stderr
    assert "__main__ ['tool/script.py', '--resume', 'a b'] helped" in result.stdout


def test_a_script_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(SystemExit, match='there is no script .*absent.py'):
        run.main([str(tmp_path / 'absent.py')])


def test_without_a_script_it_tells_its_use():
    with pytest.raises(SystemExit, match='usage: python -m mmkd.run SCRIPT'):
        run.main([])
