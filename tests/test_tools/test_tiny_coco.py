"""A thin detector trained and distilled on real images in COCO's format by ``tools/train.py``."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmkd.engine.commands.train_and_test import test_main as run_test
from mmkd.engine.commands.train_and_test import train_main
from mmkd.testing import in_process
from mmkd.testing.distill import save_teacher
from mmkd.testing.voc_folders import shared_data

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return tmp_path_factory.mktemp('tiny_coco')


def call(main, root, name, *options):
    """Two steps of four images and the metric, in a process of its own; what it logged."""
    data = shared_data('tiny_coco')
    settings = []
    for kind in ('val', 'test'):
        settings += [
            f'{kind}_dataloader.dataset.data_root={data}',
            f'{kind}_dataloader.dataset.indices=8',
            f'{kind}_evaluator.ann_file={data}/annotations/instances_val2017.json',
        ]
    if main is train_main:
        settings += [
            f'train_dataloader.dataset.dataset.data_root={data}',
            'train_dataloader.dataset.dataset.indices=8',
            'train_dataloader.dataset.times=1',
            'train_cfg.max_epochs=1',
            'train_cfg.val_interval=1',
            'default_hooks.logger.interval=1',
        ]
    arguments = [str(option) for option in options]
    arguments += ['--work-dir', str(root / name), '--cfg-options', *settings]
    log = root / f'{name}.log'
    assert in_process(main, arguments, log=log) == 0, log.read_text()[-3000:]
    scalars = sorted((root / name).glob('*/vis_data/scalars.json'))
    return [json.loads(line) for line in scalars[-1].read_text().splitlines()] if scalars else []


def test_distilled_then_tested_with_the_student_config(root):
    teacher = Config.fromfile(CONFIGS / 'teachers/faster_rcnn_r18_half_tiny_coco.py').model
    checkpoint = save_teacher(teacher, root / 'teacher.pth')
    config = CONFIGS / 'fgfi_faster_rcnn_r18_16th_tiny_coco.py'
    rows = call(train_main, root, 'fgfi', config, '--teacher-checkpoint', checkpoint)
    steps = [row for row in rows if 'loss_fgfi' in row]
    assert len(steps) == 2 and all(row['loss_fgfi'] > 0 for row in steps)
    assert {'coco/bbox_mAP', 'coco/bbox_AR_100'} <= set(rows[-1])
    written = torch.load(root / 'fgfi/epoch_1.pth', weights_only=True)['state_dict']
    assert written['roi_head.bbox_head.fc_cls.weight'].shape[0] == 81
    student = CONFIGS / 'students/faster_rcnn_r18_16th_tiny_coco.py'
    call(run_test, root, 'tested', student, root / 'fgfi/epoch_1.pth')


def test_the_student_alone_trains(root):
    rows = call(train_main, root, 'alone', CONFIGS / 'students/faster_rcnn_r18_16th_tiny_coco.py')
    losses = [row['loss'] for row in rows if 'loss' in row]
    assert len(losses) == 2 and all(0 < loss < 20 for loss in losses)
