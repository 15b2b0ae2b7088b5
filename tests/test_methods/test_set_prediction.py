"""Set prediction: loops that try every assignment, numbers by hand, and a step in DETRs."""

import pytest
import torch

from mmkd.engine.commands.support_detectors import config_of
from mmkd.fields.queries import QueriesInfo, QueryOutput
from mmkd.losses.functional import match_queries, query_costs, query_errors
from mmkd.methods import SetPrediction
from mmkd.observation import DetectorInfo, Observation
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.observations import batch_of
from tests.references.set_prediction import set_losses

CLASSES = 3


def queries(seed, count, columns=CLASSES, layers=2, images=2):
    """Random, in float64: logits, and boxes of which some overlap."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(layers, images, count, columns, generator=generator).double()
    boxes = 0.25 + 0.5 * torch.rand(layers, images, count, 4, generator=generator).double()
    return QueryOutput(logits, boxes)


def compare(student, teacher, sigmoids=(True, True), **settings):
    method = SetPrediction(**settings)
    sides = (student, teacher)
    method.setup(*(
        DetectorInfo({'queries': QueriesInfo(kind, len(side.cls_score))}, CLASSES)
        for kind, side in zip(sigmoids, sides)
    ))  # fmt: skip
    seen = (Observation(queries=lambda _, side=side: side) for side in sides)
    return method(*seen, batch_of([torch.zeros(0, 4)] * 2, (64, 96)))


def in_loops(student, teacher, layer=-1, **kwargs):
    students, teachers = (
        [
            (logits.detach().float().double().numpy(), boxes.detach().numpy())
            for logits, boxes in zip(side.cls_score[layer].double(), side.bbox_pred[layer])
        ]
        for side in (student, teacher)
    )
    return set_losses(students, teachers, **kwargs)


@pytest.mark.parametrize('sizes', [(5, 3), (4, 4), (3, 5), (1, 2)])
@pytest.mark.parametrize('sigmoids', [(True, True), (False, True), (True, False)])
def test_it_equals_the_loops_whichever_has_more_queries(sizes, sigmoids):
    student, teacher = (
        queries(seed, count, CLASSES + (not kind))
        for seed, (count, kind) in enumerate(zip(sizes, sigmoids))
    )
    student, teacher = (
        QueryOutput(side.cls_score.float().double(), side.bbox_pred) for side in (student, teacher)
    )
    found = compare(student, teacher, sigmoids, loss_weight=0.5)
    expected = in_loops(student, teacher, sigmoids=sigmoids)
    names = [f'loss_set_prediction_{term}' for term in ('cls', 'bbox', 'iou')]
    assert list(found) == names
    assert [2 * found[name].item() for name in names] == pytest.approx(expected, abs=1e-6)
    assert min(expected) > 0


def test_layers_are_added_and_weights_are_of_the_terms():
    student, teacher = queries(0, 4), queries(1, 3)
    found = compare(student, teacher, layers=[-1, -2], cls_weight=1, bbox_weight=0, iou_weight=3)
    expected = [in_loops(student, teacher, layer, weights=(1, 0, 3)) for layer in (0, 1)]
    total = [sum(pair) for pair in zip(*expected)]
    assert [loss.item() for loss in found.values()] == pytest.approx(total, abs=1e-6)


def test_values_worked_out_by_hand():
    # One query, p_S = p_T = 1/2: BCE = log 2; w = 1/2, and the divisor is 1.
    # Boxes (0, 0, 0.4, 0.2) and (0.2, 0, 0.6, 0.2): |dx| = 0.2; overlap 0.04, union and hull 0.12.
    logits = torch.zeros(1, 1, 1, 1).double()
    student, teacher = (
        QueryOutput(logits, torch.tensor([x, 0.1, 0.4, 0.2]).double().view(1, 1, 1, 4))
        for x in (0.2, 0.4)
    )
    found = [loss.item() for loss in compare(student, teacher).values()]
    log2 = torch.tensor(2.0).log().item()
    expected = [2 * log2 / 2, 5 * 0.2 / 2, 2 * (1 - 1 / 3) / 2]
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_order_of_queries_does_not_matter_and_a_copy_has_no_box_error():
    student, teacher = queries(0, 6), queries(1, 5)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    shuffled = QueryOutput(student.cls_score[:, :, order], student.bbox_pred[:, :, order])
    first, second = (compare(side, teacher) for side in (student, shuffled))
    for key, value in first.items():
        torch.testing.assert_close(value, second[key])
    copy = compare(shuffled, student)
    assert copy['loss_set_prediction_bbox'].item() == pytest.approx(0, abs=1e-12)
    assert copy['loss_set_prediction_iou'].item() == pytest.approx(0, abs=1e-12)


def test_costs_are_the_errors_of_all_pairs_and_the_match_is_the_cheapest():
    student, teacher = queries(0, 4), queries(1, 3)
    sides = (student.cls_score[0, 0], teacher.cls_score[0, 0], student.bbox_pred[0, 0],
             teacher.bbox_pred[0, 0])  # fmt: skip
    costs = query_costs(*sides, (2.0, 5.0, 2.0))
    for i in range(4):
        for j in range(3):
            pair = (side[[i if k % 2 == 0 else j]] for k, side in enumerate(sides))
            errors = query_errors(*pair)[:, 0]
            assert costs[i, j].item() == pytest.approx(errors @ errors.new_tensor([2, 5, 2.0]))
    assert match_queries(torch.tensor([[5.0, 1], [1, 5], [0, 9]])).tolist() == [2, 0]


def test_the_gradient_is_the_students_alone():
    student, teacher = queries(0, 4), queries(1, 3)
    leaves = [*vars(student).values(), *vars(teacher).values()]
    for leaf in leaves:
        leaf.requires_grad_()
    sum(compare(student, teacher).values()).backward()
    assert all(
        leaf.grad[1].abs().sum() > 0 and leaf.grad[0].abs().sum() == 0 for leaf in leaves[:2]
    )
    assert all(leaf.grad is None for leaf in leaves[2:])
    other = queries(2, 4)

    def total(logits, boxes):
        return sum(compare(QueryOutput(logits, boxes), queries(1, 3)).values())

    inputs = [part.requires_grad_() for part in vars(other).values()]
    assert torch.autograd.gradcheck(total, inputs)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_in_half_precision_it_says_what_it_says_in_single(dtype):
    sides = [
        QueryOutput(*(part.to(dtype) for part in vars(queries(seed, 40)).values()))
        for seed in (0, 1)
    ]
    single = [QueryOutput(*(part.float() for part in vars(side).values())) for side in sides]
    for key, value in compare(*sides).items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, compare(*single)[key])


@pytest.mark.parametrize('student, teacher', [
    ('DETR', 'DETR'),
    ('Conditional DETR', 'Conditional DETR'),
    ('DAB-DETR', 'DAB-DETR'),
    ('Deformable DETR', 'DINO'),
    ('DETR', 'DINO'),
])  # fmt: skip
def test_it_trains_every_kind_of_detr_and_leaves_the_teacher(student, teacher, tmp_path):
    model = build_distill(
        tmp_path,
        student=config_of(student),
        teacher=config_of(teacher),
        methods=[dict(type='mmkd.SetPrediction', layers=[-1, -2])],
    )
    losses = {
        key: value
        for key, value in loss_of(model, num_classes=CLASSES).items()
        if 'set_prediction' in key
    }
    assert len(losses) == 3 and all(value.isfinite() and value > 0 for value in losses.values())
    sum(losses.values()).backward()
    grads = [p.grad for p in model.student.backbone.parameters() if p.grad is not None]
    assert sum(grad.abs().sum() for grad in grads) > 0
    assert all(p.grad is None for p in model.teacher.model.parameters())


@pytest.mark.parametrize('settings, message', [
    (dict(layers=[0]), r'layers must list layers of the decoder from the last, .* got \[0\]'),
    (dict(layers=[]), r'layers must list layers .* got \[\]'),
    (dict(layers=[-3]), r'layers=\[-3\], but the decoders have 2 layers \(student\) and 2 '),
    (dict(iou_weight=-1), 'iou_weight must be >= 0'),
])  # fmt: skip
def test_settings_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        compare(queries(0, 3), queries(1, 3), **settings)


def test_another_number_of_classes_is_refused(tmp_path):
    teacher = config_of('Deformable DETR')
    teacher.bbox_head.num_classes = 4
    with pytest.raises(ValueError, match='num_classes is 80 for the student and 4'):
        build_distill(
            tmp_path,
            student=config_of('Deformable DETR'),
            teacher=teacher,
            methods=[dict(type='mmkd.SetPrediction')],
        )
