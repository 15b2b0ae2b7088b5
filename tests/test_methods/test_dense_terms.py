"""Chen's terms on one-stage heads: soft classification and bounded regression."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmdet.models.dense_heads import paa_head
from mmengine.logging import MessageHub

from mmkd.observation import Observation
from mmkd.testing.batches import demo_batch
from mmkd.testing.detectors import tiny_fcos_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import build_distill
from mmkd.testing.one_stage import (
    MIXTURES,
    tiny_atss_cfg,
    tiny_gfl_cfg,
    tiny_paa_cfg,
    tiny_rtmdet_cfg,
    tiny_tood_cfg,
    tiny_yolox_cfg,
)
from tests.references.chen2017 import (
    bounded_loss,
    encode,
    expected_side,
    sides_in_strides,
    soft_loss,
)

STRIDES = (8, 16, 32, 64, 128)
CLASSES = 3


def fcos_in_strides(**kw):
    cfg = tiny_fcos_cfg(**kw)
    cfg.bbox_head.norm_on_bbox = True
    return cfg


def softmax_retinanet(**kw):
    cfg = tiny_retinanet_cfg(**kw)
    cfg.bbox_head.loss_cls = dict(type='mmdet.CrossEntropyLoss', use_sigmoid=False)
    return cfg


HEADS = dict(
    retinanet=tiny_retinanet_cfg,
    atss=tiny_atss_cfg,
    gfl=tiny_gfl_cfg,
    fcos=tiny_fcos_cfg,
    fcos_in_strides=fcos_in_strides,
    retinanet_of_a_softmax=softmax_retinanet,
    paa=tiny_paa_cfg,
    tood=tiny_tood_cfg,
    rtmdet=tiny_rtmdet_cfg,
    yolox=tiny_yolox_cfg,
)
METHODS = [
    dict(type='mmkd.SoftClassification', on='dense', mu=0.25),
    dict(type='mmkd.BoundedRegression', on='dense', margin=0.1),
]


@pytest.fixture(autouse=True)
def first_epoch():
    MessageHub.get_current_instance().update_info('epoch', 0)  # TOOD asks for it


@pytest.fixture(autouse=True, scope='module')
def mixtures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paa_head, 'skm', MIXTURES)
        yield


@pytest.fixture(scope='module', params=HEADS)
def scene(request, mixtures, tmp_path_factory):
    """Name, model, and one step, of a detector under a wider one of its kind."""
    make = HEADS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    model = build_distill(folder, student=make(), teacher=make(base_channels=16), methods=METHODS)
    for side in (model.student, model.teacher.model):  # so that no box is far off
        for parameter in side.bbox_head.parameters():
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    data = model.data_preprocessor(demo_batch(), True)
    MessageHub.get_current_instance().update_info('epoch', 0)
    seen = model.observe(data['inputs'], data['data_samples'])
    teachers = {name: in_float64(one) for name, one in seen.teachers.items()}
    seen = replace(seen, student=in_float64(seen.student), teachers=teachers)
    return request.param, model, seen


def in_float64(observation):
    """Assigners know float32 alone, so what was seen is widened."""
    dense = observation.dense
    wide = {
        name: [level.double() for level in getattr(dense, name) or []]
        for name in ('cls_score', 'bbox_pred', 'priors', 'label_weights', 'bbox_targets')
    }
    wide = replace(dense, **wide)
    return Observation(
        dense=lambda _: wide, dense_bbox_coder=lambda _: observation.dense_bbox_coder
    )


def rows_of(levels, numbers):
    """(rows, numbers), by level, image and cell."""
    rows = []
    for level in levels:
        images, _, height, width = level.shape
        for b, i, j in np.ndindex(images, height, width):
            rows += list(level[b, :, i, j].detach().numpy().reshape(-1, numbers))
    return np.array(rows)


def test_classes_equal_the_formula_in_loops(scene):
    name, model, seen = scene
    student, teacher = seen.student.dense, seen.teachers['teacher'].dense
    sigmoid = name != 'retinanet_of_a_softmax'
    columns = CLASSES + (not sigmoid)
    expected = soft_loss(
        rows_of(student.cls_score, columns),
        rows_of(teacher.cls_score, columns),
        torch.cat([level.flatten() for level in student.label_weights]).tolist(),
        [1.0] * CLASSES + [1.5],
        avg_factor=float(student.avg_factor),
        sigmoid=sigmoid,
    )
    (loss,) = model.distill['soft_cls'](*seen.by('teacher')).values()
    assert loss.item() == pytest.approx(0.75 * expected, rel=1e-6)


def compared(name, student, teacher):
    """Student's, teacher's and target's numbers of every row, as they are compared."""
    images = len(student.labels[0])
    targets = np.concatenate([level.reshape(-1, 4).numpy() for level in student.bbox_targets])
    priors = np.concatenate([np.tile(level.numpy(), (images, 1)) for level in student.priors])
    strides = np.concatenate([
        np.full(level.numel(), stride)
        for level, stride in zip(student.labels, STRIDES, strict=True)
    ])  # fmt: skip
    numbers = 32 if name == 'gfl' else 4
    own, other = (rows_of(side.bbox_pred, numbers) for side in (student, teacher))
    if name == 'gfl':
        own, other = (
            np.array([[expected_side(side) for side in row.reshape(4, 8)] for row in rows])
            for rows in (own, other)
        )
        centers = (priors[:, :2] + priors[:, 2:]) / 2
        rows = zip(centers, targets, strides, strict=True)
        targets = np.array([sides_in_strides(*row, last_bin=7) for row in rows])
    if name in ('tood', 'rtmdet'):
        rows = zip(priors, targets, strides, strict=True)
        targets = np.array([sides_in_strides(*row, last_bin=np.inf) for row in rows])
    return priors, own, other, targets


def test_boxes_equal_the_formula_in_loops(scene):
    name, model, seen = scene
    student, teacher = seen.student.dense, seen.teachers['teacher'].dense
    labels = torch.cat([level.flatten() for level in student.labels])
    positive = (labels < CLASSES).numpy()
    priors, own, other, targets = (part[positive] for part in compared(name, student, teacher))
    if name in ('atss', 'paa'):
        targets = encode(priors, targets, (0.1, 0.1, 0.2, 0.2))
    if name == 'yolox':
        targets = encode(priors, targets, (1, 1, 1, 1))
    every = [True] * len(own)
    expected = bounded_loss(own, other, targets, every, float(student.avg_factor), 0.1)
    (loss,) = model.distill['bounded_reg'](*seen.by('teacher')).values()
    assert expected > 0
    assert loss.item() == pytest.approx(0.5 * expected, rel=1e-6)


def test_hard_loss_gives_up_its_share_and_gradients_are_finite(scene):
    _, model, seen = scene
    batch = seen.batch
    assert model.distill['soft_cls'].task_loss_scale('loss_cls', batch) == 0.25
    found = [model.distill[name](*seen.by('teacher')) for name in ('soft_cls', 'bounded_reg')]
    total = sum(value for losses in found for value in losses.values())
    head = list(model.student.bbox_head.parameters())
    gradients = torch.autograd.grad(total, head, retain_graph=True, allow_unused=True)
    assert any(one is not None and one.abs().sum() > 0 for one in gradients)
    assert all(one is None or one.isfinite().all() for one in gradients)


@pytest.mark.parametrize('make', [tiny_retinanet_cfg, tiny_gfl_cfg, tiny_fcos_cfg])
def test_without_an_object_boxes_are_a_zero_with_a_graph(make, tmp_path):
    model = build_distill(tmp_path, student=make(), teacher=make(), methods=METHODS)
    data = model.data_preprocessor(demo_batch(num_boxes=(0, 0)), True)
    losses = model(**data, mode='loss')
    assert losses['loss_bounded_reg_dense'] == 0
    assert losses['loss_bounded_reg_dense'].requires_grad
    assert losses['loss_soft_cls_dense'].isfinite()
