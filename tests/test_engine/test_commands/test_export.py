"""The exported file is the student's weights and the run's metas."""

import runpy
import shutil
import sys
import time
from hashlib import sha256
from pathlib import Path

import mmdet
import numpy as np
import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file

from mmkd.engine.commands.export import export_student
from mmkd.engine.commands.onnx_export import (
    TOLERANCE,
    export_onnx,
    largest_difference,
    plain_student,
)
from mmkd.testing import (
    tiny_faster_rcnn_cfg,
    tiny_retinanet_cfg,
    tiny_run_cfg,
    train,
    write_tiny_coco,
)
from mmkd.testing.distill import build_plain, distill_cfg

TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'export_student.py'
EMA = dict(type='EMAHook', momentum=0.5)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A distillation run's ``plain/epoch_1.pth`` and, under EMA, ``ema/epoch_1.pth``."""
    root = tmp_path_factory.mktemp('runs')
    data, model = write_tiny_coco(root / 'data'), distill_cfg(root)
    for name, hooks in (('plain', ()), ('ema', (EMA,))):
        train(tiny_run_cfg(data, root / name, model, epochs=1, num_workers=0, hooks=hooks))
    return root


def test_the_result_is_the_plain_students_and_loads_strictly(folder, tmp_path):
    done = export_student(folder / 'plain/epoch_1.pth', tmp_path / 'student.pth')
    got = torch.load(done.path, weights_only=True)
    assert set(got) == {'meta', 'state_dict'}
    student = build_plain(tiny_faster_rcnn_cfg())
    student.load_state_dict(got['state_dict'], strict=True)
    trained = torch.load(folder / 'plain/epoch_1.pth', weights_only=True)
    for key, value in got['state_dict'].items():
        assert torch.equal(value, trained['state_dict'][key])
    assert got['meta']['dataset_meta']['classes'] == ('class0', 'class1', 'class2')
    assert 'DistillDetector' in got['meta']['cfg'] and got['meta']['epoch'] == 1
    assert done.student_keys == len(got['state_dict']) and done.dropped_keys > 0
    assert not done.averaged


def test_where_ema_ran_the_averaged_weights_are_exported(folder, tmp_path):
    done = export_student(folder / 'ema/epoch_1.pth', tmp_path / 'student.pth', ema=True)
    got = torch.load(done.path, weights_only=True)['state_dict']
    trained = torch.load(folder / 'ema/epoch_1.pth', weights_only=True)
    # The hook has swapped the two on saving: the average is the file's state_dict.
    key = 'backbone.conv1.weight'
    assert done.averaged and torch.equal(got[key], trained['state_dict'][key])
    assert not torch.equal(got[key], trained['ema_state_dict'][f'module.{key}'])


def test_averaged_weights_that_are_not_there_are_an_error(folder, tmp_path):
    with pytest.raises(ValueError, match='--ema: .*no averaged weights'):
        export_student(folder / 'plain/epoch_1.pth', tmp_path / 'student.pth', ema=True)


def test_an_existing_file_is_replaced_only_by_force(folder, tmp_path):
    source, out = folder / 'plain/epoch_1.pth', tmp_path / 'student.pth'
    out.write_text('mine')
    with pytest.raises(FileExistsError, match='--force'):
        export_student(source, out)
    assert out.read_text() == 'mine'
    export_student(source, out, force=True)
    assert torch.load(out, weights_only=True)['state_dict']


def test_the_checkpoint_itself_is_never_replaced(folder, tmp_path):
    source = shutil.copy(folder / 'plain/epoch_1.pth', tmp_path / 'a.pth')
    with pytest.raises(FileExistsError, match='is the checkpoint itself'):
        export_student(source, tmp_path / '..' / tmp_path.name / 'a.pth', force=True)


@pytest.mark.parametrize(
    'content', [dict(state_dict={}), dict(state_dict={'distill.a': torch.ones(1)}), dict(meta={})]
)
def test_a_file_without_student_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a.pth holds no student weights'):
        export_student(tmp_path / 'a.pth', tmp_path / 'out.pth')
    assert not (tmp_path / 'out.pth').exists()


def test_numpy_values_in_the_metas_become_plain(tmp_path):
    meta = dict(score=np.float64(0.5), epoch=3)
    torch.save(dict(state_dict=dict(w=torch.ones(1)), meta=meta), tmp_path / 'a.pth')
    export_student(tmp_path / 'a.pth', tmp_path / 'out.pth')
    got = torch.load(tmp_path / 'out.pth', weights_only=True)['meta']
    assert got == dict(score=0.5, epoch=3) and type(got['score']) is float


def test_the_tool_says_what_it_did_and_refuses_readably(folder, tmp_path, monkeypatch, capsys):
    argv = [TOOL, folder / 'ema/epoch_1.pth', tmp_path / 'student.pth']
    monkeypatch.setattr(sys, 'argv', list(map(str, argv)))
    statuses = []
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(TOOL), run_name='__main__')
        statuses.append(ended.value.code)
    said = capsys.readouterr()
    assert statuses == [0, 2]
    assert 'averaged (EMA) student weights' in said.out and '--force' in said.err


def test_weights_alone_are_the_bare_state_dict(folder, tmp_path):
    export_student(folder / 'plain/epoch_1.pth', tmp_path / 'weights.pth', form='weights')
    state = torch.load(tmp_path / 'weights.pth', weights_only=True)
    build_plain(tiny_faster_rcnn_cfg()).load_state_dict(state, strict=True)


def test_safetensors_hold_shared_layers_by_each_name(tmp_path):
    shared = torch.arange(3.0)
    torch.save(dict(state_dict=dict(a=shared, b=shared)), tmp_path / 'a.pth')
    export_student(tmp_path / 'a.pth', tmp_path / 'out.safetensors', form='safetensors')
    got = load_file(tmp_path / 'out.safetensors')
    assert torch.equal(got['a'], shared) and torch.equal(got['b'], shared)


def test_the_card_identifies_file_and_teacher_and_leaves_the_licences(folder, tmp_path):
    out, card = tmp_path / 'student.pth', tmp_path / 'student.pth.md'
    export_student(folder / 'plain/epoch_1.pth', out, card=card)
    text = card.read_text()
    teacher = sha256((folder / 'teacher.pth').read_bytes()).hexdigest()
    for part in (sha256(out.read_bytes()).hexdigest(), teacher, 'fgfi (mmkd.FGFI)', 'teacher.pth'):
        assert part in text
    assert 'license: FILL IN' in text and "| the teacher's weights | FILL IN |" in text
    assert '| classes | class0, class1, class2 |' in text and 'epoch 1, ' in text
    assert str(folder) not in text.partition('## Config')[0]


def test_a_checkpoint_of_weights_alone_has_a_card_that_says_what_is_unknown(tmp_path):
    torch.save(dict(state_dict=dict(w=torch.ones(1))), tmp_path / 'a.pth')
    export_student(tmp_path / 'a.pth', tmp_path / 'out.pth', card=tmp_path / 'out.md')
    assert '| none recorded | - |' in (tmp_path / 'out.md').read_text()


def test_mmdetections_publish_model_takes_the_result(folder, tmp_path):
    export_student(folder / 'plain/epoch_1.pth', tmp_path / 'student.pth')
    script = Path(mmdet.__file__).parent / '.mim/tools/model_converters/publish_model.py'
    if not script.is_file():
        pytest.skip('this installation of MMDetection has no tools')
    publish = runpy.run_path(str(script))['process_checkpoint']
    publish(str(tmp_path / 'student.pth'), str(tmp_path / 'published.pth'))
    for _ in range(100):  # it renames the file in a process that it does not wait for
        published = list(tmp_path.glob('published-*.pth'))
        if published and not (tmp_path / 'published.pth').exists():
            break
        time.sleep(0.1)
    state = torch.load(published[0], weights_only=True)['state_dict']
    build_plain(tiny_faster_rcnn_cfg()).load_state_dict(state, strict=True)


def test_a_two_stage_student_has_no_onnx_and_nothing_is_written(folder, tmp_path):
    files = [tmp_path / name for name in ('student.pth', 'card.md', 'student.onnx')]
    source = folder / 'plain/epoch_1.pth'
    with pytest.raises(
        ValueError, match='one-stage detectors, and the student is a FasterRCNN.*MM'
    ):
        export_student(source, files[0], card=files[1], onnx=files[2], shape=(64, 64))
    assert not any(file.exists() for file in files)


def test_onnx_without_a_config_in_the_checkpoint_is_refused(tmp_path):
    torch.save(dict(state_dict=dict(w=torch.ones(1))), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a.pth holds no config'):
        export_student(tmp_path / 'a.pth', tmp_path / 'out.pth', onnx=tmp_path / 'a.onnx')


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ImportError, match=r'pip install "mmkd\[onnx\]"'):
        export_onnx(build_plain(tiny_retinanet_cfg()).eval(), tmp_path / 'a.onnx', (64, 64))


def test_a_student_of_foreign_code_is_named(tmp_path):
    cfg = Config(dict(model=tiny_retinanet_cfg(), custom_imports=dict(imports=['my_net'])))
    cfg.model.backbone.type = 'MyNet'
    with pytest.raises(ValueError, match=r"MyNet is not in .*custom_imports=\['my_net'\]"):
        plain_student(cfg.pretty_text, {}, 'a.pth')


@pytest.mark.parametrize(('error', 'fits'), [(1.0, True), (5.0, False), (float('nan'), False)])
def test_outputs_in_pixels_differ_relatively_and_a_nan_is_seen(error, fits):
    expected = [torch.zeros(1, 2), torch.full((1, 2), 2000.0)]
    found = [np.zeros((1, 2)), np.full((1, 2), 2000.0 + error)]
    assert (largest_difference(expected, found) <= TOLERANCE) is fits


def test_a_one_stage_student_is_written_as_onnx_of_equal_outputs(tmp_path):
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    student = build_plain(tiny_retinanet_cfg()).eval()
    assert export_onnx(student, tmp_path / 'a.onnx', (64, 96)) <= 1e-3
    model = onnx.load(tmp_path / 'a.onnx')
    names = [one.name for one in model.graph.output]
    assert names[0] == 'cls_scores_0' and 'bbox_preds_0' in names
    sides = model.graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_value for side in sides] == [1, 3, 64, 96]
