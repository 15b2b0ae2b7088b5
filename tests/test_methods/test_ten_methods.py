"""The methods of papers on classification and faces take a step in every kind of detector."""

import itertools

import pytest
import torch

from mmkd.observation import total_loss
from mmkd.testing import (
    tiny_c4_faster_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_retinanet_cfg,
    tiny_rfcn_cfg,
)
from mmkd.testing.distill import build_distill, loss_of

MAPS = [
    dict(type='mmkd.AttentionTransfer'),
    dict(type='mmkd.NST'),
    dict(type='mmkd.CWD'),
    dict(type='mmkd.FitNets'),
]
LOGITS = [
    dict(type='mmkd.KD', on=['roi_head', 'rpn']),
    dict(type='mmkd.DKD'),
    dict(type='mmkd.DIST', on=['roi_head', 'rpn']),
]
ROWS = [dict(type='mmkd.RKD'), dict(type='mmkd.DarkRank'), dict(type='mmkd.TripletDistillation')]
FSP = dict(type='mmkd.FSP')


def neurons(levels):
    return dict(type='mmkd.NeuronSelection', channels=[[0, 2, 5]] * levels)


# What runs, and what is refused; KD at half the size is the low-resolution student.
DETECTORS = {
    'pyramid': (tiny_faster_rcnn_cfg, [*MAPS, neurons(5), FSP, *LOGITS, *ROWS], {}),
    'c4': (
        tiny_c4_faster_rcnn_cfg,
        [*MAPS, neurons(1), *LOGITS, *ROWS],
        {'FSP': 'fsp compares pairs of maps'},
    ),
    'rfcn': (
        tiny_rfcn_cfg,
        [*MAPS, neurons(2), FSP, *LOGITS],
        {'RKD': 'embedding of RoIs'},
    ),
    'retinanet': (
        tiny_retinanet_cfg,
        [*MAPS, neurons(5), FSP, dict(type='mmkd.KD', on=['dense'])],
        {'RKD': 'embedding of RoIs'},
    ),
}
BATCHES = [
    dict(num_boxes=(3, 2)),
    dict(num_boxes=(0, 0)),  # no foreground
    dict(sizes=((64, 96),), num_boxes=(1,)),  # one image, one object
]


@pytest.mark.parametrize('kind', DETECTORS)
def test_a_step_of_all_is_finite(tmp_path, kind):
    cfg, methods, _ = DETECTORS[kind]
    model = build_distill(tmp_path, student=cfg(), teacher=cfg(), methods=methods)
    dtypes = (torch.float32, torch.bfloat16, torch.float16)
    for batch, dtype in itertools.product(BATCHES, dtypes):
        with torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
            found = loss_of(model, **batch)
        losses = {
            name: [found[key] for key in found if f'{key}_'.startswith(f'loss_{name}_')]
            for name in model.distill
        }
        assert all(losses.values()) and all(v.isfinite() for one in losses.values() for v in one)
        model.zero_grad()
        total_loss(found).backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert all(p.grad is None for p in model.teacher.model.parameters())


@pytest.mark.parametrize('kind', ['pyramid', 'c4', 'rfcn'])
def test_a_step_at_low_resolution_is_finite(tmp_path, kind):
    cfg = DETECTORS[kind][0]
    kd = [dict(type='mmkd.KD')]
    model = build_distill(tmp_path, student=cfg(), teacher=cfg(), methods=kd, student_scale=0.5)
    for batch in BATCHES:
        losses = loss_of(model, **batch)
        assert losses['loss_kd_rcn'].isfinite()
        total_loss(losses).backward()


@pytest.mark.parametrize(
    'kind, name, message',
    [(kind, *one) for kind, (_, _, refused) in DETECTORS.items() for one in refused.items()],
)
def test_what_is_not_offered_is_refused(tmp_path, kind, name, message):
    cfg = DETECTORS[kind][0]()
    with pytest.raises(ValueError, match=message):
        build_distill(tmp_path, student=cfg, teacher=cfg, methods=[dict(type=f'mmkd.{name}')])
