import pytest

from mmkd.engine.checks.classes import check_class_count
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import distill_cfg

THREE = ('train_dataloader.dataset', ('a', 'b', 'c'))


@pytest.mark.parametrize('model, place', [
    (tiny_faster_rcnn_cfg, 'model.roi_head.bbox_head'), (tiny_retinanet_cfg, 'model.bbox_head'),
])  # fmt: skip
def test_a_head_of_another_number_of_classes_is_refused(model, place):
    check_class_count(model(num_classes=3), THREE)
    for count in (2, 4):
        with pytest.raises(ValueError) as caught:
            check_class_count(model(num_classes=count), THREE)
        assert str(caught.value).startswith(
            f'{place}.num_classes={count}, but train_dataloader.dataset has 3 classes (a, b, c): '
            f'set {place}.num_classes=3'
        )


def test_the_student_of_a_distillation_is_looked_at(tmp_path):
    cfg = distill_cfg(tmp_path, student=tiny_faster_rcnn_cfg(num_classes=4))
    with pytest.raises(ValueError, match=r'model\.student\.roi_head\.bbox_head\.num_classes=4'):
        check_class_count(cfg, THREE)


@pytest.mark.parametrize(
    'key, value',
    [
        ('language_model', {}),  # one class a word
        ('panoptic_fusion_head', {}),  # the data's classes are things and stuff
    ],
)
def test_models_that_count_otherwise_pass(key, value):
    check_class_count({**tiny_faster_rcnn_cfg(num_classes=4), key: value}, THREE)


def test_data_whose_classes_only_building_shows_passes():
    check_class_count(tiny_faster_rcnn_cfg(num_classes=4), None)
