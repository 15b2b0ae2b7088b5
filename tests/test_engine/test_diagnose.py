"""Each trap of a distillation, planted and found; and nothing found where there is none."""

import copy
import io
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from rich.console import Console

from mmkd.engine.diagnose import Check, Options, State, diagnose, render
from mmkd.engine.diagnose.batch_norm import check_batch_norm
from mmkd.engine.diagnose.preprocessing import recorded_preprocessing
from mmkd.registry import MODELS
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_retinanet_cfg, tiny_run_cfg, write_tiny_coco
from mmkd.testing.oracle import oracle_cfg, save_oracle

CLASSES = ('class0', 'class1', 'class2')
OPTIONS = Options(num=12)
FGFI = dict(type='mmkd.FGFI', loss_weight=0.02)
OF_CLASSES = dict(type='mmkd.SoftClassification', on='roi_head')


@pytest.fixture(scope='module')
def healthy(tmp_path_factory):
    """A whole config without a trap."""
    root = tmp_path_factory.mktemp('diagnose')
    data = write_tiny_coco(root / 'data', num_images=12)  # 8 boxes of each class
    model = dict(
        type='mmkd.DistillDetector', student=tiny_faster_rcnn_cfg(), teacher=None, methods=[FGFI]
    )
    cfg = tiny_run_cfg(data, root / 'run', model, num_workers=0, validate=True)
    path = save_oracle(oracle_cfg(), root / 'oracle.pth', cfg.train_dataloader, CLASSES)
    cfg.model.teacher = dict(config=oracle_cfg(), checkpoint=path)
    return cfg


@pytest.fixture
def cfg(healthy):
    torch.manual_seed(0)  # an untrained detector may find a box by luck
    return copy.deepcopy(healthy)


def findings(cfg, options=OPTIONS):
    """The checks that found something, by name."""
    return {check.name: check for check in diagnose(cfg, options) if check.state is State.FINDING}


def edited(cfg, tmp_path, edit):
    """Points the config to a teacher's file that ``edit`` has changed."""
    content = torch.load(cfg.model.teacher.checkpoint, weights_only=True)
    edit(content)
    torch.save(content, tmp_path / 'edited.pth')
    cfg.model.teacher.checkpoint = str(tmp_path / 'edited.pth')
    return cfg


def test_nothing_is_found_where_no_trap_is(cfg):
    checks = {check.name: check for check in diagnose(cfg, OPTIONS)}
    assert {name: c.state for name, c in checks.items() if c.state is not State.OK} == {}
    assert len(checks) == 11 and 'class names' not in checks  # features need no common list
    assert 'teacher 1.000' in checks['teacher is worth it'].text


def test_nothing_is_found_where_classes_are_compared_and_agree(cfg):
    cfg.model.methods.append(OF_CLASSES)
    checks = {check.name: check for check in diagnose(cfg, OPTIONS)}
    assert {name: c.state for name, c in checks.items() if c.state is not State.OK} == {}
    assert len(checks) == 13 and checks['class names'].text == '3, in the same order'


def test_parts_that_ask_for_the_runs_progress_are_answered_before_there_is_a_run(cfg):
    MessageHub.get_instance('no run')
    resize = dict(type='BatchSyncRandomResize', random_size_range=(64, 64), interval=1)
    cfg.model.student.data_preprocessor.batch_augments = [resize]
    assert diagnose(cfg, OPTIONS)[-1].state is State.OK


class TestTeacherNotBetter:
    def test_than_a_target(self, cfg):
        found = findings(cfg, Options(num=3, target=1.0))
        assert list(found) == ['teacher is worth it']
        assert 'teacher 1.000, the target (--target) 1.000' in found['teacher is worth it'].text

    def test_than_a_trained_student(self, cfg):
        path = cfg.model.teacher.checkpoint
        cfg.model.student = cfg.model.teacher.config  # an oracle as well
        (check,) = findings(cfg, Options(num=3, student_checkpoint=path)).values()
        assert f'the student of {path} 1.000' in check.text and 'larger one' in check.remedy

    def test_a_trained_student_of_another_class_order_is_no_target(self, cfg, tmp_path):
        content = torch.load(cfg.model.teacher.checkpoint, weights_only=True)
        content['meta'] = dict(CLASSES=CLASSES[::-1])
        torch.save(content, tmp_path / 'other.pth')
        with pytest.raises(ValueError, match='--student-checkpoint=.*in another order: label 0 is'):
            diagnose(cfg, Options(num=3, student_checkpoint=str(tmp_path / 'other.pth')))

    def test_than_the_student_as_it_starts(self, cfg):
        cfg.model.teacher.config.type = 'mmdet.FasterRCNN'  # untrained: it finds nothing
        found = findings(cfg)
        assert 'the untrained student 0.000' in found['teacher is worth it'].text


class TestClassOrder:
    def test_by_the_names_in_the_checkpoint(self, cfg, tmp_path):
        def swap(content):
            content['meta']['dataset_meta']['classes'] = ('class1', 'class0', 'class2')

        cfg.model.methods.append(OF_CLASSES)
        (check,) = findings(edited(cfg, tmp_path, swap)).values()
        assert check.name == 'class names' and "'class0' in the data and 'class1'" in check.text

    def test_by_what_the_teacher_calls_the_objects(self, cfg, tmp_path):
        cfg.model.teacher.config.order = [1, 0, 2]
        cfg = edited(cfg, tmp_path, lambda content: content['meta'].pop('dataset_meta'))
        found = findings(cfg)
        assert "'class0' is called 'class1' in 8 of 8 cases" in found['class order'].text
        assert "'class2'" not in found['class order'].text

    def test_another_number_of_classes(self, cfg):
        cfg.model.teacher.config.roi_head.bbox_head.num_classes = 5
        cfg.model.methods.append(OF_CLASSES)
        (check,) = findings(cfg).values()
        assert 'num_classes is 3 for the student and 5 for the teacher' in check.text

    def test_another_number_of_classes_is_no_trap_where_features_are_compared(self, cfg, tmp_path):
        cfg.model.teacher.config.roi_head.bbox_head.num_classes = 5
        path, loader = tmp_path / 'five.pth', cfg.train_dataloader
        cfg.model.teacher.checkpoint = save_oracle(cfg.model.teacher.config, path, loader, 'abcde')
        checks = {check.name: check for check in diagnose(cfg, OPTIONS)}
        assert checks.pop('teacher is worth it').state is State.SKIPPED  # of other classes
        assert {check.state for check in checks.values()} == {State.OK}
        assert not {'class names', 'class order'} & set(checks)


class TestCheckpoint:
    @pytest.mark.parametrize('trap, text', [
        (lambda teacher: teacher.pop('checkpoint'), 'comes without weights'),
        (lambda teacher: teacher.update(checkpoint='absent.pth'), 'absent.pth'),
        (lambda teacher: teacher.config.neck.update(num_outs=5, add_extra_convs='on_input'),
         'does not fit'),
    ])  # fmt: skip
    def test_that_is_not_loaded_is_found_and_the_rest_skipped(self, cfg, trap, text):
        trap(cfg.model.teacher)
        checks = diagnose(cfg, OPTIONS)
        (check,) = [c for c in checks if c.state is State.FINDING]
        assert check.name == 'teacher checkpoint' and text in check.text
        assert sum(c.state is State.SKIPPED for c in checks) == 5


class TestPreprocessing:
    def test_of_a_teacher_other_than_its_checkpoint_records_is_found(self, cfg):
        cfg.model.teacher.config.data_preprocessor.update(bgr_to_rgb=False, std=[1.0] * 3)
        check = findings(cfg)['preprocessing of the teacher']
        assert 'bgr_to_rgb is False in the config and was True in training' in check.text
        assert 'std is [1.0, 1.0, 1.0] in the config' in check.text
        assert 'data_preprocessor.std, bgr_to_rgb' in check.remedy

    def test_of_a_student_other_than_the_teachers_is_converted_and_no_finding(self, cfg):
        cfg.model.student.data_preprocessor.update(bgr_to_rgb=False, mean=[1.0] * 3)
        checks = {check.name: check for check in diagnose(cfg, OPTIONS)}
        assert checks['preprocessing of student and teacher'].state is State.INFO
        assert checks['preprocessing of the teacher'].state is State.OK
        assert checks['batch norm of the teacher'].state is State.OK

    @pytest.mark.parametrize('text, expected', [
        ("img_norm_cfg = dict(mean=[103.53, 1, 2], std=[1.0, 1.0, 1.0], to_rgb=False)\nx = f(3)",
         dict(mean=[103.53, 1, 2], std=[1, 1, 1], bgr_to_rgb=False)),
        ("model = dict(student=dict(data_preprocessor={'mean': (1,), 'std': (2,)}))",
         dict(mean=[1], std=[2], bgr_to_rgb=False)),
        ("model = dict(data_preprocessor=dict(rgb_to_bgr=True))",
         dict(mean=None, std=None, bgr_to_rgb=True)),
        ("model = __import__('os').abort()", None),
        ('no python', None),
        ('', None),
    ])  # fmt: skip
    def test_record_is_parsed_and_never_run(self, text, expected):
        assert recorded_preprocessing(text) == expected


def test_feature_scales_orders_apart_are_found_and_the_suggested_weight_is_right(cfg, tmp_path):
    def enlarge(content):
        for key, value in content['state_dict'].items():
            if key.startswith('neck.fpn_convs'):
                value *= 1e4

    found = findings(edited(cfg, tmp_path, enlarge), Options(num=6, fraction=0.25))
    assert set(found) == {'feature scales', 'loss weight of fgfi'}
    advice = found['loss weight of fgfi'].remedy
    assert 'makes it 0.25 of the task at the start' in advice
    assert 'auto_scale=dict(fraction=0.25)' in advice
    cfg.model.methods[0].loss_weight = float(advice.split('=')[1].split()[0])
    checks = {check.name: check for check in diagnose(cfg, Options(num=6))}
    share = re.search(r': ([\d.]+) of the task', checks['loss weight of fgfi'].text)
    assert share is not None and float(share.group(1)) == pytest.approx(0.25, abs=0.005)


def test_a_weight_that_auto_scale_chooses_is_no_finding(cfg):
    cfg.model.methods[0].update(loss_weight=1e4, auto_scale=dict(iters=3))
    checks = {check.name: check for check in diagnose(cfg, Options(num=4))}
    assert checks['loss weight of fgfi'].state is State.INFO


class TestLevels:
    def test_of_other_strides_are_found(self, cfg):
        cfg.model.teacher.config = tiny_retinanet_cfg()
        (check,) = findings(cfg).values()
        assert 'The feature levels differ: student strides [4, 8, 16, 32, 64]' in check.text
        assert check.remedy.startswith('give both detectors the same levels')

    def test_shifted_by_hand_are_found(self, cfg):
        cfg.model.methods[0].levels = [[0, 1], [1, 2]]
        (check,) = findings(cfg, Options(num=4)).values()
        assert check.name == 'levels'
        assert 'student level 0 (16, 24) with teacher level 1' in check.text


@pytest.mark.parametrize('setting, share', [
    (dict(psi=1.0), '0.0% of the cells'),
    (dict(psi=0.0, max_over='all', anchor_generator=dict(
        type='mmdet.AnchorGenerator', scales=[64], ratios=[1.0], strides=[4, 8, 16, 32, 64])),
     '100.0% of the cells'),
])  # fmt: skip
def test_an_imitation_mask_empty_or_full_is_found(cfg, setting, share):
    cfg.model.methods[0].update(setting)
    assert share in findings(cfg, Options(num=4))['mask of fgfi'].text


class TestBatchNorm:
    def test_statistics_of_other_data_are_found(self, cfg, tmp_path):
        def forget(content):
            for key, value in content['state_dict'].items():
                if key.endswith('running_var'):
                    value *= 30

        check = findings(edited(cfg, tmp_path, forget))['batch norm of the teacher']
        assert '20 layers' in check.text and 'preprocessing and checkpoint' in check.remedy

    def test_that_a_student_freezes_are_found_and_those_that_it_does_not_use_are_not(
        self, cfg, tmp_path
    ):
        state = MODELS.build(cfg.model).student.state_dict()
        state = {k: v * 30 if k.endswith('running_var') else v for k, v in state.items()}
        torch.save(state, tmp_path / 'student.pth')
        plain = cfg.model.student
        cfg.model.student = dict(config=plain, checkpoint=str(tmp_path / 'student.pth'))
        assert 'batch norm of the student' not in findings(cfg, Options(num=4))
        cfg.model.student.config.backbone.norm_eval = True
        assert 'batch norm of the student' in findings(cfg, Options(num=4))

    def test_nothing_is_changed_by_looking(self, cfg):
        model = MODELS.build(cfg.model)
        state = {k: v.clone() for k, v in model.teacher.model.state_dict().items()}
        inputs = torch.randn(2, 3, 64, 96)
        check_batch_norm(model, [dict(inputs=inputs, data_samples=[])])
        assert all(torch.equal(v, state[k]) for k, v in model.teacher.model.state_dict().items())
        assert not any(m._forward_pre_hooks for m in model.teacher.model.modules())


@pytest.mark.parametrize('arguments, message', [
    (dict(num=0), '--num must be >= 1, got 0'),
    (dict(fraction=0), '--fraction must be > 0, got 0'),
    (dict(target=0.3, student_checkpoint='a.pth'), 'exclude each other'),
])  # fmt: skip
def test_an_option_out_of_range_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Options(**arguments)


def test_a_config_that_distils_nothing_is_refused():
    with pytest.raises(ValueError, match='is a FasterRCNN, which has no teacher'):
        diagnose(Config(dict(model=dict(type='FasterRCNN'))), OPTIONS)


def test_the_table_shows_brackets_as_they_are():
    check = Check('levels', State.FINDING, 'strides [4, 8]', 'levels=[[0, 1]]')
    console = Console(width=120, file=io.StringIO())
    console.print(render([check], 'title'))
    text = console.file.getvalue()
    assert 'strides [4, 8]' in text and 'levels=[[0, 1]]' in text and 'FINDING' in text
