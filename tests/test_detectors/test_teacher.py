import logging
import os
import pickle
from unittest.mock import patch

import pytest
import torch
from mmengine.logging import MMLogger

from mmkd.detectors.checkpoint_keys import misfit_report
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_fcos_cfg
from mmkd.testing.distill import build_distill, distill_cfg, loss_of, save_teacher


def train_with(folder, checkpoint, **kwargs):
    """What the runner does before the first iteration, with the teacher's weights elsewhere."""
    from mmkd.registry import MODELS

    cfg = distill_cfg(folder, **kwargs)
    cfg.teacher.checkpoint = checkpoint
    MODELS.build(cfg).init_weights()


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        train_with(tmp_path, str(tmp_path / 'nowhere.pth'))


def test_a_teacher_without_a_checkpoint_is_refused_when_training_starts(tmp_path):
    with pytest.raises(ValueError, match='comes without weights.*teacher=dict'):
        train_with(tmp_path, None)


def test_a_corrupt_checkpoint_is_named(tmp_path):
    broken = tmp_path / 'broken.pth'
    broken.write_bytes(b'no checkpoint at all')
    with pytest.raises(Exception, match='broken.pth'):
        train_with(tmp_path, str(broken))


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    class Malice:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'owned'),)

    file = tmp_path / 'malice.pth'
    torch.save({'state_dict': Malice()}, file, pickle_module=pickle)
    with pytest.raises(Exception, match='malice.pth'):
        train_with(tmp_path, str(file))
    assert not (tmp_path / 'owned').exists()


def test_a_checkpoint_of_another_width_is_refused_with_its_keys_and_shapes(tmp_path):
    other = save_teacher(tiny_faster_rcnn_cfg(base_channels=4), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='other.pth does not fit') as caught:
        train_with(tmp_path, other)
    assert 'backbone.conv1.weight: checkpoint (4, 3, 7, 7), model (16, 3, 7, 7)' in str(
        caught.value
    )


def test_missing_and_unexpected_keys_are_listed():
    report = misfit_report(
        {'a': torch.zeros(1), 'bn.num_batches_tracked': torch.zeros(())}, {'b': torch.zeros(1)}
    )
    assert report.splitlines() == ['  1 keys missing:', '    a', '  1 keys unexpected:', '    b']


def test_a_distilled_checkpoint_teaches_in_its_turn(tmp_path):
    first = build_distill(tmp_path)
    torch.save({'state_dict': first.state_dict()}, tmp_path / 'distilled.pth')
    train_with(tmp_path, str(tmp_path / 'distilled.pth'), teacher=tiny_faster_rcnn_cfg())


def test_the_classes_of_the_checkpoint_are_known(tmp_path):
    model = build_distill(tmp_path)
    classes = ('a', 'b', 'c')
    model.teacher.checkpoint = save_teacher(
        tiny_faster_rcnn_cfg(base_channels=16, out_channels=24), tmp_path / 't.pth', classes
    )
    model.init_weights()
    assert model.teacher.classes == classes


@pytest.mark.parametrize('role', ['teacher', 'student'])
def test_copies_for_the_moving_average_of_mmdetection_2_are_left_out(tmp_path, role):
    cfg = tiny_faster_rcnn_cfg()
    file = save_teacher(cfg, tmp_path / 'a.pth')
    state = torch.load(file, weights_only=True)['state_dict']
    copies = {'ema_' + key.replace('.', '_'): torch.zeros_like(v) for key, v in state.items()}
    torch.save({'state_dict': {f'module.{k}': v for k, v in {**state, **copies}.items()}}, file)
    model = build_distill(tmp_path, student=dict(config=cfg, checkpoint=file), teacher=cfg)
    model.teacher.checkpoint = file
    with patch.object(MMLogger.get_current_instance(), 'info') as info:
        model.teacher.load() if role == 'teacher' else model.init_weights()
    text = next(call.args[0] for call in info.call_args_list if 'ema_*' in call.args[0])
    assert text.startswith(f'{role} checkpoint {file} holds {len(state)} ema_* copies, which the')
    kept = (model.teacher.model if role == 'teacher' else model.student).state_dict()
    assert all(torch.equal(value, state[key]) for key, value in kept.items())


def test_keys_that_only_begin_like_copies_are_unexpected(tmp_path):
    model = build_distill(tmp_path)
    content = torch.load(model.teacher.checkpoint, weights_only=True)
    content['state_dict']['ema_other_weight'] = torch.zeros(1)
    torch.save(content, model.teacher.checkpoint)
    with pytest.raises(ValueError, match='1 keys unexpected:\n    ema_other_weight'):
        model.teacher.load()


@pytest.mark.parametrize('kwargs, message', [
    (dict(teacher=tiny_fcos_cfg()), r'student strides \[4, 8, 16, 32, 64\], teacher strides \[8,'),
    (dict(methods=[]), 'methods is empty'),
    (dict(methods=[dict(type='mmkd.FGIF')]), "is not registered. Did you mean 'mmkd.FGFI'"),
    (dict(methods=[dict(type='mmkd.FGFI', psy=1)]), "has no argument 'psy'. Did you mean 'psi'"),
    (dict(methods=[dict(type='mmkd.FGFI')] * 2), "two entries named 'fgfi'"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_when_built(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build_distill(tmp_path, **kwargs)


OF_CLASSES = ['SoftClassification', 'BoundedRegression', 'Chen2017', 'TwoStageMimic']
OF_FEATURES = ['FGFI', 'Hint', 'ProposalMimic', 'QuantizationMimic']


@pytest.mark.parametrize('method', OF_CLASSES)
def test_other_classes_are_refused_where_outputs_of_classes_are_compared(tmp_path, method):
    teacher = tiny_faster_rcnn_cfg(num_classes=4)
    for methods in ([method], [*OF_FEATURES, method]):
        with pytest.raises(ValueError, match='num_classes is 3 for the student and 4 for the teac'):
            build_distill(
                tmp_path, teacher=teacher, methods=[dict(type=f'mmkd.{one}') for one in methods]
            )


@pytest.mark.parametrize('methods', [
    [dict(type=f'mmkd.{name}') for name in OF_FEATURES],
    [dict(type='mmkd.SoftClassification', on='rpn')],  # object or not: no classes
])  # fmt: skip
@pytest.mark.parametrize('classes', [4, 3])
def test_other_classes_of_a_teacher_of_features_are_accepted_and_the_log_says_so(
    tmp_path, caplog, methods, classes
):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger.name):
            model = build_distill(
                tmp_path, teacher=tiny_faster_rcnn_cfg(num_classes=classes), methods=methods
            )
    finally:
        logger.removeHandler(caplog.handler)
    said = 'teacher has 4 classes, the student 3: methods compare features alone' in caplog.text
    assert said is (classes == 4)
    loss, _ = model.parse_losses(loss_of(model))
    assert loss.isfinite()


def test_a_method_may_be_named_without_scope(tmp_path):
    assert 'fgfi' in build_distill(tmp_path, methods=[dict(type='FGFI')]).distill


def test_testing_needs_no_teacher_file(tmp_path):
    from mmkd.registry import MODELS

    cfg = distill_cfg(tmp_path)
    cfg.teacher.checkpoint = 'nowhere.pth'
    assert MODELS.build(cfg).teacher.checkpoint == 'nowhere.pth'


def test_the_student_starts_from_its_own_checkpoint(tmp_path):
    student = tiny_faster_rcnn_cfg()
    start = save_teacher(student, tmp_path / 'start.pth')
    model = build_distill(tmp_path, student=dict(config=student, checkpoint=start))
    saved = torch.load(start, weights_only=True)['state_dict']
    assert torch.equal(model.state_dict()['backbone.conv1.weight'], saved['backbone.conv1.weight'])
