"""The methods of papers on classification and faces, at work inside detectors."""

import pytest
import torch

from mmkd.testing import tiny_faster_rcnn_cfg
from mmkd.testing.distill import build_distill, loss_of


def losses_of(model, **batch):
    found = {key: value for key, value in loss_of(model, **batch).items() if 'loss' in key}
    names = tuple(f'loss_{name}' for name in model.distill)
    return {key: value for key, value in found.items() if key.startswith(names)}


def test_two_stages_in_one_run(tmp_path):
    methods = [
        dict(type='mmkd.FitNets', alone_epochs=1),
        dict(type='mmkd.KD', loss_weight=[dict(type='constant', value=0.0),
                                          dict(type='constant', value=0.5, begin=1)]),
    ]  # fmt: skip
    model = build_distill(tmp_path, methods=methods)
    first = loss_of(model)
    assert first['loss_cls'] == 0 and first['loss_fitnets'] > 0
    assert first['loss_kd_rcn'] == 0 and first['loss_rpn_bbox'][0] == 0
    model.progress = None
    later = [method.task_loss_scale('loss_cls', batch_at(1)) for method in model.distill.values()]
    assert later == [1.0, 1 - 0.5]


def batch_at(epoch):
    from mmkd.testing.observations import batch_of

    return batch_of([torch.zeros(0, 4)], (8, 8), epoch=epoch)


def test_fsp_needs_equal_channels_and_pairs_of_maps(tmp_path):
    with pytest.raises(ValueError, match='fsp needs equal channels'):
        build_distill(tmp_path, methods=[dict(type='mmkd.FSP', stage='backbone')])
    cfg = tiny_faster_rcnn_cfg()
    model = build_distill(
        tmp_path, student=cfg, teacher=cfg, methods=[dict(type='mmkd.FSP', stage='backbone')]
    )
    loss = losses_of(model)['loss_fsp']
    loss.backward()
    assert loss > 0 and model.student.backbone.conv1.weight.grad.any()


def test_a_valid_regressor_names_the_kernel_that_it_needs(tmp_path):
    methods = [dict(type='mmkd.FitNets', regressor='valid', kernel_size=3)]
    with pytest.raises(ValueError, match=r'kernel_size=\[1, 1\]'):
        loss_of(build_distill(tmp_path, methods=methods))
    methods[0]['kernel_size'] = 1
    assert loss_of(build_distill(tmp_path, methods=methods))['loss_fitnets'] > 0


def test_the_own_loss_gives_up_alpha(tmp_path):
    plain = loss_of(build_distill(tmp_path, methods=[dict(type='mmkd.KD', alpha=0.0)]))
    shared = loss_of(build_distill(tmp_path, methods=[dict(type='mmkd.KD', alpha=0.25)]))
    torch.testing.assert_close(shared['loss_cls'], 0.75 * plain['loss_cls'])
    torch.testing.assert_close(shared['loss_kd_rcn'], 0.25 * plain['loss_kd_rcn'])


def test_objects_are_the_means_of_their_rois(tmp_path):
    model = build_distill(tmp_path, methods=[dict(type='mmkd.RKD')])
    losses = loss_of(model, num_boxes=(3, 2))
    assert losses['rkd_rows'] == 5


def test_background_is_no_object_where_classes_are_sigmoids(tmp_path):
    cfg = tiny_faster_rcnn_cfg()
    cfg.roi_head.bbox_head.loss_cls = dict(type='CrossEntropyLoss', use_sigmoid=True)
    found = loss_of(
        build_distill(tmp_path, student=cfg, teacher=cfg, methods=[dict(type='mmkd.RKD')]),
        num_boxes=(3, 2),
    )
    assert found['rkd_rows'] == 5 and found['loss_rkd'].isfinite()
    rows = dict(type='mmkd.RKD', rows='rois')
    softmax = tiny_faster_rcnn_cfg()
    counts = [
        loss_of(build_distill(tmp_path, student=one, teacher=one, methods=[rows]), num_boxes=(3, 2))
        for one in (cfg, softmax)
    ]
    assert counts[0]['rkd_rows'] == counts[1]['rkd_rows'] < 64


@pytest.mark.parametrize('maps', [[[0, 9]], [[0]], [0, 1], [['a', 1]]])
def test_maps_that_are_not_there_are_named(tmp_path, maps):
    cfg = tiny_faster_rcnn_cfg()
    methods = [dict(type='mmkd.FSP', stage='backbone', maps=maps)]
    with pytest.raises(ValueError, match='maps has .* two of 0 to 3'):
        build_distill(tmp_path, student=cfg, teacher=cfg, methods=methods)


@pytest.mark.parametrize(
    'setting, message',
    [
        (dict(type='mmkd.KD', temperature=0), 'temperature must be > 0'),
        (dict(type='mmkd.DarkRank', length=7), 'length must lie in'),
        (dict(type='mmkd.NST', kernel='cubic'), "kernel must be one of .*'cubic'"),
        (dict(type='mmkd.RKD', scope='world'), "scope must be one of .*'world'"),
        (dict(type='mmkd.FitNets', kernel_size=3), "regressor='valid'"),
    ],
)
def test_settings_out_of_range(tmp_path, setting, message):
    with pytest.raises(ValueError, match=message):
        build_distill(tmp_path, methods=[setting])
