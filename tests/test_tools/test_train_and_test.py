"""``tools/train.py`` and ``tools/test.py`` as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmkd.engine.commands.train_and_test import test_main as run_test
from mmkd.engine.commands.train_and_test import train_main
from mmkd.testing import in_process, tiny_faster_rcnn_cfg, tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import distill_cfg

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def bare_environment() -> dict:
    """No PYTHONPATH: the tools must find mmkd beside themselves."""
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    return {**env, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A distillation trained for an epoch by the script itself, from a foreign folder."""
    root = tmp_path_factory.mktemp('trained')
    write_tiny_coco(root / 'data')
    model = distill_cfg(root)
    cfg = tiny_run_cfg(root / 'data', root / 'unused', model, epochs=1, validate=True)
    cfg.update(
        test_dataloader=cfg.val_dataloader, test_evaluator=cfg.val_evaluator, test_cfg=dict()
    )
    cfg.test_dataloader.dataset.pipeline.insert(-1, dict(type='RandomFlip', prob=0.0))
    cfg.default_hooks.visualization = dict(type='DetVisualizationHook')
    cfg.visualizer = dict(type='DetLocalVisualizer', name='visualizer')
    teacher = model.teacher.checkpoint
    model.teacher.checkpoint = 'to/be/replaced.pth'
    cfg.model = model
    cfg.dump(root / 'distill.py')
    cfg.model = tiny_faster_rcnn_cfg()
    cfg.dump(root / 'student.py')
    command = [sys.executable, TOOLS / 'train.py', root / 'distill.py', '--work-dir', root / 'run']
    done = subprocess.run(
        [*map(str, command), '--teacher-checkpoint', teacher, '--cfg-options', 'randomness.seed=5'],
        cwd=root,
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    Path(teacher).unlink()
    return root


def call(main, log, *args) -> str:
    status = in_process(main, [str(arg) for arg in args], log=log)
    assert status == 0, log.read_text()[-3000:]
    return log.read_text()


def metrics(work_dir: Path) -> dict:
    return json.loads(next(work_dir.glob('*/*.json')).read_text().splitlines()[-1])


def test_options_reach_the_run(trained):
    assert torch.load(trained / 'run/epoch_1.pth', weights_only=True)['meta']['seed'] == 5


def test_distillation_and_student_config_give_the_same_metrics_without_a_teacher_file(
    trained, tmp_path
):
    results = []
    for name in ('distill', 'student'):
        args = [trained / f'{name}.py', trained / 'run/epoch_1.pth', '--work-dir', tmp_path / name]
        call(run_test, tmp_path / 'log', *args, '--out', tmp_path / f'{name}.pkl')
        assert (tmp_path / f'{name}.pkl').stat().st_size > 0
        results.append({k: v for k, v in metrics(tmp_path / name).items() if 'mAP' in k})
    assert results[0] == results[1] and results[0]


def test_augmentation_and_pictures(trained, tmp_path):
    args = [trained / 'distill.py', trained / 'run/epoch_1.pth', '--work-dir', tmp_path, '--tta']
    call(run_test, tmp_path / 'log', *args, '--show-dir', 'pictures')
    assert list(tmp_path.glob('*/pictures/*.png'))


def test_a_bare_resume_with_nothing_there_warns_and_starts_anew(trained, tmp_path):
    args = [trained / 'student.py', '--work-dir', tmp_path, '--resume']
    options = ['train_cfg.max_epochs=1', 'log_level=INFO']
    text = call(train_main, tmp_path / 'log', *args, '--cfg-options', *options)
    assert 'Did not find last_checkpoint' in text and (tmp_path / 'epoch_1.pth').exists()


def test_a_bare_resume_goes_on(trained, tmp_path):
    args = [trained / 'student.py', '--work-dir', tmp_path]
    call(train_main, tmp_path / 'log', *args)
    call(train_main, tmp_path / 'log', *args, '--resume', '--cfg-options', 'train_cfg.max_epochs=2')
    assert torch.load(tmp_path / 'epoch_2.pth', weights_only=True)['meta']['iter'] == 6


def test_a_plain_config_under_a_teacher_and_the_config_that_it_dumps_train_the_same(
    trained, tmp_path
):
    args = [trained / 'student.py', '--teacher', trained / 'student.py', '--method', 'fgfi']
    checkpoint = ['--teacher-checkpoint', trained / 'run/epoch_1.pth']
    call(train_main, tmp_path / 'log', *args, *checkpoint, '--work-dir', tmp_path / 'run')
    dumped = tmp_path / 'run/student.py'
    call(train_main, tmp_path / 'log', dumped, '--work-dir', tmp_path / 'again')
    first, second = (
        torch.load(tmp_path / name / 'epoch_1.pth', weights_only=True)['state_dict']
        for name in ('run', 'again')
    )
    assert first.keys() == second.keys() and any(key.startswith('distill.') for key in first)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture
def reordered(trained, tmp_path):
    """A checkpoint as of MMDetection 2, of a detector that learned the classes in another order."""
    content = torch.load(trained / 'run/epoch_1.pth', weights_only=True)
    content['meta'] = dict(CLASSES=('class1', 'class0', 'class2'))
    torch.save(content, tmp_path / 'reordered.pth')
    return tmp_path / 'reordered.pth'


def test_another_class_order_is_a_warning_above_and_below_the_result(trained, reordered, tmp_path):
    args = [trained / 'student.py', reordered, '--work-dir', tmp_path]
    lines = call(run_test, tmp_path / 'log', *args, '--cfg-options', 'log_level=INFO').splitlines()
    warned = [i for i, line in enumerate(lines) if 'in another order: label 0' in line]
    (result,) = (i for i, line in enumerate(lines) if 'bbox_mAP_50:' in line)
    assert len(warned) == 2 and warned[0] < result < warned[1]
    assert 'The test above: ' in lines[warned[1]]


def test_another_class_order_is_no_start_of_a_training(trained, reordered, tmp_path):
    args = [trained / 'student.py', '--work-dir', tmp_path, '--cfg-options']
    argv = [str(arg) for arg in (*args, f'load_from={reordered}')]
    assert in_process(train_main, argv, log=tmp_path / 'log') == 2
    text = (tmp_path / 'log').read_text()
    assert f'error: load_from: {reordered} was trained on' in text and 'Traceback' not in text


@pytest.mark.parametrize(
    'args, message',
    [
        (['no.pth'], 'no checkpoint no.pth'),
        (['run/epoch_1.pth', '--out', 'a.txt'], '--out='),
        (['run/epoch_1.pth', '--cfg-options', 'test_dataloader.dataset.data_root=no'], 'data_root'),
        (['run/epoch_1.pth', '--cfg-options', 'test_cfg=None'], 'so there is no test: set'),
    ],
)
def test_bad_input_of_the_test_tool_is_named(trained, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(trained)
    log = tmp_path / 'log'
    argv = ['student.py', *args]
    assert in_process(run_test, argv, log=log) == 2
    assert 'error: ' in log.read_text() and message in log.read_text()
    assert 'Traceback' not in log.read_text()


@pytest.mark.slow
def test_two_processes_train_and_test_without_a_gpu(trained, tmp_path):
    gloo = ['--cfg-options', 'env_cfg.dist_cfg.backend=gloo']
    train = [TOOLS / 'dist_train.sh', trained / 'student.py', '2', '--work-dir', tmp_path]
    test = [TOOLS / 'dist_test.sh', trained / 'student.py', tmp_path / 'epoch_1.pth', '2']
    test += ['--work-dir', tmp_path / 'test']
    for port, command in ((29711, train), (29712, test)):
        done = subprocess.run(
            [*map(str, command), *gloo],
            env={**bare_environment(), 'PORT': str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    # Six images, batches of two, two processes: two steps.
    assert torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['meta']['iter'] == 2
    assert 'coco/bbox_mAP' in metrics(tmp_path / 'test')


@pytest.mark.parametrize('name', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_launchers_say_how_they_are_used(name):
    done = subprocess.run([TOOLS / f'{name}.sh'], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and 'usage' in done.stderr
