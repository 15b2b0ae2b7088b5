"""The promises of the design that one process can show."""

import copy
import weakref

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmengine.runner import load_checkpoint

from mmkd.methods import DistillMethod
from mmkd.methods.head_samples import box_rows, class_rows
from mmkd.registry import MODELS
from mmkd.testing import (
    demo_batch,
    tiny_c4_faster_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_fcos_cfg,
    tiny_retinanet_cfg,
    tiny_rfcn_cfg,
)
from mmkd.testing.distill import build_distill, build_plain, distill_cfg, loss_of

OPTIMIZER = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0),
)


def train(model, steps=2, optimizer=OPTIMIZER):
    torch.manual_seed(3)
    wrapper = build_optim_wrapper(model, copy.deepcopy(optimizer))
    model.train()
    for step in range(steps):
        model.train_step(demo_batch(seed=step), wrapper)
    return wrapper


def detections(model):
    model.eval()
    data = model.data_preprocessor(demo_batch(seed=9), False)
    with torch.no_grad():
        return [sample.pred_instances for sample in model(**data, mode='predict')]


def assert_same_detections(first, second):
    for one, other in zip(first, second, strict=True):
        assert len(one) > 0
        assert torch.equal(one.bboxes, other.bboxes) and torch.equal(one.scores, other.scores)


def assert_same_state(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


class TestTheStudentIsTheProduct:
    def test_the_checkpoint_detects_the_same_in_plain_mmdetection(self, tmp_path):
        model = build_distill(tmp_path)
        train(model)
        torch.save({'state_dict': model.state_dict()}, tmp_path / 'distilled.pth')
        plain = build_plain(tiny_faster_rcnn_cfg())
        load_checkpoint(plain, str(tmp_path / 'distilled.pth'), map_location='cpu')
        assert_same_detections(detections(model), detections(plain))

    def test_it_holds_the_students_keys_and_the_adapters_and_nothing_else(self, tmp_path):
        keys = set(build_distill(tmp_path).state_dict())
        plain = set(build_plain(tiny_faster_rcnn_cfg()).state_dict())
        assert plain <= keys and keys - plain
        assert all(key.startswith('distill.fgfi.adapters.') for key in keys - plain)

    def test_a_state_dict_round_trip_is_strict(self, tmp_path):
        first = build_distill(tmp_path)
        second = build_distill(tmp_path, seed=5)
        second.load_state_dict(first.state_dict(), strict=True)
        assert_same_state(first.state_dict(), second.state_dict())

    def test_plain_student_keys_load(self, tmp_path):
        model, plain = build_distill(tmp_path), build_plain(tiny_faster_rcnn_cfg())
        torch.save({'state_dict': plain.state_dict()}, tmp_path / 'plain.pth')
        load_checkpoint(model, str(tmp_path / 'plain.pth'), map_location='cpu')
        assert_same_state(model.student.state_dict(), plain.state_dict())

    @pytest.mark.parametrize('scale', [1, 0.5])
    def test_it_predicts_without_a_teacher_and_does_not_train(self, tmp_path, scale):
        trained = build_distill(tmp_path, student_scale=scale)
        alone = distill_cfg(tmp_path, student_scale=scale)
        alone.teacher = None
        alone = MODELS.build(alone)
        alone.load_state_dict(trained.student.state_dict())
        assert_same_detections(detections(alone), detections(trained))
        with pytest.raises(ValueError, match='teacher=None is for prediction alone'):
            alone.init_weights()

    def test_missing_student_keys_are_an_error_that_names_them(self, tmp_path):
        model = build_distill(tmp_path)
        state = model.state_dict()
        del state['backbone.conv1.weight']
        with pytest.raises(ValueError, match='lacks 1 of the student.* backbone.conv1.weight'):
            model.load_state_dict(state)

    def test_names_of_parameters_are_those_of_the_checkpoint(self, tmp_path):
        model = build_distill(tmp_path)
        names = [name for name, _ in model.named_parameters()]
        assert set(names) <= set(model.state_dict()) and len(names) == len(set(names))
        assert [n for n, _ in model.named_parameters('m')] == ['m.' + name for name in names]

    def test_what_it_lacks_it_takes_from_the_student(self, tmp_path):
        model = build_distill(tmp_path)
        assert model.backbone is model.student.backbone and model.with_roi_head
        with pytest.raises(AttributeError, match='no_such_part'):
            print(model.no_such_part)


class TestTheTeacherIsFrozen:
    def test_its_weights_are_bit_identical_after_training_under_ema(self, tmp_path):
        model = build_distill(tmp_path)
        before = copy.deepcopy(model.teacher.model.state_dict())
        ema = ExponentialMovingAverage(model)
        train(model)
        ema.update_parameters(model)
        assert_same_state(model.teacher.model.state_dict(), before)
        assert ema.module.teacher is model.teacher

    def test_ema_restores_the_state_it_saved(self, tmp_path):
        model = build_distill(tmp_path)
        ema = ExponentialMovingAverage(model)
        train(model)
        ema.update_parameters(model)
        other = ExponentialMovingAverage(build_distill(tmp_path, seed=4))
        other.load_state_dict(ema.state_dict(), strict=True)
        assert_same_state(other.state_dict(), ema.state_dict())

    def test_it_is_in_no_parameter_list_and_in_no_optimizer(self, tmp_path):
        model = build_distill(tmp_path)
        wrapper = train(model, steps=0)
        theirs = {id(p) for p in model.teacher.model.parameters()}
        ours = {id(p) for p in model.parameters()}
        ours |= {id(p) for group in wrapper.param_groups for p in group['params']}
        assert not theirs & ours
        assert not any(m is model.teacher.model for m in model.modules())

    def test_it_stays_in_eval_mode(self, tmp_path):
        model = build_distill(tmp_path).train()
        assert model.student.training and not model.teacher.model.training

    def test_it_follows_the_students_dtype(self, tmp_path):
        model = build_distill(tmp_path).double()
        assert {p.dtype for p in model.teacher.model.parameters()} == {torch.float64}

    def test_init_weights_never_overwrites_it(self, tmp_path):
        model = build_distill(tmp_path)
        before = copy.deepcopy(model.teacher.model.state_dict())
        model.init_weights()
        assert_same_state(model.teacher.model.state_dict(), before)
        saved = torch.load(tmp_path / 'teacher.pth', weights_only=True)['state_dict']
        assert_same_state(model.teacher.model.state_dict(), saved)


class TestWeightZero:
    def test_equals_plain_training_bit_for_bit(self, tmp_path):
        zero = build_distill(tmp_path, methods=[dict(type='mmkd.FGFI', loss_weight=0)])
        torch.manual_seed(0)
        plain = build_plain(tiny_faster_rcnn_cfg())
        train(zero, steps=3)
        train(plain, steps=3)
        assert_same_state(zero.student.state_dict(), plain.state_dict())

    def test_a_weight_above_zero_does_not(self, tmp_path):
        on = build_distill(tmp_path, methods=[dict(type='mmkd.FGFI', loss_weight=1.0)])
        torch.manual_seed(0)
        plain = build_plain(tiny_faster_rcnn_cfg())
        train(on, steps=2)
        train(plain, steps=2)
        assert not torch.equal(on.backbone.conv1.weight, plain.backbone.conv1.weight)

    def test_building_draws_nothing_from_the_students_random_stream(self, tmp_path):
        build_distill(tmp_path)
        after_ours = torch.get_rng_state()
        torch.manual_seed(0)
        build_plain(tiny_faster_rcnn_cfg())
        assert torch.equal(after_ours, torch.get_rng_state())

    def test_neither_teacher_nor_adapters_take_part(self, tmp_path):
        model = build_distill(tmp_path, methods=[dict(type='mmkd.FGFI', loss_weight=0)])
        calls = count_calls(model.teacher.model)
        losses = loss_of(model)
        assert not any('fgfi' in key for key in losses) and not sum(calls.values())
        assert not any(p.requires_grad for p in model.distill.parameters())


def count_calls(detector):
    """How often each direct part of a detector ran."""
    calls = {}
    for name, part in detector.named_children():
        calls[name] = 0

        def count(module, args, out, name=name):
            calls[name] += 1

        part.register_forward_hook(count)
    return calls


class TestCost:
    def test_a_method_that_reads_features_never_pays_for_the_teachers_heads(self, tmp_path):
        model = build_distill(tmp_path)
        calls = count_calls(model.teacher.model)
        loss_of(model)
        assert (calls['backbone'], calls['neck'], calls['rpn_head'], calls['roi_head']) == (
            1,
            1,
            0,
            0,
        )

    def test_nothing_of_the_teacher_is_run_while_every_schedule_that_reads_it_is_zero(
        self, tmp_path
    ):
        off = [dict(type='constant', value=0.01, begin=9), dict(type='stop', begin=0)]
        model = build_distill(tmp_path, methods=[dict(type='mmkd.FGFI', loss_weight=off)])
        loss_of(model)
        calls = count_calls(model.teacher.model)
        losses = loss_of(model)
        assert losses['loss_fgfi'] == 0 and not any(calls.values())

    def test_nothing_of_the_student_is_computed_twice(self, tmp_path):
        model = build_distill(tmp_path)
        calls = count_calls(model.student)
        loss_of(model)
        assert (calls['backbone'], calls['neck'], calls['rpn_head']) == (1, 1, 1)

    def test_no_activation_of_the_teacher_outlives_the_loss_but_the_maps_compared(self, tmp_path):
        model = build_distill(tmp_path)
        alive = []
        keep = lambda module, args, out: alive.append(weakref.ref(out))  # noqa: E731
        model.teacher.model.backbone.layer1.register_forward_hook(keep)
        losses = loss_of(model)
        assert alive[0]() is None and losses['loss_fgfi'].requires_grad

    def test_the_recorder_leaves_no_hook_and_no_wrapped_method(self, tmp_path):
        model = build_distill(tmp_path)
        loss_of(model)
        assert not any(module._forward_hooks for module in model.modules())
        assert 'get_targets' not in vars(model.rpn_head)


@MODELS.register_module()
class ReadEverything(DistillMethod):
    """Keeps what it is shown."""

    student_fields = teacher_fields = frozenset(
        {'features', 'rpn', 'roi_head', 'rpn_bbox_coder', 'bbox_coder', 'proposals'}
    )

    def forward(self, student, teacher, batch):
        self.seen = (student, teacher, batch)
        return {'loss_read': student.features[0].sum() * 0}

    def task_loss_scale(self, name, batch):
        return 0.25 if name == 'loss_cls' else 1.0


@MODELS.register_module()
class ReadOne(DistillMethod):
    """Reads one field of the teacher, and no other of the student than its features."""

    def __init__(self, field):
        super().__init__()
        self.teacher_fields = frozenset({field})

    def forward(self, student, teacher, batch):
        (field,) = self.teacher_fields
        self.seen = getattr(teacher, field)
        return {'loss_read': student.features[0].sum() * 0}


@pytest.mark.parametrize('config, field', [
    *((tiny_faster_rcnn_cfg, field)
      for field in ('priors', 'proposals', 'rpn', 'roi_head', 'roi_embedding')),
    (tiny_retinanet_cfg, 'dense'),
])  # fmt: skip
def test_a_field_of_the_teacher_needs_no_other_to_be_named(tmp_path, config, field):
    methods = [dict(type='mmkd.ReadOne', field=field)]
    model = build_distill(tmp_path, student=config(), teacher=config(), methods=methods)
    loss_of(model)
    assert model.distill['read_one'].seen is not None


@pytest.mark.parametrize('config', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg, tiny_rfcn_cfg])
@pytest.mark.parametrize('batch', [
    dict(sizes=((64, 96),), num_boxes=(2,)),
    dict(sizes=((64, 96), (96, 64), (50, 70)), num_boxes=(2, 0, 3)),
])  # fmt: skip
def test_a_teacher_that_copies_the_student_says_the_same_on_its_anchors_and_rois(
    tmp_path, config, batch
):
    methods = [dict(type='mmkd.ReadEverything')]
    sides = dict(student=config(), teacher=config(), fuse=False)  # fused, it is equal to rounding
    model = build_distill(tmp_path, methods=methods, **sides)
    model.teacher.model.load_state_dict(model.student.state_dict())
    model.eval()
    loss_of(model, **batch)
    student, teacher, _ = model.distill['read_everything'].seen
    assert torch.equal(student.roi_head.cls_score, teacher.roi_head.cls_score)
    assert torch.equal(student.roi_head.bbox_pred, teacher.roi_head.bbox_pred)
    assert torch.equal(student.roi_head.bbox_feats, teacher.roi_head.bbox_feats)
    for field in ('cls_score', 'bbox_pred'):
        maps = getattr(student.rpn, field), getattr(teacher.rpn, field)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(*maps, strict=True))
    assert student.rpn.anchors is teacher.rpn.anchors
    for head in ('roi_head', 'rpn'):
        classes, boxes = class_rows(head, student, teacher), box_rows(head, student, teacher)
        assert torch.equal(classes.student, classes.teacher) and len(classes.student) > 0
        assert torch.equal(boxes.student, boxes.teacher) and len(boxes.student) > 0
    labels = student.roi_head.targets[0]
    assert len(labels) == len(student.roi_head.rois)
    assert not teacher.roi_head.cls_score.requires_grad
    assert len(student.proposals) == len(batch['sizes'])


@pytest.mark.parametrize('head', ['roi_head', 'rpn'])
@pytest.mark.parametrize('config', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg, tiny_rfcn_cfg])
def test_rows_and_divisors_are_those_of_the_students_own_losses(tmp_path, config, head):
    methods = [dict(type='mmkd.ReadEverything')]
    model = build_distill(tmp_path, student=config(), teacher=config(), methods=methods).eval()
    losses = loss_of(model, sizes=((64, 96), (96, 64), (50, 70)), num_boxes=(2, 0, 3))
    seen = model.distill['read_everything'].seen[:2]
    classes, boxes = class_rows(head, *seen), box_rows(head, *seen)
    box_error = (boxes.student - boxes.target).abs().sum() / boxes.avg_factor  # L1, as configured
    expected = losses['loss_bbox' if head == 'roi_head' else 'loss_rpn_bbox']
    torch.testing.assert_close(box_error, sum(expected) if head == 'rpn' else expected)
    functional = torch.nn.functional
    if head == 'roi_head':
        # ReadEverything scales it by a quarter. Rows keep their order, so labels can be looked up.
        labels, weights, *_ = seen[0].roi_head.targets
        kept = classes.student[weights > 0]
        hard = functional.cross_entropy(kept, labels[weights > 0], reduction='sum')
        torch.testing.assert_close(hard / classes.avg_factor, 4 * losses['loss_cls'])
    else:
        labels = torch.cat([level.flatten() for level in seen[0].rpn.targets[0]])
        weights = torch.cat([level.flatten() for level in seen[0].rpn.targets[1]])
        goal = (labels[weights > 0] == 0).float()[:, None]
        kept = classes.student[weights > 0]
        hard = functional.binary_cross_entropy_with_logits(kept, goal, reduction='sum')
        torch.testing.assert_close(hard / classes.avg_factor, sum(losses['loss_rpn_cls']))


def test_a_method_may_scale_the_students_own_losses(tmp_path):
    scaled = build_distill(tmp_path, methods=[dict(type='mmkd.ReadEverything')]).eval()
    plain = build_distill(tmp_path, methods=[dict(type='mmkd.FGFI', loss_weight=0)]).eval()
    torch.manual_seed(0)
    ours = loss_of(scaled)
    torch.manual_seed(0)
    theirs = loss_of(plain)
    torch.testing.assert_close(ours['loss_cls'], 0.25 * theirs['loss_cls'])
    torch.testing.assert_close(ours['loss_bbox'], theirs['loss_bbox'])


@pytest.mark.parametrize('config', [
    tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg, tiny_retinanet_cfg, tiny_fcos_cfg, tiny_rfcn_cfg,
])  # fmt: skip
class TestEveryKindOfDetector:
    def build(self, folder, config):
        return build_distill(folder, student=config(), teacher=config(base_channels=12))

    def test_trains_and_every_adapter_learns(self, tmp_path, config):
        model = self.build(tmp_path, config)
        loss, log = model.parse_losses(loss_of(model))
        loss.backward()
        assert log['loss_fgfi'] > 0 and loss.isfinite()
        assert any(p.grad.any() for p in model.distill.parameters())

    @pytest.mark.parametrize('num_boxes', [(0, 0), (0, 3)])
    def test_images_without_boxes_are_finite(self, tmp_path, config, num_boxes):
        model = self.build(tmp_path, config)
        loss, log = model.parse_losses(loss_of(model, num_boxes=num_boxes))
        loss.backward()
        assert loss.isfinite() and bool(log['loss_fgfi'] == 0) is (num_boxes == (0, 0))

    def test_one_pixel_boxes_are_finite(self, tmp_path, config):
        model = self.build(tmp_path, config)
        data = demo_batch()
        for sample in data['data_samples']:
            boxes = sample.gt_instances.bboxes.tensor
            boxes[:, 2:] = boxes[:, :2] + 1
        loss, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
        assert loss.isfinite()

    def test_under_autocast_the_loss_is_finite_and_single(self, tmp_path, config):
        model = self.build(tmp_path, config)
        with torch.autocast('cpu', torch.bfloat16):
            losses = loss_of(model)
        assert losses['loss_fgfi'].isfinite() and losses['loss_fgfi'].dtype == torch.float32


def test_ignored_boxes_are_not_imitated(tmp_path):
    model = build_distill(tmp_path)
    data = demo_batch()
    for sample in data['data_samples']:
        sample.ignored_instances = sample.gt_instances
        sample.gt_instances = sample.gt_instances[:0]
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    assert losses['fgfi_cells'] == 0


def test_the_layer_decay_constructor_finds_the_student(tmp_path):
    seen = [name for name, _ in build_distill(tmp_path).named_parameters()]
    assert seen[0].startswith('backbone.')


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_a_gpu_under_amp_without_a_sync_in_the_mask(tmp_path):
    model = build_distill(tmp_path).cuda()
    with torch.autocast('cuda', torch.float16):
        losses = loss_of(model)
    assert losses['loss_fgfi'].isfinite() and losses['loss_fgfi'].is_cuda
