"""``mmkd distill`` from two plain configs and a folder to the plain student."""

import inspect
import re
import runpy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import mmkd
from mmkd.__main__ import main
from mmkd.compat import load_checkpoint_file
from mmkd.engine.commands.tool_options import read_config
from mmkd.testing import in_process, tiny_faster_rcnn_cfg, tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import save_teacher


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Configs of a student and a teacher on tiny data, and the teacher's weights."""
    model = tiny_faster_rcnn_cfg()
    data = write_tiny_coco(tmp_path / 'data', num_images=5)
    cfg = tiny_run_cfg(data, 'unused', model, num_workers=0, validate=True)
    cfg.update(
        test_dataloader=cfg.val_dataloader, test_evaluator=cfg.val_evaluator, test_cfg=dict()
    )
    for name in ('work_dir', 'custom_imports', 'custom_hooks'):
        cfg.pop(name)
    cfg.dump(tmp_path / 'small.py')
    cfg.dump(tmp_path / 'large.py')
    save_teacher(model, tmp_path / 'large.pth')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_it_ends_with_a_plain_student_and_what_that_reaches(folder):
    words = 'distill --student small.py --teacher large.py --teacher-checkpoint large.pth'
    argv = [*words.split(), *'--method fgfi --epochs 2 --data data --format coco'.split()]
    assert in_process(main, argv, log=folder / 'log') == 0, (folder / 'log').read_text()[-3000:]
    out = folder / 'work_dirs' / 'small_large_fgfi_data'
    used = Config.fromfile(out / 'distill.py')
    assert used.model.methods == [dict(type='mmkd.FGFI')] and used.train_cfg.max_epochs == 2
    trained = load_checkpoint_file(out / 'epoch_2.pth', map_location='cpu')['state_dict']
    student = torch.load(out / 'student.pth', weights_only=True)['state_dict']
    assert set(trained) - set(student) == {key for key in trained if key.startswith('distill.')}
    assert set(torch.load(out / 'student_epoch_2.pth')['state_dict']) == set(student)
    assert Config.fromfile(out / 'student.py').model == Config.fromfile('small.py').model
    said = (folder / 'log').read_text()
    row = re.search(r'distilled +│ (\d\.\d{4}) ', said)
    assert '\n--data: train: 4 of annotations.json, 5 images: 80%, drawn by seed 0\n' in said
    assert row and 'coco/bbox_mAP' in next((out / 'test').glob('*/*.json')).read_text()


@pytest.mark.parametrize(
    'words, message',
    [
        ('--teacher large.py --method fgfi', 'has no checkpoint'),
        ('--method fgfi', 'Add --teacher CONFIG'),
        (
            '--teacher large.py --teacher-checkpoint large.pth --cfg-options '
            'model.student_scale=0.5',
            'model.student_scale=0.5 makes the images',
        ),
        (
            '--teacher large.py --teacher-checkpoint large.pth --cfg-options test_dataloader=None',
            'test_dataloader of small.py say nothing, so there is no test: set test_dataloader',
        ),
    ],
)
def test_what_is_left_out_is_named(folder, words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(['distill', '--student', 'small.py', *words.split()])
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_bare_names_are_those_of_the_configs(folder, capsys):
    words = '--student faster_rcnn_r18_16th_bccd'
    with pytest.raises(SystemExit) as ended:
        main(['distill', *words.split()])
    named = 'students/faster_rcnn_r18_16th_bccd.py'
    assert ended.value.code == 2 and named in capsys.readouterr().err


def test_in_python_it_takes_what_the_command_takes():
    tool = runpy.run_path(str(Path(__file__).resolve().parents[2] / 'tools' / 'distill.py'))
    options = set(vars(tool['parse_args'](['--student', 's.py']))) - {'launcher'}
    names = dict(config='student', data_folder='data')
    assert {names.get(one, one) for one in options} == set(
        inspect.signature(mmkd.distill).parameters
    )


def test_a_config_beside_the_one_that_names_it_is_found(folder, tmp_path, capsys, monkeypatch):
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    pair = dict(type='mmkd.DistillDetector', student='small.py', teacher='large.py')
    Config(dict(model=pair)).dump(tmp_path / 'pair.py')
    args = runpy.run_path(str(Path(mmkd.__file__).parents[1] / 'tools' / 'distill.py'))
    parsed = args['parse_args'](['--student', '../pair.py', '--method', 'fgfi'])
    model = read_config(parsed).model
    assert (model.student, model.teacher) == ('../small.py', '../large.py')
