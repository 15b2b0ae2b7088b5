"""Whole runs with unlabelled images: MMDetection's own train.py, and two processes."""

from pathlib import Path

import mmdet
import pytest
import torch

from mmkd import run
from mmkd.engine.commands.train_and_test import train_main
from mmkd.testing import differences, in_process, in_two_processes, tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import distill_cfg

pytestmark = pytest.mark.slow
SCRIPT = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'train.py'


@pytest.fixture
def settings(tmp_path):
    # Untrained, a teacher of three classes gives each about a quarter.
    model = distill_cfg(tmp_path, unlabelled=dict(score_thr=0.25, task_weight=0.5))
    return dict(data_root=write_tiny_coco(tmp_path / 'data'), model=model, num_workers=0)


@pytest.mark.skipif(not SCRIPT.is_file(), reason='this MMDetection ships no tools')
class TestMMDetectionsOwnScript:
    def test_it_trains(self, settings, tmp_path):
        cfg = tiny_run_cfg(work_dir=tmp_path / 'run', epochs=1, **settings)
        cfg.dump(tmp_path / 'cfg.py')
        log = tmp_path / 'log'
        status = in_process(run.main, [str(SCRIPT), str(tmp_path / 'cfg.py')], log=log)
        assert status == 0, log.read_text()[-3000:]
        last = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=True)
        assert last['meta']['iter'] == 3  # three labelled images and as many others, in pairs

    def test_it_is_refused_without_the_setting_in_the_first_step(self, settings, tmp_path):
        cfg = tiny_run_cfg(work_dir=tmp_path / 'run', epochs=1, **settings)
        del cfg.model['unlabelled']
        cfg.dump(tmp_path / 'cfg.py')
        log = tmp_path / 'log'
        assert in_process(run.main, [str(SCRIPT), str(tmp_path / 'cfg.py')], log=log) != 0
        assert 'model.unlabelled=None' in log.read_text()


def test_two_processes_train_and_one_that_is_resumed_ends_with_the_same_bits(settings, tmp_path):
    whole, resumed, log = tmp_path / 'whole', tmp_path / 'resumed', tmp_path / 'log'
    for folder, options in ((whole, []), (resumed, ['--resume', str(whole / 'epoch_1.pth')])):
        config = tmp_path / f'{folder.name}.py'
        cfg = tiny_run_cfg(work_dir=folder, epochs=2, find_unused_parameters=True, **settings)
        cfg.env_cfg.dist_cfg = dict(backend='gloo')
        cfg.dump(config)
        args = [str(config), '--launcher', 'pytorch', *options]
        ends = in_two_processes(train_main, args, log=log)
        assert ends == [0, 0], Path(f'{log}_0').read_text()[-3000:]
    expected, got = (
        torch.load(folder / 'epoch_2.pth', weights_only=True) for folder in (whole, resumed)
    )
    assert got['meta']['iter'] == 4  # two labelled images a process and epoch, each beside another
    for kind in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differences(expected[kind], got[kind], kind) == []
