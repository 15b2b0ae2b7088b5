"""Whole distillation runs in processes of their own, with our tools and with MMDetection's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest

from mmkd.run import main as run_main
from mmkd.testing import (
    in_process,
    tiny_faster_rcnn_cfg,
    tiny_rfcn_cfg,
    tiny_run_cfg,
    train,
    write_tiny_coco,
)
from mmkd.testing.distill import distill_cfg

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(mmdet.__file__).parent / '.mim' / 'tools'
if not SCRIPTS.is_dir():
    pytest.skip('this MMDetection ships no tools', allow_module_level=True)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_tiny_coco(tmp_path_factory.mktemp('data'))


def run(log, cfg):
    assert in_process(train, cfg, log=log) == 0, log.read_text()


def script(log, *argv):
    """As ``python -m mmkd.run SCRIPT ARGS``, without an interpreter of its own."""
    assert in_process(run_main, [str(word) for word in argv], log=log) == 0, log.read_text()


def metrics(work_dir):
    (file,) = work_dir.glob('*/*.json')
    return json.loads(file.read_text())


def test_mmdetections_own_scripts_train_and_evaluate(data_root, tmp_path):
    """As the README says: an unmodified train.py on our config, test.py on the student's."""
    common = dict(epochs=1, validate=True, num_workers=0)
    config, plain = tmp_path / 'distill.py', tmp_path / 'student.py'
    run_dir = tmp_path / 'run'
    tiny_run_cfg(data_root, run_dir, model=distill_cfg(tmp_path), **common).dump(config)
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / 'train.py'), str(config)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    student = tiny_run_cfg(data_root, tmp_path / 'tested', model=tiny_faster_rcnn_cfg(), **common)
    # What a plain MMDetection project has: none of our modules.
    student.pop('custom_hooks'), student.pop('custom_imports')
    student.default_hooks.checkpoint.type = 'CheckpointHook'
    student.update(
        test_dataloader=student.val_dataloader,
        test_cfg=dict(type='TestLoop'),
        test_evaluator=student.val_evaluator,
    )
    student.dump(plain)
    script(tmp_path / 'test_log', SCRIPTS / 'test.py', plain, run_dir / 'epoch_1.pth')
    scalars = [json.loads(line) for line in next(run_dir.glob('*/vis_data/scalars.json')).open()]
    (validated,) = [row for row in scalars if 'coco/bbox_mAP' in row]
    tested = metrics(tmp_path / 'tested')
    assert tested['coco/bbox_mAP'] == validated['coco/bbox_mAP']
    assert tested['coco/bbox_mAP_50'] == validated['coco/bbox_mAP_50']


def test_mmdetections_own_test_script_evaluates_a_distilled_rfcn(data_root, tmp_path):
    """A student that is mmkd's own detector needs ``custom_imports`` and nothing else."""
    common = dict(epochs=1, validate=True, num_workers=0)
    cfg = tiny_run_cfg(
        data_root,
        tmp_path / 'run',
        model=distill_cfg(
            tmp_path, student=tiny_rfcn_cfg(), teacher=tiny_rfcn_cfg(base_channels=12)
        ),
        **common,
    )
    run(tmp_path / 'log', cfg)
    plain = tiny_run_cfg(data_root, tmp_path / 'tested', model=tiny_rfcn_cfg(), **common)
    plain.pop('custom_hooks')
    plain.custom_imports = dict(imports=['mmkd'], allow_failed_imports=False)
    plain.default_hooks.checkpoint.type = 'CheckpointHook'
    plain.update(
        test_dataloader=plain.val_dataloader,
        test_cfg=dict(type='TestLoop'),
        test_evaluator=plain.val_evaluator,
    )
    plain.dump(tmp_path / 'rfcn.py')
    script(
        tmp_path / 'test_log',
        SCRIPTS / 'test.py',
        tmp_path / 'rfcn.py',
        tmp_path / 'run/epoch_1.pth',
    )
    scalars = next((tmp_path / 'run').glob('*/vis_data/scalars.json'))
    (validated,) = [r for r in map(json.loads, scalars.open()) if 'coco/bbox_mAP' in r]
    assert metrics(tmp_path / 'tested')['coco/bbox_mAP'] == validated['coco/bbox_mAP']
