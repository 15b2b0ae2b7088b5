import dataclasses

import numpy as np
import pytest
import torch

from mmkd.losses import CellLoss
from mmkd.losses.functional import normalize_maps
from mmkd.methods import Imitation
from mmkd.modules import ConfidenceRegion, ProposalCells
from mmkd.observation import HeadInfo, Observation, total_loss
from mmkd.testing.detectors import tiny_faster_rcnn_cfg, tiny_fcos_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.heads import CLASSES, head_scene, observe_heads
from mmkd.testing.observations import batch_of, info_of, observe_maps
from mmkd.testing.rfcn import tiny_rfcn_cfg
from tests.references.binary_kd import sigmoid
from tests.references.chen2017 import softmax
from tests.references.hint import conv1x1
from tests.references.imitation_units import cell_loss, normalized

STRIDES, SHAPE = (8, 16), (24, 32)
BOXES = [torch.tensor([[2.0, 3, 16, 17]]).double(), torch.tensor([[10.0, 8, 30, 22]]).double()]
UNITS = ['none', 'standardize', 'batch_norm']


class Slope:
    """A region of weights: they rise from 0 with the column."""

    reads_teacher = False

    def setup(self, student, strides, target_strides):
        return frozenset({'features'})

    def __call__(self, student, batch, levels, sizes):
        return [
            (torch.arange(width).double() / width).expand(len(batch.gt_bboxes), height, width)
            for height, width in sizes
        ]


def maps(channels, seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = [(SHAPE[0] // stride, SHAPE[1] // stride) for stride in STRIDES]
    return [torch.randn(2, channels, *size, generator=generator).double() for size in sizes]


def arrays(levels):
    return [level.detach().numpy() for level in levels]


@pytest.mark.parametrize('normalize', UNITS)
@pytest.mark.parametrize('region', [None, dict(type='mmkd.ImitationRegion'), dict(type=Slope)])
def test_equals_the_formula_in_loops(region, normalize):
    own, other = maps(2, 0), maps(3, 1)
    method = Imitation(2.0, region=region, normalize=normalize)
    method.setup(info_of(own, STRIDES), info_of(other, STRIDES))
    method.double()
    seen = observe_maps(own, STRIDES), observe_maps(other, STRIDES), batch_of(BOXES, SHAPE)
    losses = method(*seen)
    weights = arrays(method.weights(*seen)) if region else None
    adapted = [
        conv1x1(level, conv.weight.detach().numpy()[..., 0, 0], conv.bias.detach().numpy())
        for level, conv in zip(arrays(own), [one.conv for one in method.adapters], strict=True)
    ]
    sides = [
        [
            normalized(level, normalize, weights and weights[place])
            for place, level in enumerate(side)
        ]
        for side in (adapted, arrays(other))
    ]
    expected = 2 * cell_loss(*sides, weights)
    assert losses['loss_imitation'].item() == pytest.approx(expected, abs=1e-6)
    if region:
        share = sum(level.sum() for level in weights) / sum(level.size for level in weights)
        assert losses['imitation_cells'].item() == pytest.approx(share)


def test_pkd_worked_out_by_hand():
    student, teacher = (
        torch.tensor(rows).double()[None]
        for rows in ([[[0, 1], [2, 3]], [[1, 1], [0, 2]]], [[[1, 1], [2, 5]], [[0, 2], [0, 1]]])
    )
    sides = [[normalize_maps(side, 'standardize')] for side in (student, teacher)]
    loss = CellLoss()(student=sides[0], teacher=sides[1])
    assert loss.item() == pytest.approx(0.257627, abs=1e-6)


@pytest.mark.parametrize('normalize', UNITS)
@pytest.mark.parametrize('kept', [0, 1, 2])
def test_few_or_equal_cells_are_finite_with_their_gradient(normalize, kept):
    level = torch.ones(1, 2, 2, 2).requires_grad_()
    mask = torch.zeros(1, 2, 2, dtype=torch.bool)
    mask.view(-1)[:kept] = True
    found = normalize_maps(level, normalize, mask)
    CellLoss()(student=[found], teacher=[torch.zeros(1, 2, 2, 2)], mask=[mask]).backward()
    assert found.isfinite().all() and level.grad.isfinite().all()


@pytest.mark.parametrize('normalize', UNITS)
def test_gradient(normalize):
    level, target = maps(2, 0)[1].requires_grad_(), maps(2, 1)[1]
    weight = torch.rand(2, *level.shape[2:]).double().masked_fill(torch.eye(1, 2) > 0, 0)

    def total(given):
        sides = (normalize_maps(side, normalize, weight > 0) for side in (given, target))
        return CellLoss()(student=[next(sides)], teacher=[next(sides)], mask=[weight])

    assert torch.autograd.gradcheck(total, level)


def setup_of(region, fields=None):
    info = info_of(maps(2, 0), STRIDES, heads=fields)
    return region.setup(info, STRIDES, STRIDES, info)


def test_the_confidence_of_a_cell_is_the_largest_of_its_anchors():
    region, scene = ConfidenceRegion(), head_scene()
    assert setup_of(region) == region.teacher_fields == {'rpn'}
    student, teacher, batch = observe_heads(scene)
    sizes = [tuple(level.shape[2:]) for level in scene['teacher']['rpn_cls']]
    weights = region(student, batch, [0, 1], sizes, teacher)
    for level, found in zip(scene['teacher']['rpn_cls'], weights, strict=True):
        for b, i, j in np.ndindex(*found.shape):
            expected = max(sigmoid(float(z)) for z in level[b, :, i, j])
            assert found[b, i, j].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('is_sigmoid', [False, True])
def test_the_confidence_of_a_roi_is_that_of_its_best_class(is_sigmoid):
    region, scene = ConfidenceRegion(), head_scene(columns=CLASSES + (not is_sigmoid))
    info = info_of([], (), heads={'roi_head': HeadInfo(is_sigmoid, False)})
    assert region.setup(info, [], [], info) == {'roi_head'}
    student, teacher, batch = observe_heads(scene)
    (weights,) = region(student, batch, [], [(3, 2)], teacher)
    assert weights.shape == (12, 3, 2)
    for row, found in zip(scene['teacher']['cls_score'].numpy(), weights, strict=True):
        probs = [sigmoid(z) for z in row] if is_sigmoid else softmax(row)[:-1]
        assert found.unique().tolist() == pytest.approx([max(probs)], abs=1e-6)


def test_proposals_cover_the_cells_that_they_touch_on_their_own_level():
    # Sides of 12 and 60 pixels: with a finest scale of 14 * 8 / 8 * 2 the second is of stride 16.
    boxes = [torch.tensor([[9.0, 1, 21, 13], [0, 0, 60, 60], [0, 0, 8, 8]]), torch.zeros(0, 4)]
    region = ProposalCells(max_per_image=2)
    info = info_of(maps(2, 0), STRIDES, finest_scale=14.0)
    info = dataclasses.replace(info, fields={**info.fields, 'proposals': None})
    assert region.setup(info, STRIDES, STRIDES, info) == set()
    assert region.teacher_fields == {'proposals'}
    seen = Observation(proposals=lambda _: boxes)
    fine, coarse = region(Observation(), None, [0, 1], [(3, 4), (2, 2)], seen)
    expected = torch.zeros(2, 3, 4, dtype=torch.bool)
    expected[0, :2, 1:3] = True  # columns 9..21 and rows 1..13 of 8 pixels
    assert torch.equal(fine, expected)
    assert coarse[0].all() and not coarse[1].any()


WIDE = dict(base_channels=16)
CASES = [
    (stage, region, normalize)
    for stage, regions in (
        ('features', [None, 'ImitationRegion', 'ConfidenceRegion', 'ProposalCells']),
        ('backbone', [None, 'ImitationRegion', 'ConfidenceRegion', 'ProposalCells']),
        ('roi_head', [None, 'ConfidenceRegion']),
    )
    for region in regions
    for normalize in UNITS
]
DETECTORS = {
    'faster_rcnn': (tiny_faster_rcnn_cfg, dict(WIDE, out_channels=24), CASES),
    'rfcn': (tiny_rfcn_cfg, WIDE, CASES),
    'retinanet': (tiny_retinanet_cfg, dict(WIDE, out_channels=24), CASES[:24]),
    'fcos': (tiny_fcos_cfg, WIDE, CASES[:24]),
}


@pytest.mark.parametrize('name', DETECTORS)
def test_every_choice_trains_every_detector(name, tmp_path):
    make, wide, cases = DETECTORS[name]
    methods = [
        dict(
            type='mmkd.Imitation',
            stage=stage,
            region=region and dict(type=f'mmkd.{region}'),
            normalize=normalize,
            name=f'{stage}_{region}_{normalize}'.lower(),
        )
        for stage, region, normalize in cases
    ]
    model = build_distill(tmp_path, student=make(), teacher=make(**wide), methods=methods)
    for boxes in ((0, 0), (2, 3)):
        losses = loss_of(model, num_boxes=boxes)
        own = {f'loss_{m["name"]}': losses[f'loss_{m["name"]}'] for m in methods}
        assert all(loss.isfinite() for loss in own.values()), own
    assert all(loss > 0 for loss in own.values()), own
    total_loss(own).backward()
    for method in methods:
        for parameter in model.distill[method['name']].parameters():
            assert parameter.grad.isfinite().all(), method['name']


def test_under_autocast_it_is_finite(tmp_path):
    methods = [dict(type='mmkd.Imitation', region=dict(type='mmkd.ConfidenceRegion'))]
    model = build_distill(tmp_path, methods=methods)
    with torch.autocast('cpu', torch.bfloat16):
        losses = loss_of(model)
    total_loss(losses).backward()
    assert losses['loss_imitation'].isfinite()
    own = [key for key in model.state_dict() if key.startswith('distill.')]
    assert own[:2] == [f'distill.imitation.adapters.0.conv.{part}' for part in ('weight', 'bias')]


@pytest.mark.parametrize('kwargs, message', [
    (dict(stage='neck'), "stage must be one of .*, got 'neck'"),
    (dict(normalize='pkd'), "normalize must be one of .*, got 'pkd'"),
    (dict(region=dict(type='mmkd.ProposalCells', source='gt')), "source must be one of .* 'gt'"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Imitation(**kwargs)


@pytest.mark.parametrize('kwargs, message', [
    (dict(stage='roi_head', region=dict(type='mmkd.ImitationRegion')), 'draws on maps'),
    (dict(stage='roi_head', levels=[[0, 0]]), 'has no levels: take it out'),
    (dict(region=dict(type='mmkd.ProposalCells')), 'ProposalCells reads proposals of the teacher'),
])  # fmt: skip
def test_what_does_not_fit_the_detectors_is_refused(kwargs, message):
    heads = {'roi_head': HeadInfo(False, False, channels=3)}
    info = info_of(maps(2, 0), STRIDES, heads=heads)
    with pytest.raises(ValueError, match=message):
        Imitation(**kwargs).setup(info, info)


def test_a_softmax_on_every_cell_has_no_confidence():
    with pytest.raises(ValueError, match='ConfidenceRegion reads sigmoids, but rpn of the teacher'):
        setup_of(ConfidenceRegion(), {'rpn': HeadInfo(False, False)})


def test_weight_zero_is_not_run():
    assert not Imitation(0).active
