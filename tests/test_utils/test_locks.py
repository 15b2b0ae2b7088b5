"""One training a folder; a killed one does not stand in the way of the next."""

import os
import signal
import subprocess
import sys

import pytest

from mmkd.engine.commands.train_and_test import train_main
from mmkd.testing import in_process, tiny_retinanet_cfg, tiny_run_cfg, write_tiny_coco
from mmkd.utils import locks
from mmkd.utils.locks import hold, only_training


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(locks, '_PATIENCE', 0.0)


def test_a_second_training_is_refused_until_the_first_has_ended(tmp_path):
    folder = str(tmp_path / 'run')
    with only_training(folder, 'none'):
        with pytest.raises(ValueError, match=r'another training writes into .*run \(.*--work-dir'):
            with only_training(folder, 'none'):
                pass
        with only_training(str(tmp_path / 'other'), 'none'):
            pass
    with pytest.raises(KeyError), only_training(folder, 'none'):
        raise KeyError
    with only_training(folder, 'none'):
        pass


@pytest.mark.parametrize(
    'launcher, variable', [('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID')], ids=['torchrun', 'srun']
)
def test_of_the_processes_of_one_training_the_first_asks(tmp_path, monkeypatch, launcher, variable):
    with only_training(str(tmp_path), launcher):
        monkeypatch.setenv(variable, '1')
        with only_training(str(tmp_path), launcher):
            pass
        with pytest.raises(ValueError), only_training(str(tmp_path), 'none'):
            pass


_KILLED = """
import os, signal, sys, time, types
from pathlib import Path
sys.modules['utils'] = package = types.ModuleType('utils')  # mmkd imports the host, for seconds
package.__path__ = [os.path.dirname(sys.argv[1])]
from utils import locks
held = locks.hold(Path(sys.argv[2]))
if os.fork() == 0:  # as a data loader does
    time.sleep(60)
print('held', flush=True)
time.sleep(60)
"""


def test_a_killed_process_leaves_no_lock_though_its_data_loader_lives_on(tmp_path):
    file = tmp_path / 'lock'
    command = [sys.executable, '-c', _KILLED, locks.__file__, str(file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == 'held\n'
        assert hold(file) is None
        process.kill()
        process.wait()
        lock = hold(file, patience=20)  # the child closes its copy soon after its birth
        os.killpg(process.pid, signal.SIGKILL)  # the child
    assert lock is not None


def test_the_tool_refuses_in_one_message_and_touches_nothing(tmp_path):
    cfg = tiny_run_cfg(write_tiny_coco(tmp_path / 'data'), tmp_path / 'run', tiny_retinanet_cfg())
    cfg.dump(tmp_path / 'config.py')
    lock = hold(tmp_path / 'run' / '.training.lock')
    assert in_process(refused, str(tmp_path / 'config.py'), log=tmp_path / 'log') == 2
    lock.release()
    text = (tmp_path / 'log').read_text()
    assert text.startswith('error: another training writes into') and text.count('\n') == 1
    assert [path.name for path in (tmp_path / 'run').iterdir()] == ['.training.lock']


def refused(config: str) -> int:
    locks._PATIENCE = 0.0
    return train_main([config])
