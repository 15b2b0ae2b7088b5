"""Every method on a GPU: finite in each precision, and without waits that the CPU tests forbid."""

import pytest
import torch

from mmkd.observation import total_loss
from mmkd.testing import demo_batch, tiny_faster_rcnn_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import build_distill, loss_of

from .test_ten_methods import FSP, LOGITS, MAPS, ROWS, neurons

FEATURES = [
    *MAPS,
    neurons(5),
    FSP,
    *(dict(type=f'mmkd.{name}') for name in ('FGFI', 'Hint', 'Imitation', 'MGD', 'FGD')),
]
CASES = {
    'faster_rcnn': (
        tiny_faster_rcnn_cfg,
        [
            *FEATURES,
            *LOGITS,
            *ROWS,
            *(dict(type=f'mmkd.{name}') for name in ('Chen2017', 'BinaryKD', 'BoundedRegression')),
            *(dict(type=f'mmkd.{name}') for name in ('ProposalMimic', 'TwoStageMimic', 'CrossKD')),
            dict(type='mmkd.Recipe'),
        ],
    ),
    'retinanet': (
        tiny_retinanet_cfg,
        [
            *FEATURES,
            dict(type='mmkd.KD', on=['dense']),
            dict(type='mmkd.CrossKD', on='dense'),
        ],
    ),
}
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'),
]


@pytest.mark.parametrize('name', CASES)
def test_steps_in_each_precision_are_finite(name, tmp_path):
    cfg, methods = CASES[name]
    model = build_distill(tmp_path, student=cfg(), teacher=cfg(), methods=methods).cuda()
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for boxes in ((3, 2), (0, 0)):
            with torch.autocast('cuda', dtype, dtype != torch.float32):
                losses = loss_of(model, num_boxes=boxes)
            bad = [
                k for k, v in losses.items() if 'loss' in k and not total_loss({k: v}).isfinite()
            ]
            assert not bad, (dtype, boxes)
            model.zero_grad()
            total_loss(losses).backward()


@pytest.mark.parametrize('method', FEATURES, ids=lambda method: method['type'])
def test_feature_methods_do_not_wait(method, tmp_path):
    cfg = tiny_faster_rcnn_cfg()
    model = build_distill(tmp_path, student=cfg, teacher=cfg, methods=[method]).cuda()
    _, _, seen = model.compute_losses(*batch(model))
    torch.cuda.set_sync_debug_mode('error')
    try:
        for one in model.distill.values():
            one(*seen.by(one.teacher))
    finally:
        torch.cuda.set_sync_debug_mode('default')


def batch(model):
    data = model.data_preprocessor(demo_batch(), True)
    return data['inputs'], data['data_samples']
