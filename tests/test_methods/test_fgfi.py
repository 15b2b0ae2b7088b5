import numpy as np
import pytest
import torch

from mmkd.methods import FGFI
from mmkd.testing.observations import batch_of, info_of, observe_maps
from tests.references.imitation import conv3x3, imitation_loss, imitation_masks

STRIDES = (8, 16)
SHAPE = (32, 48)


@pytest.fixture
def scene():
    generator = torch.Generator().manual_seed(0)

    def maps(channels):
        return [
            torch.randn(2, channels, 32 // s, 48 // s, generator=generator).double()
            for s in STRIDES
        ]

    boxes = [
        torch.tensor([[2.0, 3.0, 16.0, 17.0], [10.0, 0.0, 45.0, 30.0]]).double(),
        torch.tensor([[20.0, 8.0, 36.0, 24.0]]).double(),
    ]
    return maps(3), maps(5), batch_of(boxes, SHAPE)


def build(student, teacher, **kwargs):
    torch.manual_seed(1)
    method = FGFI(loss_weight=1.0, **kwargs).double()
    method.setup(info_of(student, STRIDES), info_of(teacher, STRIDES))
    return method.double()


def run(method, student, teacher, batch):
    return method(observe_maps(student, STRIDES), observe_maps(teacher, STRIDES), batch)


@pytest.mark.parametrize('max_over', ['all', 'level', 'assigned'])
def test_equals_the_formula_in_loops(scene, max_over):
    student, teacher, batch = scene
    method = build(student, teacher, max_over=max_over)
    loss = run(method, student, teacher, batch)['loss_fgfi']

    priors = observe_maps(student, STRIDES).priors
    grids = [
        (anchors.view(*level.shape[-2:], 1, 4).numpy(), np.ones((*level.shape[-2:], 1), bool))
        for anchors, level in zip(priors.anchors, student, strict=True)
    ]
    anchors, valid = zip(*grids, strict=True)
    # The FPN rule of info_of: a side of 14 * 16 pixels and more goes to the second level.
    images = [
        imitation_masks(boxes.numpy(), anchors, valid, 0.5, max_over, [0] * len(boxes))
        for boxes in batch.gt_bboxes
    ]
    adapted = [
        conv3x3(
            level.numpy(),
            adapter.conv.weight.detach().numpy(),
            adapter.conv.bias.detach().numpy(),
        )
        for level, adapter in zip(student, method.adapters, strict=True)
    ]
    masks = [np.stack(level) for level in zip(*images, strict=True)]
    expected = imitation_loss(adapted, [level.numpy() for level in teacher], masks, 1.0)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert expected > 0 and 0 < sum(m.sum() for m in masks) < sum(m.size for m in masks)


def test_a_student_that_equals_the_teacher_through_the_adapter_pays_nothing(scene):
    _, teacher, batch = scene
    method = build(teacher, teacher)
    for adapter in method.adapters:
        torch.nn.init.dirac_(adapter.conv.weight)
        torch.nn.init.zeros_(adapter.conv.bias)
    assert run(method, teacher, teacher, batch)['loss_fgfi'] == 0


def test_gradients_reach_student_and_adapters(scene):
    student, teacher, batch = scene
    student = [level.requires_grad_() for level in student]
    method = build(student, teacher, max_over='all')
    run(method, student, teacher, batch)['loss_fgfi'].backward()
    assert all(level.grad.any() for level in student)
    assert all(parameter.grad.any() for parameter in method.parameters())


def test_a_batch_without_boxes_gives_a_zero_with_a_graph(scene):
    student, teacher, _ = scene
    method = build(student, teacher)
    loss = run(method, student, teacher, batch_of([torch.zeros(0, 4).double()] * 2, SHAPE))
    loss['loss_fgfi'].backward()
    assert loss['loss_fgfi'] == 0 and loss['fgfi_cells'] == 0
    assert not any(parameter.grad.any() for parameter in method.parameters())


def test_an_image_without_boxes_leaves_the_others_as_they_are(scene):
    student, teacher, batch = scene
    method = build(student, teacher)
    with_empty = batch_of([batch.gt_bboxes[0], torch.zeros(0, 4).double()], SHAPE)
    both = run(method, student, teacher, with_empty)['loss_fgfi']
    one = run(
        method,
        [level[:1] for level in student],
        [level[:1] for level in teacher],
        batch_of(batch.gt_bboxes[:1], SHAPE),
    )['loss_fgfi']
    torch.testing.assert_close(both, one)


def test_warm_up_counts_zero_and_keeps_the_graph(scene):
    student, teacher, batch = scene
    method = build(student, teacher, warmup_iters=2)
    for step, trained in ((0, False), (1, False), (2, True)):
        loss = run(method, student, teacher, batch_of(batch.gt_bboxes, SHAPE, step))['loss_fgfi']
        assert loss.requires_grad and bool(loss > 0) is trained


@pytest.mark.parametrize('rectified', [True, False])
def test_the_adapter_is_rectified_where_the_teacher_is(scene, rectified):
    student, teacher, _ = scene
    teacher = [level.abs() for level in teacher] if rectified else teacher
    kinds = {type(adapter.relu) for adapter in build(student, teacher).adapters}
    assert kinds == {torch.nn.ReLU if rectified else torch.nn.Identity}


def test_levels_paired_by_hand_compare_on_the_teachers_grid(scene):
    student, teacher, batch = scene
    method = build(student, teacher, levels=[[0, 1]])
    masks = method.masks(observe_maps(student, STRIDES), observe_maps(teacher, STRIDES), batch)
    assert [tuple(mask.shape) for mask in masks] == [(2, 2, 3)]
    assert run(method, student, teacher, batch)['loss_fgfi'] > 0


def test_heads_with_points_get_one_square_of_eight_strides_a_cell(scene):
    student, teacher, _ = scene
    method = FGFI()
    method.setup(info_of(student, STRIDES, priors=False), info_of(teacher, STRIDES))
    assert 'priors' not in method.student_fields
    anchors = method.region.generator.grid_priors([(1, 1), (1, 1)], device='cpu')
    assert anchors[0].tolist() == [[-32, -32, 32, 32]]
    assert anchors[1].tolist() == [[-64, -64, 64, 64]]


def test_a_generator_of_other_levels_is_refused(scene):
    student, teacher, _ = scene
    method = FGFI(anchor_generator=dict(strides=[8], ratios=[1.0], scales=[8]))
    with pytest.raises(ValueError, match=r'anchor_generator has 1 levels.*strides=\[8, 16\]'):
        method.setup(info_of(student, STRIDES), info_of(teacher, STRIDES))


@pytest.mark.parametrize('kwargs, message', [
    ({'loss_weight': -0.1}, 'loss_weight must be >= 0, got -0.1'),
    ({'warmup_iters': -1}, 'warmup_iters must be >= 0, got -1'),
    ({'psi': 2}, 'psi must lie'),
    ({'name': 'a b'}, 'name must be an identifier'),
    ({'name': 'half'}, "name='half' is a word of PyTorch"),
    ({'name': 'keys'}, "name='keys' is a word of PyTorch"),
    ({'name': 'training'}, "name='training' is a word of PyTorch"),
    ({'name': 'fgfi_loss'}, 'contains "loss", which marks what is trained on'),
])  # fmt: skip
def test_bad_constants_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        FGFI(**kwargs)
