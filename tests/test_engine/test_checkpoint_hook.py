"""A kill at any point of a checkpoint's writing leaves the newest complete one to resume from."""

import builtins
import os
import signal
from pathlib import Path

import pytest
import torch

from mmkd.testing import in_process, tiny_retinanet_cfg, tiny_run_cfg, train, write_tiny_coco
from mmkd.utils.atomic import write_atomically


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_tiny_coco(tmp_path_factory.mktemp('data'))


def one_epoch_cfg(data_root, work_dir, epochs=3, **checkpoint):
    """Keeps one checkpoint, so that every epoch writes and deletes."""
    cfg = tiny_run_cfg(data_root, work_dir, tiny_retinanet_cfg(), epochs=epochs, num_workers=0)
    cfg.default_hooks.checkpoint.update(max_keep_ckpts=1, **checkpoint)
    return cfg


def killed_at(function: str, call: int, cfg) -> None:
    """Trains until the ``call``-th use (1-based) of a function of ``os``; ends there by SIGKILL."""
    original, count = getattr(os, function), 0

    def counted(*args, **kw):
        nonlocal count
        count += 1
        if count == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kw)

    setattr(os, function, counted)
    train(cfg)


# Writing one checkpoint flushes four times (file, folder, and both for last_checkpoint), moves
# twice and removes once; each kill falls into the writing of the second epoch's.
@pytest.mark.parametrize(
    'function, call, left',
    [
        ('fsync', 5, 'epoch_1.pth'),
        ('replace', 3, 'epoch_1.pth'),
        ('replace', 4, 'epoch_1.pth'),
        ('remove', 1, 'epoch_2.pth'),
    ],
)
def test_a_kill_while_writing_leaves_a_complete_checkpoint_to_resume_from(
    data_root, tmp_path, function, call, left
):
    cfg, log = one_epoch_cfg(data_root, tmp_path), tmp_path / 'log'
    status = in_process(killed_at, function, call, cfg, log=log)
    assert status == -signal.SIGKILL, log.read_text()[-3000:]
    last = Path((tmp_path / 'last_checkpoint').read_text())
    assert last == tmp_path / left
    assert torch.load(last, weights_only=True)['meta']['epoch'] == int(left[6])


def test_after_a_kill_while_writing_the_run_resumes_and_leaves_no_scraps(data_root, tmp_path):
    cfg, log = one_epoch_cfg(data_root, tmp_path), tmp_path / 'log'
    assert in_process(killed_at, 'replace', 3, cfg, log=log) == -signal.SIGKILL
    assert list(tmp_path.glob('epoch_2.pth.*.tmp'))
    cfg.resume = True
    assert in_process(train, cfg, log=log) == 0, log.read_text()[-3000:]
    names = {path.name for path in tmp_path.glob('*pth*')}
    assert names == {'epoch_3.pth'}


@pytest.mark.parametrize('call, best', [(1, {1, 2}), (99, {3})], ids=['killed', 'whole'])
def test_the_best_checkpoint_is_deleted_after_the_better_one_is_written(
    data_root, tmp_path, call, best
):
    model = tiny_retinanet_cfg()
    cfg = tiny_run_cfg(data_root, tmp_path, model, num_workers=0, validate=True)
    cfg.default_hooks.checkpoint.update(save_best='coco/bbox_mAP')
    in_process(killed_at_best, call, cfg, log=tmp_path / 'log')
    names = {path.name for path in tmp_path.glob('best*')}
    assert names == {f'best_coco_bbox_mAP_epoch_{epoch}.pth' for epoch in best}
    last = torch.load((tmp_path / 'last_checkpoint').read_text(), weights_only=True)
    assert Path(last['message_hub']['runtime_info']['best_ckpt']).exists()


def killed_at_best(call: int, cfg) -> None:
    """Trains with a metric that rises every epoch; killed at the ``call``-th removal."""
    from mmdet.evaluation import CocoMetric

    epochs = iter(range(1, 100))
    CocoMetric.compute_metrics = lambda self, results: {'bbox_mAP': next(epochs) / 100}
    killed_at('remove', call, cfg)


def test_max_keep_ckpts_keeps_that_many(data_root, tmp_path):
    cfg = one_epoch_cfg(data_root, tmp_path, epochs=4)
    cfg.default_hooks.checkpoint.max_keep_ckpts = 2
    train(cfg)
    assert {path.name for path in tmp_path.glob('*.pth')} == {'epoch_3.pth', 'epoch_4.pth'}


def test_a_full_disk_keeps_the_old_file_and_says_so(tmp_path, monkeypatch):
    path = tmp_path / 'epoch_1.pth'
    write_atomically(b'old', path)

    def full(descriptor: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r'could not write 3 bytes .*epoch_1.pth: No space.*kept'):
        write_atomically(b'new', path)
    assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_ends_a_run_with_the_last_checkpoint_in_place(data_root, tmp_path, monkeypatch):
    cfg = one_epoch_cfg(data_root, tmp_path)
    original = builtins.open

    def full(file, mode='r', *args, **kw):
        if Path(file).match('epoch_2.pth.*.tmp'):
            raise OSError(28, 'No space left on device')
        return original(file, mode, *args, **kw)

    monkeypatch.setattr(builtins, 'open', full)
    with pytest.raises(OSError, match='epoch_2.pth: No space left'):
        train(cfg)
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_1.pth')
    assert {path.name for path in tmp_path.glob('*.pth*')} == {'epoch_1.pth'}
