"""The default: leaving methods out means it, and it fits itself to the pair."""

import pytest
import torch
from mmengine.logging import MMLogger

from mmkd.methods import Recipe
from mmkd.registry import MODELS
from mmkd.testing import (
    demo_batch,
    tiny_faster_rcnn_cfg,
    tiny_fcos_cfg,
    tiny_retinanet_cfg,
)


def build(student, teacher, **settings):
    config = dict(type='mmkd.DistillDetector', student=student, teacher=dict(config=teacher))
    return MODELS.build({**config, **settings})


def losses(model, seed=0):
    data = model.data_preprocessor(demo_batch(seed=seed), True)
    return model.loss(data['inputs'], data['data_samples'])


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.setLevel('INFO')
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize(
    'student, teacher',
    [
        (tiny_faster_rcnn_cfg, tiny_faster_rcnn_cfg),
        (tiny_retinanet_cfg, tiny_faster_rcnn_cfg),
        (tiny_retinanet_cfg, tiny_fcos_cfg),  # of dense heads that say different things
        (tiny_fcos_cfg, tiny_fcos_cfg),  # without anchors
    ],
)
def test_left_out_methods_mean_imitation_whose_weight_is_found(student, teacher):
    model = build(student(), teacher())
    assert [type(method).__name__ for method in model.distill.values()] == ['Recipe']
    found = losses(model)
    assert found['loss_recipe'] == 0 and found['recipe_weight'] == 0, 'it is being measured'
    assert model.distill['recipe'].has_masks


def test_on_dense_heads_that_can_be_compared_it_is_dist(log):
    config = tiny_retinanet_cfg
    assert list(build(config(), config()).distill) == ['recipe'] and 'recipe: DIST' in log.text
    other = dict(type='mmkd.Recipe', loss_weight=0.5, name='other')
    methods = [dict(type='mmkd.Recipe', name=None), dict(type='mmkd.DIST', on=['dense']), other]
    found = losses(build(config(), config(), methods=methods))
    assert found['loss_dist_dense'] > 0
    torch.testing.assert_close(found['loss_recipe_dense'], found['loss_dist_dense'])
    torch.testing.assert_close(found['loss_other_dense'], found['loss_dist_dense'] / 2)


class Own(Recipe):
    """A user's."""


@pytest.mark.parametrize(
    'teacher, method',
    [
        (dict(a={}, b={}), dict(type='mmkd.Recipe', teacher='ensemble')),
        (dict(classes=['c', 'b', 'a']), dict(type='mmkd.Recipe')),
        ({}, dict(type=Own)),
    ],
    ids=['ensemble', 'specialist', 'subclass'],
)
def test_where_no_one_head_answers_it_compares_features(teacher, method):
    given = dict(config=tiny_retinanet_cfg())
    teacher = dict(a=given, b=given) if 'a' in teacher else given | teacher
    config = dict(type='mmkd.DistillDetector', student=tiny_retinanet_cfg(), teacher=teacher)
    model = MODELS.build(dict(config, methods=[method]))
    (built,) = model.distill.values()
    assert isinstance(built, Recipe)
    losses(model)


def test_of_one_class_there_is_no_row_to_relate():
    student, teacher = tiny_retinanet_cfg(), tiny_retinanet_cfg()
    for cfg in (student, teacher):
        cfg['bbox_head'].update(num_classes=1)
    assert isinstance(build(student, teacher).distill['recipe'], Recipe)


def test_a_teacher_must_be_named_by_one_word():
    with pytest.raises(ValueError, match=r"must name the teacher that it reads.* got \['a'\]"):
        method = dict(type='mmkd.Recipe', teacher=['a'])
        build(tiny_retinanet_cfg(), tiny_retinanet_cfg(), methods=[method])


def test_of_other_classes_it_compares_features():
    teacher = tiny_retinanet_cfg()
    teacher['bbox_head'].update(num_classes=7)
    assert type(build(tiny_retinanet_cfg(), teacher).distill['recipe']).__name__ == 'Recipe'


def test_on_dense_heads_a_wrong_setting_is_refused_as_elsewhere():
    with pytest.raises(ValueError, match='temperature'):
        method = dict(type='mmkd.Recipe', temperature=2.0)
        build(tiny_retinanet_cfg(), tiny_retinanet_cfg(), methods=[method])


@pytest.mark.parametrize('scale', [1.0, 30.0])
def test_it_begins_as_its_share_of_the_task_whatever_the_features_scale(scale):
    model = build(tiny_faster_rcnn_cfg(), tiny_faster_rcnn_cfg())
    with torch.no_grad():
        for conv in model.teacher.model.neck.fpn_convs:
            conv.conv.weight *= scale
            conv.conv.bias *= scale
    measured = model.distill['recipe'].auto_scale
    measured.iters = 2
    for seed in range(2):
        losses(model, seed)
    task, own = (measured.sums / 2).tolist()
    assert measured.factor.item() == pytest.approx(0.7 * task / own, rel=1e-5)
    assert losses(model)['loss_recipe'] > 0


def test_auto_scale_of_a_config_replaces_its_own():
    method = dict(type='mmkd.Recipe', auto_scale=dict(fraction=0.2, iters=7))
    model = build(tiny_fcos_cfg(), tiny_retinanet_cfg(), methods=[method])
    measured = model.distill['recipe'].auto_scale
    assert (measured.fraction, measured.iters) == (0.2, 7)


def test_levels_whose_strides_both_have_are_compared(log):
    model = build(tiny_faster_rcnn_cfg(), tiny_retinanet_cfg())
    strides = model.distill['recipe'].strides
    assert strides and f'levels of strides {strides}, which both have' in log.text


def test_weight_zero_is_no_method():
    methods = [dict(type='mmkd.Recipe', loss_weight=0)]
    assert not build(tiny_fcos_cfg(), tiny_fcos_cfg(), methods=methods).distill['recipe'].active


def test_its_loss_weight_is_a_factor_on_what_is_found():
    found = []
    for weight in (1.0, 2.0):
        recipe = MODELS.build(dict(type='mmkd.Recipe', loss_weight=weight))
        recipe.set_auto_scale(None)
        recipe.auto_scale.iters = 1
        recipe.auto_scale._add(torch.tensor([3.0, 5.0 * weight]))  # of the task, and its own
        found.append(weight * recipe.auto_scale.factor.item())
    assert found == pytest.approx([0.42, 0.84])
