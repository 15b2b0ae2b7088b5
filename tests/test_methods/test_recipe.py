"""The default: what it is made of on each pair, and that leaving methods out means it."""

import pytest
from mmengine.logging import MMLogger

from mmkd.registry import MODELS
from mmkd.testing import (
    demo_batch,
    tiny_faster_rcnn_cfg,
    tiny_fcos_cfg,
    tiny_retinanet_cfg,
)
from mmkd.testing.detectors import tiny_cascade_rcnn_cfg


def build(student, teacher, **settings):
    config = dict(type='mmkd.DistillDetector', student=student, teacher=dict(config=teacher))
    return MODELS.build({**config, **settings})


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.setLevel('INFO')
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize(
    'config, head, words',
    [
        (tiny_faster_rcnn_cfg, 'roi_head', 'CrossKD on roi_head'),
        (tiny_retinanet_cfg, 'dense', 'CrossKD on dense'),
        (tiny_cascade_rcnn_cfg, None, 'nothing on the heads'),
    ],
)
def test_left_out_methods_mean_the_recipe_that_fits_the_pair(config, head, words, log):
    model = build(config(), config())
    recipe = model.distill['recipe']
    assert type(recipe).__name__ == 'Recipe' and words in log.text
    assert list(recipe.parts) == ['features', 'head'][: 2 if head else 1]
    assert head is None or head in recipe.teacher_fields


def test_it_trains_and_shows_where_it_imitates():
    model = build(tiny_faster_rcnn_cfg(), tiny_faster_rcnn_cfg())
    data = model.data_preprocessor(demo_batch(), training=True)
    losses = model.loss(data['inputs'], data['data_samples'])
    own = {key for key in losses if 'recipe' in key and 'loss' in key}
    assert own == {'loss_recipe_features', 'loss_recipe_head_cls', 'loss_recipe_head_reg'}
    sum(losses[key] for key in own).backward()
    grads = {
        name.split('.')[0] for name, p in model.student.named_parameters() if p.grad is not None
    }
    assert grads == {'backbone', 'neck'}, 'the head is left to the labels'
    assert model.distill['recipe'].has_masks


def test_heads_that_cannot_be_compared_are_left_alone(log):
    other = tiny_faster_rcnn_cfg()
    other['roi_head']['bbox_roi_extractor']['roi_layer']['output_size'] = 5
    other['roi_head']['bbox_head']['roi_feat_size'] = 5
    model = build(other, tiny_faster_rcnn_cfg())
    assert list(model.distill['recipe'].parts) == ['features']
    assert 'output_size' in log.text


def test_levels_whose_strides_both_have_are_compared(log):
    model = build(tiny_faster_rcnn_cfg(), tiny_retinanet_cfg())
    strides = model.distill['recipe'].parts['features'].strides
    assert (
        strides and set(strides) <= {8, 16, 32, 64, 128} and 'whose strides both have' in log.text
    )


def test_weight_zero_is_no_method():
    methods = [dict(type='mmkd.Recipe', loss_weight=0)]
    model = build(tiny_fcos_cfg(), tiny_fcos_cfg(), methods=methods)
    assert not model.distill['recipe'].active
