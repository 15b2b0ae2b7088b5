"""Ctrl-C and full disks end a tool with one message, and what was saved stays."""

import json
import resource
import signal
from pathlib import Path

import pytest
import torch

from mmkd.engine.commands.train_and_test import test_main as run_test
from mmkd.engine.commands.train_and_test import train_main
from mmkd.testing import in_process, tiny_retinanet_cfg, tiny_run_cfg, write_tiny_coco


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A config to train and test, and a checkpoint; one image lies in a folder of its own."""
    root = tmp_path_factory.mktemp('root')
    data = write_tiny_coco(root / 'data', num_images=2)
    content = json.loads((data / 'annotations.json').read_text())
    content['images'][1]['file_name'] = 'other/0.png'
    (data / 'annotations.json').write_text(json.dumps(content))
    (data / 'images' / 'other').mkdir()
    (data / 'images' / '1.png').rename(data / 'images' / 'other' / '0.png')
    cfg = tiny_run_cfg(data, root / 'unused', tiny_retinanet_cfg(), num_workers=0, validate=True)
    cfg.update(
        test_dataloader=cfg.val_dataloader, test_evaluator=cfg.val_evaluator, test_cfg=dict()
    )
    cfg.default_hooks.visualization = dict(type='DetVisualizationHook')
    cfg.visualizer = dict(type='DetLocalVisualizer', name='visualizer')
    cfg.log_level = 'INFO'
    cfg.dump(root / 'config.py')
    cfg.custom_hooks.append(dict(type='mmkd.KillHook', at_iter=1, sign=int(signal.SIGINT)))
    cfg.dump(root / 'interrupted.py')
    return root


@pytest.fixture(scope='module')
def interrupted(root):
    """What a run said that was interrupted in its second epoch, in ``root / 'run'``."""
    args = [str(root / 'interrupted.py'), '--work-dir', str(root / 'run')]
    return said(130, train_main, root / 'log', args)


def said(status: int, function, log: Path, *args) -> str:
    """Its output; the status is as expected and there is no traceback in it."""
    assert in_process(function, *args, log=log) == status, log.read_text()
    assert 'Traceback' not in log.read_text()
    return log.read_text()


def test_ctrl_c_is_one_message_and_the_last_checkpoint_is_there(root, interrupted):
    assert interrupted.endswith('\ninterrupted: checkpoints are whole, continue with --resume\n')
    last = (root / 'run' / 'last_checkpoint').read_text()
    assert torch.load(last, weights_only=True)['meta']['epoch'] == 1


def limited(room: int, main, args: list[str]) -> int:
    """As on a disk with room for so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    return main(args)


def test_a_full_disk_is_one_message_and_the_last_checkpoint_stays(root, interrupted, tmp_path):
    run = root / 'run'
    args = [str(root / 'config.py'), '--work-dir', str(run), '--resume']
    text = said(2, limited, tmp_path / 'log', 40_000, train_main, args)
    assert f'{run}/epoch_2.pth: File too large. There is no earlier one; free space' in text
    assert text.count('error: ') == 1
    assert {path.name for path in run.glob('*pth*')} == {'epoch_1.pth'}
    assert (run / 'last_checkpoint').read_text() == str(run / 'epoch_1.pth')


class TestTheTestTool:
    @pytest.fixture
    def args(self, root, interrupted, tmp_path):
        words = [root / 'config.py', root / 'run/epoch_1.pth', '--work-dir', tmp_path / 'test']
        return [str(word) for word in words]

    def test_predictions_that_cannot_be_written_are_told_before_the_test(self, args, tmp_path):
        (tmp_path / 'a.pkl').mkdir()
        text = said(2, run_test, tmp_path / 'log', [*args, '--out', str(tmp_path / 'a.pkl')])
        assert f'error: {tmp_path}/a.pkl' in text and 'Epoch(test)' not in text

    def test_images_of_one_name_have_a_picture_each(self, args, tmp_path):
        said(0, run_test, tmp_path / 'log', [*args, '--show-dir', 'pictures'])
        (pictures,) = (tmp_path / 'test').glob('*/pictures')
        names = {str(path.relative_to(pictures)) for path in pictures.rglob('*.png')}
        assert names == {'0.png', 'other/0.png'}
