import pytest
from mmdet.models import ATSSHead, FCOSHead
from mmengine.config import Config

from mmkd.engine.checks.arguments import check_model
from mmkd.settings import accepted_arguments
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_retinanet_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import distill_cfg


def config(model, **changes):
    cfg = Config(dict(model=model, default_scope='mmdet'))
    cfg.merge_from_dict(changes)
    return cfg


@pytest.mark.parametrize('name, value, text', [
    ('backbone.depthh', 18, "model.backbone.depthh=18: ResNet has no argument 'depthh'. Did you "
                            "mean 'depth'?"),
    ('rpn_head.levl', 1, "model.rpn_head.levl=1: LevelRPNHead has no argument 'levl'. Did you mean "
                         "'level'?"),
    ('roi_head.bbox_head.num_clases', 3, "Did you mean 'num_classes'?"),
    ('data_preprocessor.mea', [1], "Did you mean 'mean'?"),
    ('backbone.type', 'ResNett', "model.backbone.type='ResNett' is not registered. Did you mean "
                                 "'ResNet'?"),
    ('rool_head', {}, "model.rool_head={}: RFCN has no argument 'rool_head'. Did you mean"),
])  # fmt: skip
def test_a_mistyped_name_is_refused_with_path_value_and_the_nearest(name, value, text):
    with pytest.raises(ValueError) as caught:
        check_model(config(tiny_rfcn_cfg(), **{f'model.{name}': value}))
    assert text in str(caught.value)


def test_the_student_of_a_distillation_is_looked_at(tmp_path):
    cfg = distill_cfg(tmp_path, student=tiny_faster_rcnn_cfg())
    check_model(config(cfg))
    with pytest.raises(ValueError, match=r'model\.student\.neck\.out_chanels=8'):
        check_model(config(cfg, **{'model.student.neck.out_chanels': 8}))


@pytest.mark.parametrize('model', [tiny_faster_rcnn_cfg, tiny_retinanet_cfg, tiny_rfcn_cfg])
def test_what_detectors_take_passes(model):
    check_model(config(model()))


def test_a_class_that_passes_over_its_next_base_may_take_anything():
    class Skips(ATSSHead, FCOSHead):
        def __init__(self, first=1, **kwargs):
            super(FCOSHead, self).__init__(**kwargs)

    assert accepted_arguments(Skips)[1]
