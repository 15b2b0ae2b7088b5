"""Under automatic mixed precision every method says what it says in single precision.

Counts, and sums of more than 10^4 elements, are rounded by 16-bit floats: float16 counts to 2048
and ends at 65504, bfloat16 counts to 256.
"""

import dataclasses

import pytest
import torch
from torch import nn

from mmkd.engine.commands.host_waits import HostWaits
from mmkd.methods import DistillMethod
from mmkd.observation import HeadInfo, Observation, gradient_norm, total_loss
from mmkd.registry import MODELS
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.heads import CLASSES, coder, head_scene, observe_heads, random_rois
from mmkd.testing.observations import batch_of, info_of, square_priors

HALF = [torch.float16, torch.bfloat16]
STRIDES, SHAPE = (4, 8), (256, 384)
CASES = {
    'AttentionTransfer': [dict(), dict(attention='max_p', form='norm')],
    'CWD': [dict()],
    'DIST': [dict(on=['roi_head', 'rpn'])],
    'DKD': [dict()],
    'DarkRank': [dict(rows='rois'), dict(soft=False, rows='rois')],
    'FGD': [dict(relation=0.0)],
    'FSP': [dict(reduction='sum')],
    'FitNets': [dict(reduction='paper'), dict(reduction='code')],
    'KD': [dict(on=['roi_head', 'rpn']), dict(alpha=0.0, temperature=1.0)],
    'LD': [],  # its bins are in tests/test_methods/test_ld.py
    'MGD': [dict()],
    'NST': [dict(), dict(kernel='linear'), dict(kernel='gaussian')],
    'NeuronSelection': [dict(channels=[[0, 2], [1, 2]])],
    'RKD': [dict(rows='rois')],
    'SetPrediction': [],  # its queries are in tests/test_methods/test_set_prediction.py
    'TripletDistillation': [dict(rows='rois'), dict(rows='rois', mining='hardest')],
    'BinaryKD': [dict(), dict(agreement='weighted', detach_factor=True)],
    'BoundedRegression': [dict(), dict(margin=0.5)],
    'Chen2017': [dict(), dict(hint=dict(reduction='sum', norm='l1'))],
    'CrossKD': [dict(), dict(agreement='weighted')],
    'FGFI': [dict(psi=0.0), dict(max_over='all'), dict(max_over='level')],
    'Hint': [dict(), dict(norm='l1'), dict(reduction='sum'), dict(stage='backbone')],
    'Imitation': [
        dict(),
        dict(normalize='batch_norm', stage='backbone'),
        dict(region=dict(type='mmkd.ImitationRegion'), normalize='none'),
        dict(stage='roi_head', region=dict(type='mmkd.ConfidenceRegion')),
    ],
    'ProposalMimic': [
        dict(),
        dict(region='crop', normalize='none'),
        dict(duplicate_iou=0.5, max_per_image=40),
        dict(proposals=['student', 'teacher', 'gt'], positive_fraction=0.3),
    ],
    'QuantizationMimic': [dict(step=0.25), dict(step=0.25, region='crop', normalize='positions')],
    'SoftClassification': [dict(), dict(class_weights=[0.0, 1, 2, 1.5], temperature=2.0)],
    'TwoStageMimic': [dict(), dict(normalize='none')],
}  # fmt: skip


def test_every_registered_method_is_among_the_cases():
    registered = {
        name for name, kind in MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, DistillMethod)
        and kind.__module__.startswith('mmkd.methods.')
    }  # fmt: skip
    assert registered - {'Recipe'} == set(CASES)  # FGFI, whose weight is found


def converted(value, dtype):
    """Every float tensor in it in another type."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: converted(part, dtype) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(converted(part, dtype) for part in value)
    return value


def scene():
    """What both detectors say, many cells and rows of it; targets, anchors and boxes apart."""
    generator = torch.Generator().manual_seed(0)

    def boxes(number):
        return random_rois(generator, number, 1)[:, 1:] * torch.tensor([6.0, 4, 6, 4])

    heads = head_scene(rows=700, positives=300, positive_anchors=15)
    for side in ('student', 'teacher'):
        heads[side].update(
            maps=[
                torch.randn(2, 3, SHAPE[0] // s, SHAPE[1] // s, generator=generator)
                for s in STRIDES
            ],
            bbox_feats=torch.randn(700, 3, 3, 3, generator=generator),
            proposals=[boxes(400), boxes(300)],
        )
    batch = batch_of([boxes(5).float(), boxes(4).float()], SHAPE)
    return heads, batch


def losses_of(name, settings, dtype):
    """Of a method that is given outputs rounded to the first type and held in the second."""
    rounded, held = dtype
    heads, batch = scene()
    for side in ('student', 'teacher'):
        heads[side] = converted(converted(heads[side], rounded), held)
    for key in ('rois', 'anchors', 'rpn_targets', 'roi_targets'):
        heads[key] = converted(heads[key], torch.float32)
    *sides, _ = observe_heads(heads, coder(), coder((0.2, 0.2, 0.4, 0.4)))
    sides = [
        _with_maps(view, heads[side])
        for view, side in zip(sides, ('student', 'teacher'), strict=True)
    ]
    method = MODELS.get(name)(**settings)
    maps = heads['student']['maps']
    heads = {'roi_head': HeadInfo(sigmoid=False, decoded=False, channels=3, bins=(3, 3))}
    info = info_of(maps, STRIDES, num_classes=CLASSES, heads=heads)
    method.setup(info, info)
    for part in method.modules():
        if isinstance(part, nn.Conv2d):  # exact in any precision
            nn.init.dirac_(part.weight)
            nn.init.zeros_(part.bias)
    return method.to(held)(*sides, batch)


def _with_maps(view, outputs):
    pooled = dataclasses.replace(view.roi_head, bbox_feats=outputs['bbox_feats'])
    sizes = [tuple(level.shape[-2:]) for level in outputs['maps']]
    priors = square_priors(sizes, STRIDES, 2)
    priors = dataclasses.replace(priors, anchors=[level.float() for level in priors.anchors])

    def lend(_, feats):
        """A head whose outputs are some of its inputs."""
        numbers = feats.flatten(1)
        return dataclasses.replace(pooled, cls_score=numbers[:, :4], bbox_pred=numbers[:, 4:16])

    return Observation(
        {'roi_head': lend},
        **{
            **view._sources,
            'roi_head': lambda _: pooled,
            'features': lambda _: outputs['maps'],
            'backbone': lambda _: outputs['maps'],
            'roi_embedding': lambda _: outputs['bbox_feats'].flatten(1),
            'proposals': lambda _: outputs['proposals'],
            'priors': lambda _: priors,
        },
    )


@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize(
    'name, settings', [(name, case) for name, cases in CASES.items() for case in cases]
)
def test_half_precision_outputs_give_the_loss_of_single_precision(name, settings, dtype):
    found = losses_of(name, settings, (dtype, dtype))
    expected = losses_of(name, settings, (dtype, torch.float32))
    assert found.keys() == expected.keys()
    for key, value in found.items():
        assert value.dtype == torch.float32 and value > 0, key
        torch.testing.assert_close(value, expected[key], rtol=1e-5, atol=0, msg=key)


SEVERAL = dict(
    binarykd=4,
    boundedregression=2,
    chen2017=5,
    crosskd=2,
    dist=2,
    fgd=3,
    kd=2,
    softclassification=2,
    twostagemimic=4,
)
"""How many losses the methods of several have on an RPN and a RoI head."""


def test_a_detector_under_autocast_has_the_losses_of_single_precision(tmp_path):
    # With an open gate: two untrained heads err by nearly the same. The second stage's boxes are
    # those of few sampled RoIs, and which ones differs; so do the small differences of what one
    # untrained head says of two features.
    methods = [
        dict(cases[0], type=f'mmkd.{name}', name=name.lower())
        for name, cases in CASES.items()
        # Equal channels; bins; lists of channels; queries.
        if name not in ('FSP', 'LD', 'NeuronSelection', 'SetPrediction')
    ]
    for method in methods:
        if method['type'] in ('mmkd.BoundedRegression', 'mmkd.Chen2017'):
            method['margin'] = 100.0
    model, found = build_distill(tmp_path, methods=methods).eval(), []
    for enabled in (True, False):
        torch.manual_seed(0)
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            losses = loss_of(model)
        total_loss(losses).backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
        found.append({
            key: value for key, value in losses.items() if any(m['name'] in key for m in methods)
        })  # fmt: skip
    half, single = found
    assert half.keys() == single.keys()
    parts = {
        m['name']: sum(f'{key}_'.startswith(f'loss_{m["name"]}_') for key in half) for m in methods
    }
    assert parts == {**dict.fromkeys(parts, 1), **SEVERAL}
    for key, value in half.items():
        assert value.dtype == torch.float32 and value.isfinite(), key
        if not key.endswith(
            (
                'bounded_rcn',
                'boundedregression_rcn',
                'mimic_bbox',
                'kd_rcn',
                'kd_cls_rcn',
                'loc_rcn',
                'rkd',
                'darkrank',
                'tripletdistillation',
                '_rows',
                'crosskd_cls',
                'crosskd_reg',
            )
        ):
            torch.testing.assert_close(value, single[key], rtol=0.04, atol=0, msg=key)


def test_the_norm_of_a_gradient_below_the_range_of_float16():
    # 10^6 elements of 1e-8: a norm of 1e-5, where float16 ends at 6e-8.
    level = torch.ones(1000, 1000, dtype=torch.float16, requires_grad=True)
    norm = gradient_norm(level.float().sum() * 1e-8, [level])
    torch.testing.assert_close(norm, torch.tensor(1e-5), rtol=0.01, atol=0)


def test_a_mean_is_taken_in_single_precision():
    # The mean of 1 and 255 times 1.0078125, bfloat16's next number, is not one of its numbers.
    part = torch.full((256,), 1.0078125, dtype=torch.bfloat16)
    part[0] = 1
    expected = (1 + 255 * 1.0078125) / 256
    assert total_loss({'loss': [part]}).item() == pytest.approx(expected, rel=1e-6)


WAITS = dict(
    BinaryKD=8,  # the coder of the host copies its means and deviations to the GPU
    BoundedRegression=2,  # the rows with a box, of each head
    Chen2017=2,  # the same
    DarkRank=3,  # embeddings of the RoIs with an object, by image
    RKD=3,
    TripletDistillation=4,
    ProposalMimic=1,  # how many regions a level has
    QuantizationMimic=1,
    TwoStageMimic=2,  # regions, and the rows with a box
)
"""How often a part of a method makes the host wait for a GPU: where a size depends on values."""


def counted(function, counts):
    """The function, which notes how often it makes the host wait."""

    def call(*args, **kwargs):
        with HostWaits() as waits:
            found = function(*args, **kwargs)
        counts.append(waits.count)
        return found

    return call


@pytest.mark.parametrize('name', CASES)
def test_only_sizes_that_depend_on_values_make_the_host_wait(name, monkeypatch):
    counts = []
    monkeypatch.setattr(DistillMethod, '__call__', counted(DistillMethod.__call__, counts))
    for settings in CASES[name]:
        losses_of(name, settings, (torch.float32, torch.float32))
    assert max(counts, default=0) == WAITS.get(name, 0)


def test_every_kind_of_waiting_is_counted():
    values = torch.tensor([1.0, 0, 2])
    for wait in (
        lambda: values[0].item(),
        lambda: values.tolist(),
        lambda: float(values.sum()),
        lambda: bool(values.any()),
        lambda: values.nonzero(),
        lambda: values[values > 0],
        lambda: values.clone().__setitem__(values > 0, values[:2]),
        lambda: values.masked_select(values > 0),
        lambda: values.unique(),
        lambda: values.new_tensor([1.0]),
        lambda: torch.tensor([1.0], device=values.device),
        lambda: values[[0, 2]],
        lambda: values[None, [0, 2]],
        lambda: values.cpu(),
        lambda: values.to('cpu'),
        lambda: torch.tensor(data=[1.0], device=values.device),
    ):
        with HostWaits() as waits:
            wait()
        assert waits.count == 1
    with HostWaits() as waits:
        values[torch.tensor([0, 2])], values[1:], values.masked_fill(values > 0, 1).sum()
        copy = values.clone()
        copy[copy > 0] = 5.0
    assert waits.count == 0 and copy.tolist() == [5, 0, 5]
