"""Bad input ends ``tools/train.py`` within seconds, with one readable message and status 2."""

import pickle
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmkd.engine.commands.train_and_test import train_main
from mmkd.testing import in_process, tiny_faster_rcnn_cfg, tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import distill_cfg, save_teacher

SECONDS = 30  # a second or two on an idle machine


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A distillation run that would work: data, teacher and config."""
    root = tmp_path_factory.mktemp('good')
    write_tiny_coco(root / 'data')
    tiny_run_cfg(root / 'data', root / 'run', distill_cfg(root)).dump(root / 'config.py')
    tiny_run_cfg(root / 'data', root / 'run', tiny_faster_rcnn_cfg()).dump(root / 'plain.py')
    in_process(print)  # the server of processes imports the host once, which no test is charged
    return root


def said(log: Path, *args: object, status: int = 2) -> str:
    """The tool's message for ``args``; checks status, haste and the absence of a traceback."""
    start = time.time()
    assert in_process(train_main, [str(arg) for arg in args], log=log) == status, log.read_text()
    assert time.time() - start < SECONDS
    text = log.read_text()
    assert 'Traceback' not in text and 'loading annotations' not in text
    assert 'error: ' in text
    return text[text.index('error: ') :]


@pytest.mark.parametrize(
    'options, parts',
    [
        (['model.teacher.checkpoint=no/such.pth'], ['no/such.pth', '--teacher-checkpoint']),
        (['model.teacher.checkpoint=None'], ['model.teacher has no checkpoint']),
        (['model.methods.0.type=mmkd.FGFY'], ['mmkd.FGFY', 'FGFI']),
        (['model.teacher.config.neck.num_outs=4'], ['[4, 8, 16, 32, 64]', 'levels']),
        (['train_dataloader.dataset.data_root=no/such'], ['train_dataloader.dataset.data_root']),
        (['train_dataloader.dataset.ann_file=no.json'], ['train_dataloader.dataset.ann_file']),
        (['train_dataloader.dataset.data_prefix.img=no'], ['dataset.data_prefix.img']),
        (['train_dataloader.dataset.an_file=a.json'], ["dataset.an_file='a.json'", "'ann_file'?"]),
        (['train_dataloader.dataset.pipeline.2.scal=3'], ['dataset.pipeline.2.scal=3', "'scale'?"]),
        (['train_dataloader.batchsize=2'], ['train_dataloader.batchsize=2', "'batch_size'?"]),
        (
            ['train_dataloader.dataset.metainfo.classes=class1,class0,class2'],
            ['dataset.metainfo.classes has another order', "('class0', 'class1', 'class2')"],
        ),
        (
            ['model.student.roi_head.bbox_head.num_classes=4'],
            ['model.student.roi_head.bbox_head.num_classes=4', 'has 3 classes'],
        ),
        (['load_from=no/such.pth'], ['load_from', 'no/such.pth']),
        (['train_dataloader.persistent_workers=True'], ['persistent_workers=False']),
    ],
)
def test_a_setting_that_cannot_work_is_named(folder, tmp_path, options, parts):
    text = said(tmp_path / 'log', folder / 'config.py', '--cfg-options', *options)
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    'args, parts',
    [
        (['no/such.py'], ['there is no config', 'no/such.py']),
        (['plain.py', '--teacher-checkpoint', 'a.pth'], ['has no teacher', 'mmdet.FasterRCNN']),
        (['config.py', '--teacher-checkpoint', 'a.pth'], ["checkpoint='a.pth' does not exist"]),
        (['config.py', '--resume', 'no/such.pth'], ['--resume', 'no/such.pth']),
        (['config.py', '--auto-scale-lr'], ['auto_scale_lr.base_batch_size']),
        (['config.py', '--resme'], ['unrecognized arguments: --resme']),
        (['config.py', '--cfg-options', 'lr'], ['KEY=VALUE']),
    ],
)
def test_an_option_that_cannot_work_is_named(folder, tmp_path, args, parts):
    text = said(tmp_path / 'log', folder / args[0], *args[1:])
    for part in parts:
        assert part in text


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')
@pytest.mark.parametrize('args', [
    ['--amp'],
    ['--cfg-options', 'optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.dtype=bfloat16'],
    ['--cfg-options', 'optim_wrapper.type=mmengine.AmpOptimWrapper'],
])  # fmt: skip
def test_mixed_precision_without_a_gpu_is_refused(folder, tmp_path, args):
    text = said(tmp_path / 'log', folder / 'config.py', *args)
    assert 'optim_wrapper.type=AmpOptimWrapper) needs a GPU' in text
    assert text.strip().count('\n') == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')
def test_so_it_is_where_the_config_asks_for_it(folder, tmp_path):
    cfg = Config.fromfile(folder / 'config.py')
    cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16', loss_scale='dynamic')
    cfg.dump(tmp_path / 'config.py')
    assert 'needs a GPU' in said(tmp_path / 'log', tmp_path / 'config.py')


def test_a_teacher_with_other_classes_is_refused_before_data_is_read(folder, tmp_path):
    cfg = Config.fromfile(folder / 'config.py')
    cfg.model.teacher.config = tiny_faster_rcnn_cfg(num_classes=4)
    cfg.model.teacher.checkpoint = save_teacher(cfg.model.teacher.config, tmp_path / 'four.pth')
    cfg.dump(tmp_path / 'config.py')
    text = said(tmp_path / 'log', tmp_path / 'config.py', '--work-dir', tmp_path / 'run')
    assert 'classes' in text and '4' in text and '3' in text


def test_a_damaged_teacher_checkpoint_is_refused(folder, tmp_path):
    path = tmp_path / 'damaged.pth'
    path.write_bytes((folder / 'teacher.pth').read_bytes()[:5000])
    text = said(tmp_path / 'log', folder / 'config.py', '--teacher-checkpoint', path)
    assert str(path) in text and 'damaged' in text


class Malicious:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.path, 'ran')


def test_a_teacher_checkpoint_that_wants_to_run_code_is_refused_and_does_not_run(folder, tmp_path):
    trace, path = tmp_path / 'trace', tmp_path / 'malicious.pth'
    torch.save({'state_dict': {}, 'extra': Malicious(trace)}, path)
    text = said(tmp_path / 'log', folder / 'config.py', '--teacher-checkpoint', path)
    assert str(path) in text and 'refused' in text and not trace.exists()
    pickle.loads(pickle.dumps(Malicious(trace)))
    assert trace.exists()  # it would have run


def test_a_note_of_the_last_checkpoint_that_misleads_is_refused(folder, tmp_path):
    (tmp_path / 'last_checkpoint').write_text('gone/epoch_3.pth')
    args = [folder / 'config.py', '--work-dir', tmp_path, '--resume']
    text = said(tmp_path / 'log', *args)
    assert "'gone/epoch_3.pth' does not exist" in text
