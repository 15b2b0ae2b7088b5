import pytest
import torch

from mmkd.methods import ProposalMimic, QuantizationMimic
from mmkd.observation import Observation
from mmkd.testing.detectors import tiny_c4_faster_rcnn_cfg, tiny_faster_rcnn_cfg
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.heads import random_rois
from mmkd.testing.observations import batch_of, info_of
from tests.references.hint import conv1x1
from tests.references.proposal_mimic import align, crop, mimic_loss
from tests.references.quantize import quantize_array

SHAPE = (64, 96)


def draw(channels, seed, rectified=False):
    level = torch.randn(2, channels, 8, 12, generator=torch.Generator().manual_seed(seed)).double()
    return [2 * (level.relu() if rectified else level)]


ROIS = random_rois(torch.Generator().manual_seed(3), 8)
PROPOSALS = [ROIS[ROIS[:, 0] == image, 1:] for image in (0, 1)]
BATCH = batch_of([torch.zeros(0, 4).double()] * 2, SHAPE)


def build(student, teacher, kind=QuantizationMimic, **kwargs):
    torch.manual_seed(1)
    method = kind(**kwargs)
    method.setup(info_of(student, (8,)), info_of(teacher, (8,)))
    return method.double()


def run(method, student, teacher):
    ours = Observation(features=lambda _: student, proposals=lambda _: PROPOSALS)
    found = method(ours, Observation(features=lambda _: teacher), BATCH)
    return found[f'loss_{method.name}']


@pytest.mark.parametrize('region', ['roi_align', 'crop'])
@pytest.mark.parametrize('rectified', [True, False])
@pytest.mark.parametrize('sides', [(True, True), (True, False), (False, True)])
def test_equals_the_formula_in_loops(region, rectified, sides):
    student, teacher = draw(3, 0), draw(4, 1, rectified)
    method = build(
        student,
        teacher,
        step=0.5,
        region=region,
        normalize='none',
        loss_weight=0.3,
        quantize_student=sides[0],
        quantize_teacher=sides[1],
    )
    conv = method.adapters[0].conv
    weight, bias = conv.weight.detach().numpy()[:, :, 0, 0], conv.bias.detach().numpy()
    maps = conv1x1(student[0].numpy(), weight, bias), teacher[0].numpy()
    cut = align if region == 'roi_align' else crop
    regions = [
        [
            quantize_array(part, 0.5, not rectified) if quantized else part
            for part in (cut(side, roi, 8) for roi in ROIS.tolist())
        ]
        for side, quantized in zip(maps, sides, strict=True)
    ]
    expected = mimic_loss(*regions, 'none', 0.3)
    assert run(method, student, teacher).item() == pytest.approx(expected, rel=1e-9)


def test_the_worked_example_on_a_map():
    # methods.md, section 10: one RoI of four cells, s = 1; here one channel, the adapter identity.
    teacher = [torch.tensor([[[[0.3, 1.1], [2.4, 0.5]]]]).double()]
    student = [torch.tensor([[[[0.8, 1.4], [1.2, -0.6]]]]).double().requires_grad_()]
    ours = Observation(
        features=lambda _: student, proposals=lambda _: [torch.tensor([[0, 0, 16, 16]]).double()]
    )
    for settings, expected in (
        ({}, 1.0), (dict(quantize_student=False), 0.9),
    ):  # fmt: skip
        method = build(student, teacher, region='crop', normalize='none', **settings)
        torch.nn.init.ones_(method.adapters[0].conv.weight)
        torch.nn.init.zeros_(method.adapters[0].conv.bias)
        batch = batch_of([torch.zeros(0, 4).double()], (16, 16))
        loss = method(ours, Observation(features=lambda _: teacher), batch)
        loss = loss['loss_quantization_mimic']
        torch.testing.assert_close(loss, torch.tensor(expected).double())
        if not settings:
            loss.backward()
            assert student[0].grad.flatten().tolist() == [1, 0, -1, 0]


def test_a_tiny_step_is_the_mimic_without_quantization():
    student, teacher = draw(3, 0), draw(4, 1)
    fine = run(build(student, teacher, step=1e-7), student, teacher)
    plain = run(build(student, teacher, ProposalMimic), student, teacher)
    torch.testing.assert_close(fine, plain, rtol=1e-5, atol=0)


def test_signs_follow_the_teachers_map_unless_told():
    student = draw(3, 0)
    for rectified in (True, False):
        teacher = draw(4, 1, rectified)
        assert build(student, teacher).quantizers[0].signed is not rectified
        assert build(student, teacher, signed=rectified).quantizers[0].signed is rectified


def test_a_student_within_the_same_step_pays_nothing_and_learns_nothing():
    teacher = [torch.full((2, 1, 8, 12), 2.2).double()]
    student = [torch.full((2, 1, 8, 12), 1.8).double().requires_grad_()]
    method = build(student, teacher, region='crop')
    torch.nn.init.ones_(method.adapters[0].conv.weight)
    torch.nn.init.zeros_(method.adapters[0].conv.bias)
    loss = run(method, student, teacher)
    loss.backward()
    assert loss == 0 and not student[0].grad.any()


@pytest.mark.parametrize('make', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg])
def test_trains_in_a_detector(tmp_path, make):
    method = dict(type='mmkd.QuantizationMimic', step=0.1, region='crop', proposals='teacher')
    model = build_distill(
        tmp_path, student=make(), teacher=make(base_channels=16), methods=[method]
    ).eval()
    loss = loss_of(model)['loss_quantization_mimic']
    loss.backward()
    assert loss > 0 and any(p.grad.any() for p in model.distill.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.student.backbone.parameters())


@pytest.mark.parametrize('kwargs, message', [
    ({'step': 0}, 'step must be > 0, got 0'),
    ({'step': float('inf')}, 'step must be > 0 and finite, got inf'),
    ({'quantize_student': False, 'quantize_teacher': False}, 'that is ProposalMimic'),
    ({'region': 'pool'}, 'region must be one of'),
])  # fmt: skip
def test_bad_settings_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        QuantizationMimic(**kwargs)


def test_a_mistyped_argument_of_the_base_class_is_refused_with_the_right_name(tmp_path):
    method = dict(type='mmkd.QuantizationMimic', normalise='none')
    with pytest.raises(ValueError, match="no argument 'normalise'.*'normalize'"):
        build_distill(tmp_path, methods=[method])
