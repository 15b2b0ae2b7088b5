"""What the log says when a distillation starts, of what it warns, and what is refused."""

import logging

import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub, MMLogger

from mmkd.detectors import teacher as teacher_module
from mmkd.detectors.start import FirstSteps, _never_trained
from mmkd.registry import MODELS
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import build_distill, distill_cfg, loss_of
from mmkd.utils.serialization import to_plain


@pytest.fixture
def log(caplog):
    """What is logged: text so far."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('INFO')
    logger.addHandler(caplog.handler)
    yield lambda least=logging.INFO: '\n'.join(
        record.getMessage() for record in caplog.records if record.levelno >= least
    )
    logger.removeHandler(caplog.handler)
    logger.setLevel(level)


def test_it_begins_with_a_line_each(tmp_path, log):
    build_distill(tmp_path, methods=[dict(type='mmkd.FGFI'), dict(type='mmkd.Chen2017')])
    text = log()
    for line in (
        f'teacher: {tmp_path / "teacher.pth"}, FasterRCNN of ',
        'no mAP recorded in the file',
        "level pairs, student's with teacher's: fgfi 0 with 0, 1 with 1",
        'adapters, parameters that no export holds: fgfi 0.',
        'weights: fgfi 0.01; chen2017 1',
        'what runs of a teacher in each step: teacher feature levels, RoI head, region proposal ne',
        'the plain student of a checkpoint: mmkd export CHECKPOINT student.pth',
    ):
        assert text.count(line) == 1, (line, text)


@pytest.mark.parametrize('plain', [False, True])
def test_the_teachers_last_map_is_read_off_its_file(tmp_path, log, plain):
    cfg = distill_cfg(tmp_path)
    content = torch.load(cfg.teacher.checkpoint, weights_only=True)
    scalars = {
        'val/coco/bbox_mAP': HistoryBuffer([0.1, 0.37], [1, 1]),
        'train/loss': HistoryBuffer(),
    }
    content['message_hub'] = dict(log_scalars=to_plain(scalars) if plain else scalars)
    torch.save(content, cfg.teacher.checkpoint)
    MODELS.build(cfg).init_weights()
    assert 'coco/bbox_mAP 0.370 recorded in the file' in log()


def test_a_swapped_pair_and_an_untrained_file_are_warned_of(tmp_path, log):
    large, small = tiny_faster_rcnn_cfg(base_channels=16), tiny_faster_rcnn_cfg(base_channels=8)
    build_distill(tmp_path, student=large, teacher=small)
    warned = log(logging.WARNING)
    assert 'fewer parameters' in warned and 'are the two swapped?' in warned
    assert f'{tmp_path / "teacher.pth"} never saw an image' in warned


def test_a_trained_teacher_that_is_larger_is_not(tmp_path, log):
    model = build_distill(tmp_path)
    for name, buffer in model.teacher.model.named_buffers():
        if name.endswith('running_mean'):
            buffer.fill_(0.1)
    cfg = distill_cfg(tmp_path)
    torch.save(dict(state_dict=model.teacher.model.state_dict()), cfg.teacher.checkpoint)
    before = log(logging.WARNING)
    MODELS.build(cfg).init_weights()
    assert log(logging.WARNING) == before


def test_a_batch_norm_whose_statistics_are_in_its_bias_has_seen_images():
    norm = torch.nn.BatchNorm2d(2)
    assert _never_trained(norm)
    norm.bias.data.fill_(0.3)
    assert not _never_trained(norm)


def test_maps_near_zero_are_warned_of_in_the_first_step_alone(tmp_path, log):
    model = build_distill(tmp_path)
    for layer in model.teacher.model.neck.fpn_convs:
        layer.conv.weight.zero_()
        layer.conv.bias.zero_()
    for _ in range(2):
        loss_of(model)
    assert log(logging.WARNING).count('are near zero') == 1


def test_after_fifty_iterations_the_sizes_of_the_losses_are_said_once(tmp_path, log):
    model = build_distill(tmp_path)
    losses = loss_of(model)
    task = sum(
        sum(value).item() if isinstance(value, list) else value.item()
        for key, value in losses.items()
        if 'loss' in key and key != 'loss_fgfi'
    )
    seen = model.observe(**_batch(model))
    by_method = {'fgfi': {'loss_fgfi': losses['loss_fgfi'], 'fgfi_cells': torch.tensor(9.0)}}
    own = {key: value for key, value in losses.items() if 'fgfi' not in key}
    for _ in range(60):
        model.first_steps.look(own, by_method, seen, model.teachers)
    ratio = losses['loss_fgfi'].item() / task
    text = log()
    assert text.count('distillation loss over task loss, mean of 50 iterations') == 1
    said = float(text.split('iterations: ')[1].split(' ')[0])
    assert said == pytest.approx(ratio, rel=0.02)


def test_where_the_task_counts_0_at_first_no_share_of_it_is_said(log):
    first, fsp = FirstSteps(), dict(loss_fsp=torch.ones(()))
    for _ in range(50):
        first.look(dict(loss_cls=torch.zeros(())), dict(fsp=fsp), None, {})
    assert first.steps == 50 and 'over task loss' not in log()


def _batch(model):
    from mmkd.testing.batches import demo_batch

    data = model.data_preprocessor(demo_batch(), True)
    return dict(batch_inputs=data['inputs'], batch_data_samples=data['data_samples'])


def test_the_teachers_file_is_read_once(tmp_path, monkeypatch):
    read = []
    load = teacher_module.load_checkpoint_file
    monkeypatch.setattr(
        teacher_module, 'load_checkpoint_file', lambda *a, **k: read.append(a) or load(*a, **k)
    )
    model = MODELS.build(distill_cfg(tmp_path))
    model.teacher.read()
    model.init_weights()
    loss_of(model)
    assert len(read) == 1


def test_a_teacher_of_other_classes_is_refused_with_the_remedy_that_is_given(tmp_path):
    cfg = distill_cfg(tmp_path)
    content = torch.load(cfg.teacher.checkpoint, weights_only=True)
    content['meta'] = dict(dataset_meta=dict(classes=('a', 'b', 'c')))
    torch.save(content, cfg.teacher.checkpoint)
    teacher = MODELS.build(cfg).teacher
    with pytest.raises(ValueError, match=r"trained on the classes \('a'.*has \('x',\): mmkd train"):
        teacher.read(('x',), 'mmkd train large.py')


class TestRefused:
    def test_a_forgotten_delete(self, tmp_path):
        with pytest.raises(ValueError, match=r"\['backbone', 'neck'\] of .*add _delete_=True"):
            build_distill(tmp_path, backbone=dict(), neck=dict(), train_cfg=None)

    def test_a_mistyped_setting(self, tmp_path):
        cfg = distill_cfg(tmp_path)
        cfg.method = cfg.pop('methods')
        with pytest.raises(ValueError, match="no argument 'method'. Did you mean 'methods'"):
            MODELS.build(cfg)

    @pytest.mark.parametrize('method, on', [('KD', r"\['dense'\]"), ('CrossKD', "'dense'")])
    def test_a_head_that_a_detector_lacks(self, tmp_path, method, on):
        expected = (
            f'reads RoI head, and RetinaNet, the student, has none of that kind: use on={on}, '
            'if it takes that, or a method on features'
        )
        methods = [dict(type=f'mmkd.{method}')]
        with pytest.raises(ValueError, match=expected):
            build_distill(tmp_path, student=tiny_retinanet_cfg(), methods=methods)

    def test_other_methods_when_a_run_is_resumed(self, tmp_path):
        state = build_distill(tmp_path).state_dict()
        other = build_distill(tmp_path, methods=[dict(type='mmkd.Hint')])
        hub = MessageHub.get_current_instance()
        before = hub.get_info('cfg', '')
        hub.update_info('cfg', 'load_from = None\nresume = True\n')
        try:
            with pytest.raises(
                ValueError, match=r"adapters of \['fgfi'\], .*\['hint'\].*load_from"
            ):
                other.load_state_dict(dict(state), strict=False)
            build_distill(tmp_path).load_state_dict(dict(state), strict=False)
        finally:
            hub.update_info('cfg', before)
        other.load_state_dict(dict(state), strict=False)  # load_from takes the student alone

    def test_other_methods_without_adapters_when_a_run_is_resumed(self, tmp_path):
        soft, bounded = (
            build_distill(tmp_path, methods=[dict(type=f'mmkd.{kind}')])
            for kind in ('SoftClassification', 'BoundedRegression')
        )
        torch.save(soft.state_dict(), tmp_path / 'a.pth')  # names travel with the file
        state = torch.load(tmp_path / 'a.pth', weights_only=True)
        hub = MessageHub.get_current_instance()
        before = hub.get_info('cfg', '')
        hub.update_info('cfg', 'resume = True\n')
        try:
            expected = r"methods \['soft_cls.*\], as this one has \['bounded_reg.*load_from"
            with pytest.raises(ValueError, match=expected):
                bounded.load_state_dict(state, strict=False)
            soft.load_state_dict(state, strict=False)
        finally:
            hub.update_info('cfg', before)
        bounded.load_state_dict(state, strict=False)
