"""A one-stage student's proposals are its predictions, whatever its head says while it trains."""

import copy

import pytest
import torch

from mmkd.fields import all_fields, offered_fields, recording
from mmkd.testing.batches import demo_batch
from mmkd.testing.detectors import tiny_fcos_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import build_plain


def fcos(kind, **settings):
    """A tiny one-stage detector with another head on FCOS's levels."""
    cfg = tiny_fcos_cfg()
    common = {
        name: cfg.bbox_head[name]
        for name in ('num_classes', 'in_channels', 'feat_channels', 'stacked_convs')
    }
    norm = dict(type='BN', requires_grad=True)
    cfg.bbox_head = dict(type=f'mmdet.{kind}Head', norm_cfg=norm, **common, **settings)
    return cfg


def boxes_in_strides():
    cfg = tiny_fcos_cfg()
    cfg.bbox_head.norm_on_bbox = True
    return cfg


def centernet_update():
    ranges = ((0, 16), (16, 32), (32, 64), (64, 128), (128, 1e8))
    cfg = fcos('CenterNetUpdate', strides=[8, 16, 32, 64, 128], hm_min_radius=4)
    cfg.bbox_head.regress_ranges = ranges
    return cfg


def vfnet():
    cfg = fcos('VFNet', strides=[8, 16, 32, 64, 128])
    cfg.train_cfg = dict(tiny_retinanet_cfg().train_cfg, assigner=dict(type='ATSSAssigner', topk=9))
    return cfg


def reppoints():
    cfg = fcos('RepPoints', point_strides=[8, 16, 32, 64, 128], point_base_scale=2)
    cfg.bbox_head.update(point_feat_channels=16)
    point = dict(type='PointAssigner', scale=4, pos_num=1)
    box = tiny_retinanet_cfg().train_cfg.assigner
    common = dict(allowed_border=-1, pos_weight=-1, debug=False)
    cfg.train_cfg = dict(init=dict(assigner=point, **common), refine=dict(assigner=box, **common))
    return cfg


def centernet():
    cfg = tiny_fcos_cfg()
    cfg.neck = dict(
        type='mmdet.CTResNetNeck',
        in_channels=64,
        num_deconv_filters=(32, 16, 16),
        num_deconv_kernels=(4, 4, 4),
        use_dcn=False,
    )
    cfg.bbox_head = dict(
        type='mmdet.CenterNetHead', num_classes=3, in_channels=16, feat_channels=16
    )
    cfg.test_cfg = dict(topk=20, local_maximum_kernel=3, max_per_img=20)
    return cfg


KINDS = dict(
    boxes_in_strides=boxes_in_strides,
    centernet_update=centernet_update,
    vfnet=vfnet,
    reppoints=reppoints,
    centernet=centernet,
    retinanet=tiny_retinanet_cfg,
)


@pytest.mark.parametrize('kind', KINDS)
def test_they_are_what_its_head_predicts_in_evaluation(kind):
    torch.manual_seed(0)
    model = build_plain(KINDS[kind]()).train()
    data = model.data_preprocessor(demo_batch(), True)
    field = all_fields()['proposals']
    with recording() as recorder:
        field.record(model, recorder)
        model.loss(data['inputs'], data['data_samples'])
    recorder.seen['metas'] = [sample.metainfo for sample in data['data_samples']]
    state = copy.deepcopy(model.state_dict())
    found = field.student(model, recorder.seen)
    assert model.training and model.bbox_head.training
    assert all(not boxes.requires_grad and len(boxes) for boxes in found)
    model.eval()
    if 'score_thr' in model.bbox_head.test_cfg:
        model.bbox_head.test_cfg.update(score_thr=0.0, max_per_img=1000)
    for sample in data['data_samples']:
        sample.set_metainfo(dict(border=(0.0,) * 4))
    with torch.no_grad():
        expected = model.bbox_head.predict(recorder.seen['features'], data['data_samples'])
    for boxes, result in zip(found, expected, strict=True):
        torch.testing.assert_close(boxes, result.bboxes)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_a_head_that_reads_words_too_offers_none():
    model = build_plain(tiny_retinanet_cfg())
    assert 'proposals' in offered_fields(model)
    model.language_model = torch.nn.Identity()
    assert 'proposals' not in offered_fields(model)
