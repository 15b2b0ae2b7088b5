import dataclasses

import pytest
import torch

from mmkd.fields.dense import DenseInfo
from mmkd.losses import RowLoss
from mmkd.losses.functional import match_statistics
from mmkd.methods import CrossKD
from mmkd.observation import HeadInfo, Observation, RoIOutput, total_loss
from mmkd.testing.detectors import (
    tiny_c4_faster_rcnn_cfg,
    tiny_cascade_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_fcos_cfg,
    tiny_retinanet_cfg,
)
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.heads import CLASSES, dense_scene, head_scene, observe_dense, observe_heads
from mmkd.testing.observations import info_of
from mmkd.testing.one_stage import (
    tiny_atss_cfg,
    tiny_gfl_cfg,
    tiny_rtmdet_cfg,
    tiny_tood_cfg,
    tiny_yolox_cfg,
)
from mmkd.testing.rfcn import tiny_rfcn_cfg
from tests.references import binary_kd, cross_kd
from tests.references.hint import conv1x1
from tests.test_methods.test_binary_kd import arrays, dense_boxes

STUDENT_CHANNELS, TEACHER_CHANNELS, BINS = 2, 3, (2, 2)


def described(boxes=None, student=None, teacher=None, sigmoid=False):
    """Descriptions of both sides: of a RoI head, or of a dense head with such boxes."""
    if boxes is None:
        own, other = (
            HeadInfo(sigmoid, False, channels=c, levels=2, bins=BINS)
            for c in (STUDENT_CHANNELS, TEACHER_CHANNELS)
        )
    else:
        own = other = DenseInfo(True, boxes, False, convs=2, channels=3)
    sides = [dataclasses.replace(own, **student or {}), dataclasses.replace(other, **teacher or {})]
    name = 'roi_head' if boxes is None else 'dense'
    return [info_of([], (), heads={name: one}, num_classes=CLASSES) for one in sides]


def build(boxes=None, student=None, teacher=None, sigmoid=False, **kwargs):
    torch.manual_seed(0)
    method = CrossKD(on='roi_head' if boxes is None else 'dense', **kwargs)
    method.setup(*described(boxes, student, teacher, sigmoid))
    return method.double()


class LinearHead:
    """A teacher's box head: one linear layer a branch."""

    def __init__(self, columns, deltas):
        generator = torch.Generator().manual_seed(3)
        inputs = TEACHER_CHANNELS * BINS[0] * BINS[1]
        self.cls, self.reg = (
            torch.randn(inputs, width, generator=generator).double() for width in (columns, deltas)
        )

    def __call__(self, feats):
        return feats.flatten(1) @ self.cls, feats.flatten(1) @ self.reg


def observe_rois(scene, seed=0):
    """Observations whose teacher lends a :class:`LinearHead`; its own outputs are the scene's."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher, batch = observe_heads(scene)
    feats = torch.randn(len(scene['rois']), STUDENT_CHANNELS, *BINS, generator=generator).double()
    scene.setdefault('feats', feats)
    head = LinearHead(*(scene['teacher'][key].shape[1] for key in ('cls_score', 'bbox_pred')))
    pooled = dataclasses.replace(student.roi_head, bbox_feats=scene['feats'])

    def lend(_, given):
        return RoIOutput(pooled.rois, given, *head(given))

    return (
        Observation(roi_head=lambda _: pooled),
        Observation({'roi_head': lend}, roi_head=lambda _: teacher.roi_head),
        batch,
    ), head


@pytest.mark.parametrize('mode', [None, 'only', 'weighted'])
def test_rois_equal_the_formula_in_loops(mode):
    scene, method = head_scene(), build(agreement=mode, loss_weight=0.5, reg_weight=2.0)
    seen, head = observe_rois(scene)
    losses = method(*seen)
    conv = method.adapters[0].conv
    weight, bias = arrays(conv.weight.detach()[..., 0, 0], conv.bias.detach())
    adapted = torch.from_numpy(conv1x1(scene['feats'].numpy(), weight, bias))
    cross, teacher = (
        arrays(*pair)
        for pair in (head(adapted), (scene['teacher']['cls_score'], scene['teacher']['bbox_pred']))
    )
    labels, weights, *_ = (target.tolist() for target in scene['roi_targets'])
    if mode:
        agreed = binary_kd.agreement(teacher[0], labels, False, mode)
        weights = [u * a for u, a in zip(weights, agreed, strict=True)]
    cls, reg = cross_kd.roi_losses(cross, teacher, weights)
    assert losses['loss_cross_kd_cls'].item() == pytest.approx(0.5 * cls, abs=1e-6)
    assert losses['loss_cross_kd_reg'].item() == pytest.approx(reg, abs=1e-6)


def test_a_sigmoid_roi_head_is_compared_class_by_class():
    scene = head_scene(columns=CLASSES, teacher_boxes=1)
    seen, head = observe_rois(scene)
    method = build(sigmoid=True, reg_weight=0)
    losses = method(*seen)
    cross = head(method.adapters[0](scene['feats']))[0].detach().numpy()
    teacher, weights = scene['teacher']['cls_score'].numpy(), scene['roi_targets'][1].tolist()
    expected = binary_kd.class_loss(cross, teacher, weights, len(weights), True)
    assert list(losses) == ['loss_cross_kd_cls']
    assert losses['loss_cross_kd_cls'].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('mode', [None, 'weighted'])
@pytest.mark.parametrize('kind', ['deltas', 'distances', 'bins'])
def test_a_one_stage_head_equals_the_formula_in_loops(kind, mode):
    scene = dense_scene(kind)
    losses = build(kind, agreement=mode)(*observe_dense(scene))
    student, cross, teacher = scene['student'], scene['cross'], scene['teacher']
    labels, weights = (
        torch.cat([level.flatten() for level in levels]).tolist()
        for levels in (student.labels, student.label_weights)
    )
    logits = [binary_kd.flat(arrays(*side.cls_score), CLASSES) for side in (cross, teacher)]
    trust, agreed = cross_kd.confidences(logits[1], weights), [1.0] * len(labels)
    if mode:
        agreed = binary_kd.agreement(logits[1], labels, True, mode)
    weights, trust = ([u * a for u, a in zip(one, agreed, strict=True)] for one in (weights, trust))
    count, factors = 3, {'deltas': (1, 1), 'bins': (1, 4), 'distances': (0.4, 0.75)}[kind]
    if kind == 'distances':
        sides = torch.cat([level.view(-1, 4) for level in student.bbox_targets]).tolist()
        positive = [row for row, label in zip(sides, labels, strict=True) if label < CLASSES]
        count = max(sum(cross_kd.centerness_target(row) for row in positive), 1)
    cls = binary_kd.class_loss(*logits, weights, count, True)
    if kind == 'bins':
        edges = [binary_kd.flat(arrays(*side.bbox_pred), 20) for side in (cross, teacher)]
        reg = cross_kd.edge_loss(*edges, trust)
    else:
        boxes = [dense_boxes(kind, side) for side in (cross, teacher)]
        reg = cross_kd.overlap_loss(*boxes, trust, count, kind == 'distances')
    assert losses['loss_cross_kd_cls'].item() == pytest.approx(factors[0] * cls, abs=1e-6)
    assert losses['loss_cross_kd_reg'].item() == pytest.approx(factors[1] * reg, abs=1e-6)
    assert ('loss_cross_kd_centerness' in losses) == (kind == 'deltas')
    if kind == 'deltas':
        centres = [binary_kd.flat(arrays(*side.centerness), 1) for side in (cross, teacher)]
        positive = [(label < CLASSES) * a for label, a in zip(labels, agreed, strict=True)]
        total = sum(
            cross_kd.centerness_loss(s, t, [True], 1) * a
            for s, t, a in zip(*centres, positive, strict=True)
        )
        assert losses['loss_cross_kd_centerness'].item() == pytest.approx(total / 3, abs=1e-6)


@pytest.mark.parametrize('layer', [1, 2])
@pytest.mark.parametrize('channels', [3, 2])
def test_the_maps_that_cross_over_have_the_teachers_statistics(layer, channels):
    scene = dense_scene('bins')
    narrow = {
        name: [[level[:, :channels] for level in maps] for maps in getattr(scene['student'], name)]
        for name in ('cls_maps', 'reg_maps')
    }
    scene['student'] = dataclasses.replace(scene['student'], **narrow)
    method = build('bins', student=dict(channels=channels), layer=layer)
    assert len(method.adapters) == (0 if channels == 3 else 2)
    method(*observe_dense(scene))
    *given, index = scene['given']
    assert index == layer - 1
    for tower, name in enumerate(('cls_maps', 'reg_maps')):
        for level, target, found in zip(
            narrow[name][layer - 1],
            getattr(scene['teacher'], name)[layer - 1],
            given[tower],
            strict=True,
        ):
            if channels < 3:
                level = method.adapters[tower](level).detach()
            expected = cross_kd.matched(level.numpy(), target.numpy())
            assert found.detach().numpy() == pytest.approx(expected, abs=1e-6)


class TestValuesWorkedOutByHand:
    def test_statistics(self):
        student, teacher = (
            torch.tensor(rows).double()[None, None]
            for rows in ([[0.0, 2], [4, 6]], [[1, 1], [3, 3]])
        )
        expected = [0.658360, 1.552787, 2.447213, 3.341640]
        assert match_statistics(student, teacher).flatten().tolist() == pytest.approx(
            expected, abs=1e-6
        )

    def test_classes(self):
        student, teacher = torch.tensor([[0.0, 1], [2, -1]]), torch.tensor([[1.0, 0], [-1, -2]])
        loss = RowLoss('binary')(
            student=student.double(), teacher=teacher.double(), weight=torch.ones(2), avg_factor=2
        )
        assert loss.item() == pytest.approx(0.692546, abs=1e-6)

    def test_edges(self):
        student, teacher = torch.tensor([[1.0, 0, 2]]), torch.tensor([[0.0, 3, 1]])
        loss = RowLoss('softmax', 0.25)(
            student=student.double(),
            teacher=teacher.double(),
            weight=torch.tensor([0.5]),
            avg_factor=1,
        )
        assert loss.item() == pytest.approx(0.201617, abs=1e-6)


@pytest.mark.parametrize('shape', [(1, 2, 1, 1), (2, 2, 1, 1), (1, 2, 3, 1)])
def test_maps_of_one_or_of_equal_cells_are_finite_with_their_gradient(shape):
    student, teacher = torch.ones(shape, requires_grad=True), torch.ones(shape)
    found = match_statistics(student, teacher)
    found.square().sum().backward()
    assert torch.equal(found, teacher) and student.grad.isfinite().all()


@pytest.mark.parametrize('kwargs', [dict(rows=0, positives=0), dict(positives=0)])
def test_no_roi_and_no_positive_are_finite_and_keep_the_graph(kwargs):
    scene, method = head_scene(**kwargs), build()
    losses = method(*observe_rois(scene)[0])
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert method.adapters[0].conv.weight.grad is not None
    assert kwargs.get('rows') != 0 or all(loss == 0 for loss in losses.values())


@pytest.mark.parametrize('kind', ['deltas', 'distances', 'bins'])
def test_no_positive_on_a_one_stage_head_is_finite(kind):
    losses = build(kind)(*observe_dense(dense_scene(kind, positives=0)))
    assert all(loss.isfinite() for loss in losses.values())


def test_gradient():
    scene, method = head_scene(rows=4, positives=2), build()
    scene['feats'] = torch.randn(4, STUDENT_CHANNELS, *BINS).double()

    def total(feats):
        scene['feats'] = feats
        return sum(method(*observe_rois(scene)[0]).values())

    assert torch.autograd.gradcheck(total, scene['feats'].clone().requires_grad_())


WIDE = dict(base_channels=16)
DETECTORS = {
    'faster_rcnn': (tiny_faster_rcnn_cfg, dict(base_channels=16, out_channels=24)),
    'c4': (tiny_c4_faster_rcnn_cfg, WIDE),
    'rfcn': (tiny_rfcn_cfg, WIDE),
    'retinanet': (tiny_retinanet_cfg, dict(WIDE, out_channels=24)),
    'atss': (tiny_atss_cfg, WIDE),
    'gfl': (tiny_gfl_cfg, WIDE),
    'fcos': (tiny_fcos_cfg, WIDE),
    'rtmdet': (tiny_rtmdet_cfg, WIDE),
    'yolox': (tiny_yolox_cfg, WIDE),
}


@pytest.mark.parametrize('name', DETECTORS)
def test_every_detector_trains_and_its_teacher_is_untouched(name, tmp_path):
    make, wide = DETECTORS[name]
    on = 'dense' if 'rpn_head' not in make() else 'roi_head'
    methods = [dict(type='mmkd.CrossKD', on=on)]
    model = build_distill(tmp_path, student=make(), teacher=make(**wide), methods=methods)
    before = {key: value.clone() for key, value in model.teacher.model.state_dict().items()}
    for boxes in ((0, 0), (2, 3)):
        losses = {
            key: value
            for key, value in loss_of(model, num_boxes=boxes).items()
            if key.startswith('loss_cross_kd')
        }
        assert len(losses) == (3 if name == 'atss' else 2)
        assert all(value.isfinite() for value in losses.values())
        model.zero_grad()
        total_loss(losses).backward()
    grads = [p.grad for p in model.student.backbone.parameters() if p.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)
    assert sum(grad.abs().sum() for grad in grads) > 0
    assert all(parameter.grad is None for parameter in model.teacher.model.parameters())
    for key, value in model.teacher.model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_the_adapters_names_are_those_of_a_checkpoint(tmp_path):
    model = build_distill(tmp_path, methods=[dict(type='mmkd.CrossKD')])
    own = [key for key in model.state_dict() if key.startswith('distill.')]
    conv = 'distill.cross_kd.adapters.0.conv'
    assert own == [f'{conv}.weight', f'{conv}.bias']


def test_under_autocast_it_is_finite(tmp_path):
    model = build_distill(tmp_path, methods=[dict(type='mmkd.CrossKD')])
    with torch.autocast('cpu', torch.bfloat16):
        losses = loss_of(model)
    total_loss(losses).backward()
    assert losses['loss_cross_kd_cls'].isfinite() and losses['loss_cross_kd_reg'].isfinite()


def test_one_class(tmp_path):
    model = build_distill(
        tmp_path,
        student=tiny_faster_rcnn_cfg(num_classes=1),
        teacher=tiny_faster_rcnn_cfg(num_classes=1, base_channels=16),
        methods=[dict(type='mmkd.CrossKD'), dict(type='mmkd.BinaryKD')],
    )
    losses = loss_of(model, num_classes=1)
    assert all(loss.isfinite().all() for key, loss in losses.items() if 'kd' in key)


class TestRefused:
    def test_a_cascade_has_no_head_to_lend(self, tmp_path):
        with pytest.raises(ValueError, match='cross_kd reads RoI head, and CascadeRCNN, the s'):
            build_distill(
                tmp_path,
                student=tiny_cascade_rcnn_cfg(),
                teacher=tiny_cascade_rcnn_cfg(**WIDE),
                methods=[dict(type='mmkd.CrossKD')],
            )

    def test_a_head_without_towers_has_no_maps_that_cross_over(self, tmp_path):
        with pytest.raises(ValueError, match='the head of TOOD has no convolutions of classes'):
            build_distill(
                tmp_path,
                student=tiny_tood_cfg(),
                teacher=tiny_tood_cfg(**WIDE),
                methods=[dict(type='mmkd.CrossKD', on='dense')],
            )

    @pytest.mark.parametrize('boxes, teacher, kwargs, message', [
        (None, dict(bins=(7, 7)), {}, r"reads \(7, 7\) bins a RoI, but the student's .* \(2, 2\)"),
        ('bins', dict(convs=4), {}, 'have 2 convolutions for the student and 4 for the teacher'),
        ('bins', {}, dict(layer=3), 'layer=3, but the towers of bbox_head have 2 convolutions'),
        ('deltas', dict(sigmoid=False), {}, 'is a softmax: set use_sigmoid=True'),
    ])  # fmt: skip
    def test_heads_that_do_not_fit(self, boxes, teacher, kwargs, message):
        with pytest.raises(ValueError, match=message):
            build(boxes, teacher=teacher, **kwargs)

    @pytest.mark.parametrize('kwargs, message', [
        (dict(on='rpn'), r"on must be one of .'roi_head', 'dense'., got 'rpn'"),
        (dict(layer=0), 'layer must be'),
        (dict(cls_weight=-1), 'cls_weight must be >= 0'),
        (dict(agreement='all'), 'agreement must be one of'),
    ])  # fmt: skip
    def test_settings(self, kwargs, message):
        with pytest.raises(ValueError, match=message):
            CrossKD(**kwargs)

    def test_the_ensemble(self):
        method = CrossKD()
        method.teacher = 'ensemble'
        with pytest.raises(ValueError, match='name one teacher'):
            method.setup(*described())


def test_weight_zero_is_not_run():
    assert not CrossKD(loss_weight=0).active


@pytest.mark.parametrize('kind, convs, expected', [
    ('bins', 4, 3), ('distances', 4, 2), ('deltas', 2, 1), ('deltas', 1, 1),
])  # fmt: skip
def test_the_layer_is_the_papers_where_the_towers_are_as_deep(kind, convs, expected):
    assert build(kind, dict(convs=convs), dict(convs=convs)).layer == expected
