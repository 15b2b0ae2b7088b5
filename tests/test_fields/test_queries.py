"""What the queries of a DETR say."""

import pytest
import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.registry import DefaultScope

from mmkd.engine.commands.support_detectors import config_of
from mmkd.fields import offered_fields
from mmkd.testing.batches import demo_batch
from mmkd.testing.detectors import tiny_retinanet_cfg
from mmkd.testing.distill import build_distill, build_plain

METHODS = [dict(type='mmkd.SetPrediction')]


@pytest.fixture(scope='module')
def scene(tmp_path_factory):
    """One step of DINO under Deformable DETR; in training it has queries that denoise."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = build_distill(
            tmp_path_factory.mktemp('dino'),
            student=config_of('DINO'),
            teacher=config_of('Deformable DETR'),
            methods=METHODS,
        )
    data = model.data_preprocessor(demo_batch(), True)
    return model, data, model.observe(data['inputs'], data['data_samples'])


def test_the_teachers_last_layer_is_what_it_predicts(scene):
    model, data, seen = scene
    found = seen.teachers['teacher'].queries
    metas = [sample.metainfo for sample in data['data_samples']]
    with torch.no_grad():
        predicted = model.teacher.model.predict(data['inputs'], data['data_samples'], rescale=False)
    for image, (meta, sample) in enumerate(zip(metas, predicted)):
        scores, boxes = found.cls_score[-1, image].sigmoid(), found.bbox_pred[-1, image]
        best = sample.pred_instances.scores.max()
        assert scores.max().item() == pytest.approx(best.item())
        height, width = meta['img_shape']
        corners = bbox_cxcywh_to_xyxy(boxes) * boxes.new_tensor([width, height, width, height])
        first = sample.pred_instances.bboxes[0]
        assert (corners.clamp(min=0) - first).abs().amax(dim=1).min() < 0.5


def test_queries_that_denoise_are_left_out(scene):
    model, data, seen = scene
    found = seen.student.queries
    images, layers = len(data['inputs']), model.student.decoder.num_layers
    assert found.cls_score.shape == (layers, images, model.student.num_queries, 80)
    assert found.bbox_pred.shape == (layers, images, model.student.num_queries, 4)
    # DINO's own loss of the last layer counts the matching queries alone.
    head, batch = model.student.bbox_head, data['data_samples']
    own = head.loss_by_feat_single(
        found.cls_score[-1],
        found.bbox_pred[-1],
        [sample.gt_instances for sample in batch],
        [sample.metainfo for sample in batch],
    )
    for value, name in zip(own, ('loss_cls', 'loss_bbox', 'loss_iou')):
        torch.testing.assert_close(value, seen.losses[name])


def test_other_detectors_do_not_offer_it():
    assert 'queries' not in offered_fields(build_plain(tiny_retinanet_cfg()))


def test_a_method_names_the_head_that_a_detector_lacks(tmp_path):
    with pytest.raises(ValueError, match='set_prediction reads queries of a decoder, and Retina'):
        build_distill(
            tmp_path,
            student=tiny_retinanet_cfg(),
            teacher=tiny_retinanet_cfg(base_channels=16),
            methods=METHODS,
        )
