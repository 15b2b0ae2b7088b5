"""Losses and gradients of every method are those that were recorded before the code was rebuilt.

``python tests/test_refactor_guard.py`` writes the record anew, for a change that is meant to change
numbers. Every method takes three steps in float64 from one seed on each kind of tiny detector.
"""

import json
import tempfile
from pathlib import Path

import mmdet
import pytest
import torch

import mmkd  # noqa: F401
from mmkd.observation import gradient_norm
from mmkd.testing.batches import demo_batch
from mmkd.testing.detectors import tiny_c4_faster_rcnn_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import build_distill
from mmkd.testing.rfcn import tiny_rfcn_cfg

RECORD = Path(__file__).with_suffix('.json')
VERSIONS = {'torch': torch.__version__.split('+')[0], 'mmdet': mmdet.__version__}
SMALL, BIG = ((64, 96), (96, 64)), ((128, 192), (192, 128))

FEATURES = [
    dict(type='mmkd.FGFI'),
    dict(type='mmkd.FGFI', max_over='all', name='fgfi_all'),
    dict(type='mmkd.Hint'),
    dict(type='mmkd.Hint', stage='backbone', norm='l1', reduction='sum', name='hint_backbone'),
    dict(type='mmkd.ProposalMimic', proposals=['student', 'teacher', 'gt']),
    dict(type='mmkd.ProposalMimic', region='crop', positive_fraction=0.5, name='mimic_crop'),
    dict(type='mmkd.QuantizationMimic', step=0.5),
]
ON_ROIS = [
    dict(type='mmkd.SoftClassification', temperature=2.0, on='roi_head'),
    dict(type='mmkd.BoundedRegression', margin=0.1, on='roi_head'),
    dict(type='mmkd.TwoStageMimic'),
]
HEADS = [dict(type='mmkd.Chen2017'), *(dict(one, on=('roi_head', 'rpn')) for one in ON_ROIS[:2])]
MOVING = [
    dict(type='mmkd.FGFI', auto_scale=dict(fraction=0.5, iters=1, by='grad')),
    dict(
        type='mmkd.Hint',
        loss_weight=dict(type='linear', start=1.0, stop=0.1, end=3, by_epoch=False),
    ),
]
WIDE = dict(base_channels=16)
DETECTORS = {
    'faster_rcnn': dict(),
    'c4': dict(student=tiny_c4_faster_rcnn_cfg(), teacher=tiny_c4_faster_rcnn_cfg(**WIDE)),
    'rfcn': dict(student=tiny_rfcn_cfg(), teacher=tiny_rfcn_cfg(**WIDE)),
    'retinanet': dict(
        student=tiny_retinanet_cfg(), teacher=tiny_retinanet_cfg(**WIDE, out_channels=24)
    ),
    'two_sizes': dict(student_scale=0.5),
}
METHODS = {'features': FEATURES, 'heads': HEADS, 'on_rois': ON_ROIS, 'moving': MOVING}
CASES = [
    (detector, methods)
    for detector in DETECTORS
    for methods in METHODS
    if (detector, methods) not in {('retinanet', 'heads'), ('retinanet', 'on_rois'),
                                   ('two_sizes', 'heads')}
    and (methods != 'moving' or detector == 'faster_rcnn')
]  # fmt: skip


def three_steps(detector: str, methods: str, folder: Path) -> list[dict[str, float]]:
    """What is logged, and the norm of the gradient of each loss, of three steps."""
    model = build_distill(folder, methods=METHODS[methods], **DETECTORS[detector]).double()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    sizes = BIG if detector == 'two_sizes' else SMALL
    steps = []
    for step in range(3):
        torch.manual_seed(step)
        data = model.data_preprocessor(demo_batch(sizes=sizes, seed=step), True)
        losses = model(data['inputs'].double(), data['data_samples'], mode='loss')
        total, log = model.parse_losses(losses)
        found = {key: float(value) for key, value in log.items()}
        for key in [key for key in losses if 'loss' in key]:
            # A method that moves its weight adds the gradient of its adapters to a loss of 0.
            size = model.parse_losses({key: losses[key]})[0]
            found[f'gradient of {key}'] = float(gradient_norm(size, parameters))
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        steps.append(found)
    return steps


@pytest.mark.parametrize('detector, methods', CASES)
def test_three_steps_are_as_recorded(detector, methods, tmp_path):
    record = json.loads(RECORD.read_text())
    if record['versions'] != VERSIONS:
        pytest.skip(f'recorded with {record["versions"]}, this is {VERSIONS}')
    found = three_steps(detector, methods, tmp_path)
    for now, recorded in zip(found, record['steps'][f'{detector}/{methods}'], strict=True):
        assert now == pytest.approx(recorded, rel=1e-6, abs=1e-12)


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as name:
        STEPS = {f'{d}/{m}': three_steps(d, m, Path(name)) for d, m in CASES}
    RECORD.write_text(json.dumps({'versions': VERSIONS, 'steps': STEPS}, indent=1) + '\n')
