import copy

import numpy as np
import pytest
import torch

from mmkd.methods import ProposalMimic
from mmkd.observation import HeadInfo, Observation
from mmkd.testing.detectors import (
    tiny_c4_faster_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_fcos_cfg,
    tiny_retinanet_cfg,
)
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.observations import batch_of, info_of
from tests.references.hint import conv1x1
from tests.references.proposal_mimic import align, choose, crop, extractor_level, mimic_loss

STRIDES = (8, 16)
SHAPE = (64, 96)
FINEST = 14.0


def draw(channels, seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, channels, SHAPE[0] // s, SHAPE[1] // s, generator=generator).double()
        for s in STRIDES
    ]


def boxes(seed, *numbers):
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number in numbers:
        corner, size = (torch.rand(number, 2, generator=generator).double() for _ in range(2))
        made.append(torch.cat([corner * 50, corner * 50 + 4 + size * 40], dim=1))
    return made


def observe(maps, proposals):
    return Observation(features=lambda _: maps, proposals=lambda _: proposals)


@pytest.fixture
def scene():
    """Student's and teacher's maps and proposals, and the batch."""
    own, theirs = boxes(0, 9, 5), boxes(1, 4, 6)
    return draw(3, 0), draw(5, 1), own, theirs, batch_of(boxes(2, 2, 1), SHAPE)


def build(student, teacher, strides=STRIDES, teacher_strides=STRIDES, info=(), **kwargs):
    torch.manual_seed(1)
    method = ProposalMimic(**kwargs)
    method.setup(
        info_of(student, strides, finest_scale=FINEST, **dict(info)),
        info_of(teacher, teacher_strides, **dict(info)),
    )
    return method.double()


def pooled_from(levels):
    """Arguments of the description of a detector whose RoI extractor reads so many levels."""
    return dict(heads={'roi_head': HeadInfo(sigmoid=False, decoded=False, levels=levels)})


def run(method, scene):
    student, teacher, own, theirs, batch = scene
    return method(observe(student, own), observe(teacher, theirs), batch)


def adapted(method, student):
    return [
        conv1x1(
            level.numpy(),
            adapter.conv.weight.detach().numpy()[:, :, 0, 0],
            adapter.conv.bias.detach().numpy(),
        )
        for adapter, level in zip(method.adapters, student, strict=True)
    ]


@pytest.mark.parametrize('region', ['roi_align', 'crop'])
@pytest.mark.parametrize('normalize', ['elements', 'positions', 'none'])
@pytest.mark.parametrize('proposals', ['student', 'teacher', 'gt', ['student', 'teacher', 'gt']])
def test_equals_the_formula_in_loops(scene, region, normalize, proposals):
    student, teacher, own, theirs, batch = scene
    method = build(
        student,
        teacher,
        proposals=proposals,
        region=region,
        normalize=normalize,
        loss_weight=0.7,
        max_per_image=10,
    )
    lists = dict(student=own, teacher=theirs, gt=batch.gt_bboxes)
    sources = [proposals] if isinstance(proposals, str) else proposals
    rois = [
        (image, *box)
        for image in range(2)
        for box in choose(
            [lists[source][image].numpy() for source in sources],
            batch.gt_bboxes[image].numpy(),
            10,
        )
    ]
    cut = align if region == 'roi_align' else crop
    maps = adapted(method, student), [level.numpy() for level in teacher]
    levels = [extractor_level(roi, FINEST, 2) for roi in rois]
    regions = [
        [
            cut(side[level], roi, STRIDES[level])
            for roi, level in zip(rois, levels, strict=True)
        ]
        for side in maps
    ]  # fmt: skip
    expected = mimic_loss(*regions, normalize, 0.7)
    losses = run(method, scene)
    assert losses['loss_proposal_mimic'].item() == pytest.approx(expected, rel=1e-9)
    assert losses['proposal_mimic_regions'] == len(rois) / 2
    assert set(levels) == ({0, 1} if len(rois) > 3 else set(levels)) and expected > 0


def test_only_what_is_asked_for_is_read():
    both = ProposalMimic(proposals=['student', 'gt']), ProposalMimic(proposals='teacher')
    assert both[0].student_fields == both[1].teacher_fields == {'features', 'proposals'}
    assert both[0].teacher_fields == both[1].student_fields == {'features'}


def test_gradients_reach_student_and_adapters_and_not_the_teacher(scene):
    student, teacher = ([level.requires_grad_() for level in side] for side in scene[:2])
    method = build(student, teacher)
    run(method, (student, teacher, *scene[2:]))['loss_proposal_mimic'].backward()
    assert all(level.grad.any() for level in student)
    assert all(parameter.grad.any() for parameter in method.parameters())
    assert all(level.grad is None for level in teacher)


def test_a_student_that_equals_the_teacher_through_the_adapter_pays_nothing(scene):
    _, teacher, *rest = scene
    for region in ('roi_align', 'crop'):
        method = build(teacher, teacher, region=region)
        for adapter in method.adapters:
            torch.nn.init.dirac_(adapter.conv.weight)
            torch.nn.init.zeros_(adapter.conv.bias)
        assert run(method, (teacher, teacher, *rest))['loss_proposal_mimic'] == 0


# None at all, none in one image, one alone, outside the image, without area.
ODD = [
    [[], []],
    [[[4, 4, 30, 30]], []],
    [[], [[200, 300, 260, 340], [-50, -60, -10, -20]]],
    [[[8, 8, 8, 8], [5, 5, 5, 40]], [[3, 7, 50, 7]]],
]


@pytest.mark.parametrize('region', ['roi_align', 'crop'])
@pytest.mark.parametrize('proposals', ODD)
@pytest.mark.parametrize('settings', [{}, dict(positive_fraction=0.5, duplicate_iou=0.7)])
def test_odd_proposals_are_finite_and_defined(scene, region, proposals, settings):
    student, teacher, *_, batch = scene
    student = [level.requires_grad_() for level in student]
    own = [torch.tensor(image).double().reshape(-1, 4) for image in proposals]
    method = build(student, teacher, region=region, **settings)
    losses = run(method, (student, teacher, own, None, batch))
    losses['loss_proposal_mimic'].backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(parameter.grad.isfinite().all() for parameter in method.parameters())
    if not any(proposals):
        assert losses['loss_proposal_mimic'] == losses['proposal_mimic_regions'] == 0
    if not settings:
        assert losses['proposal_mimic_regions'] == sum(map(len, proposals)) / 2


def test_the_divisor_counts_the_regions_of_the_batch(scene):
    student, teacher, own, theirs, batch = scene
    method = build(student, teacher)
    both = run(method, scene)['loss_proposal_mimic']
    alone = []
    for image in range(2):
        part = batch_of([batch.gt_bboxes[image]], SHAPE)
        maps = ([level[image : image + 1] for level in side] for side in (student, teacher))
        found = run(method, (*maps, [own[image]], [theirs[image]], part))
        alone.append(found['loss_proposal_mimic'] * len(own[image]))
    # 9 and 5 regions: a mean over images would differ.
    torch.testing.assert_close(both, sum(alone) / 14)
    assert not torch.isclose(both, (alone[0] / 9 + alone[1] / 5) / 2)


def test_levels_are_those_of_the_roi_extractor_and_of_one_stride_the_last():
    maps = draw(2, 0) + draw(2, 1)
    pairs = build(maps[:2] + maps[:1], maps[:2] + maps[:1], (8, 16, 32), (8, 16, 32)).pairs
    assert pairs == [(0, 0), (1, 1), (2, 2)]
    pyramid = build(
        maps[:3], maps[:3], (8, 16, 32), (8, 16, 32), pooled_from(2), region='crop'
    )  # fmt: skip
    assert pyramid.pairs == [(0, 0), (1, 1)]
    rfcn = build(maps[:2], maps[:2], (16, 16), (16, 16), pooled_from(1))
    assert rfcn.pairs == [(1, 1)]


def test_levels_by_hand_are_sorted_and_a_stride_twice_is_refused():
    maps = draw(2, 0)
    assert build(maps, maps, levels=[[1, 1], [0, 0]]).pairs == [(0, 0), (1, 1)]
    with pytest.raises(ValueError, match=r'levels=.*strides \[8, 8\].*stride may be named once'):
        build(maps, maps, levels=[[0, 0], [0, 1]])


@pytest.mark.parametrize('kwargs, message', [
    ({'proposals': 'rpn'}, "proposals must name one or more of .*got 'rpn'"),
    ({'proposals': []}, r'proposals must name one or more of .*got \[\]'),
    ({'proposals': ['gt', 'gt']}, 'proposals must name'),
    ({'upsample': 'nearest'}, "upsample must be one of .*got 'nearest'"),
    ({'region': 'box'}, 'region must be one of'),
    ({'normalize': 'mean'}, 'normalize must be one of'),
    ({'loss_weight': -1}, 'loss_weight must be >= 0, got -1'),
])  # fmt: skip
def test_bad_settings_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ProposalMimic(**kwargs)


def test_a_deconvolution_without_a_larger_teacher_is_refused(scene):
    message = r"DeconvAdapter .* stride 8 .* with 8 .*pairing='upsample'"
    with pytest.raises(ValueError, match=message):
        build(scene[0], scene[1], upsample='deconv')


SOURCES = ['student', 'teacher', 'gt', ['teacher', 'student', 'gt']]
DETECTORS = [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg, tiny_retinanet_cfg, tiny_fcos_cfg]


@pytest.mark.parametrize('make', DETECTORS)
def test_trains_in_a_detector(tmp_path, make):
    methods = [
        dict(type='mmkd.ProposalMimic', proposals=source, name=f'mimic_{index}')
        for index, source in enumerate(SOURCES)
    ]
    model = build_distill(
        tmp_path, student=make(), teacher=make(base_channels=16), methods=methods
    ).eval()
    losses = loss_of(model)
    for index in range(len(SOURCES)):
        assert losses[f'loss_mimic_{index}'].isfinite() and losses[f'loss_mimic_{index}'] > 0
        assert 0 < losses[f'mimic_{index}_regions'] <= 256
    sum(value for key, value in losses.items() if 'loss_mimic' in key).backward()
    # A level on which no region lies has a gradient of zero.
    grads = [p.grad for p in model.distill.parameters()]
    assert all(grad is not None for grad in grads) and any(grad.any() for grad in grads)
    assert all(p.grad is None for p in model.teacher.model.parameters())


def observed(model, **batch):
    from mmkd.testing import demo_batch

    data = model.data_preprocessor(demo_batch(**batch), True)
    return data, model.observe(data['inputs'], copy.deepcopy(data['data_samples']))


@pytest.mark.parametrize('make', [tiny_faster_rcnn_cfg, tiny_retinanet_cfg])
def test_the_teachers_proposals_are_those_of_its_own_head(tmp_path, make):
    model = build_distill(
        tmp_path,
        student=make(),
        teacher=make(base_channels=16),
        methods=[dict(type='mmkd.ProposalMimic')],
    ).eval()
    data, seen = observed(model)
    alone = model.teacher.answering
    with torch.no_grad():
        maps = alone.extract_feat(data['inputs'])
        head = alone.rpn_head if hasattr(alone, 'rpn_head') else alone.bbox_head
        settings = copy.deepcopy(head.test_cfg)
        if 'score_thr' in settings:
            settings.update(score_thr=0.0, max_per_img=1000)
        expected = head.predict_by_feat(*head(maps), batch_img_metas=seen.batch.metas, cfg=settings)
    for ours, theirs in zip(seen.teachers['teacher'].proposals, expected, strict=True):
        assert torch.equal(ours, theirs.bboxes) and len(ours) > 0 and not ours.requires_grad
        assert (theirs.scores.diff() <= 0).all()


def test_the_students_proposals_are_its_rpns_without_ground_truth(tmp_path):
    model = build_distill(tmp_path, methods=[dict(type='mmkd.ProposalMimic')]).eval()
    _, seen = observed(model)
    for boxes_of_image, gt in zip(seen.student.proposals, seen.batch.gt_bboxes, strict=True):
        assert 0 < len(boxes_of_image) <= 64 and not boxes_of_image.requires_grad
        assert not (boxes_of_image[:, None] == gt).all(dim=2).any()


@pytest.mark.parametrize('make', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg])
@pytest.mark.parametrize('scale', [0.5, 0.25])
@pytest.mark.parametrize('upsample', ['bilinear', 'deconv'])
def test_mimic_over_scales(tmp_path, make, scale, upsample):
    method = dict(type='mmkd.ProposalMimic', proposals=['student', 'teacher'], upsample=upsample)
    model = build_distill(
        tmp_path,
        student=make(),
        teacher=make(base_channels=12),
        methods=[method],
        student_scale=scale,
        pairing='upsample',
    ).eval()
    data, seen = observed(model, sizes=((128, 256), (256, 128)))
    student, teacher, batch = seen.by('teacher')
    mimic = model.distill['proposal_mimic']
    assert mimic.strides == [round(stride / scale) for stride in mimic.target_strides]
    # The teacher's boxes lie in the student's smaller images.
    height, width = (side * scale for side in data['inputs'].shape[-2:])
    limit = torch.tensor([width, height] * 2)
    assert all((image <= limit).all() for image in teacher.proposals)
    assert any((image > limit / 2).any() for image in teacher.proposals)
    found = mimic(student, teacher, batch)
    found['loss_proposal_mimic'].backward()
    assert found['loss_proposal_mimic'] > 0
    grads = {name: p.grad for name, p in mimic.named_parameters()}
    assert all(grad is not None for grad in grads.values())
    assert any(grads[name].any() for name in grads if name.startswith('adapters.0'))
    assert all(p.grad is None for p in model.teacher.model.parameters())
    names = ('backbone', 'neck') if hasattr(model.student, 'neck') else ('backbone',)
    for name in names:
        grads = [p.grad for p in getattr(model.student, name).parameters() if p.grad is not None]
        assert any(grad.any() for grad in grads)


def test_mimic_over_scales_cuts_with_the_teachers_stride(scene):
    # The student's cell of 16 pixels is the teacher's of 8, seen twice as large.
    _, teacher, own, _, batch = scene
    student = [torch.nn.functional.avg_pool2d(level, 2) for level in teacher]
    info = dict(pairing='upsample')
    method = build(student, teacher, (16, 32), (8, 16), info, region='crop')
    found = run(method, (student, teacher, own, own, batch))['loss_proposal_mimic'].item()
    bigger = [
        torch.nn.functional.interpolate(level, scale_factor=2, mode='bilinear').numpy()
        for level in student
    ]
    maps = adapted(method, [torch.from_numpy(level) for level in bigger])
    rois = [(i, *box) for i in range(2) for box in own[i].tolist()]
    levels = [extractor_level(roi, FINEST, 2) for roi in rois]
    regions = [
        [crop(side[level], roi, STRIDES[level]) for roi, level in zip(rois, levels, strict=True)]
        for side in (maps, [level.numpy() for level in teacher])
    ]
    assert found == pytest.approx(mimic_loss(*regions, 'elements'), rel=1e-9)
    assert np.isfinite(found) and found > 0
