"""R-FCN behaves like any detector of MMDetection, as student and as teacher."""

import copy

import pytest
import torch

from mmkd.detectors.describe import describe
from mmkd.methods.head_samples import class_rows
from mmkd.testing import demo_batch, tiny_faster_rcnn_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import build_distill, build_plain, loss_of

FASTER = tiny_faster_rcnn_cfg()


def ohem(cfg):
    cfg.train_cfg.rcnn.sampler = dict(
        type='mmdet.OHEMSampler', num=16, pos_fraction=0.25, add_gt_as_proposals=True
    )
    return cfg


def predict(model, seed=0):
    data = model.data_preprocessor(demo_batch(seed=seed), False)
    with torch.no_grad():
        return model.eval()(**data, mode='predict')


def seen_by(model, **batch):
    data = model.data_preprocessor(demo_batch(**batch), True)
    return model.observe(data['inputs'], data['data_samples'])


class TestAsADetector:
    def test_the_heads_see_the_fourth_stage_and_the_reduced_fifth_at_one_stride(self):
        info = describe(build_plain(tiny_rfcn_cfg()), 'student')
        assert info.channels == (32, 64) and info.strides == (16, 16)
        assert info.backbone.strides == (16, 16) and all(info.features.rectified)
        assert {'rpn', 'roi_head', 'priors', 'proposals'} <= set(info.fields)

    def test_every_tensor_of_a_step_has_the_shape_that_the_docs_say(self):
        model = build_plain(tiny_rfcn_cfg())
        maps = model.extract_feat(torch.randn(2, 3, 64, 96))
        assert [tuple(level.shape) for level in maps] == [(2, 32, 4, 6), (2, 64, 4, 6)]
        scores, deltas = model.rpn_head(maps)
        assert scores[0].shape == (2, 9, 4, 6) and deltas[0].shape == (2, 36, 4, 6)
        assert model.roi_head.bbox_head.score_maps(maps[-1]).shape == (2, 9 * (3 + 1 + 4), 4, 6)
        out = model.roi_head._bbox_forward(maps, torch.tensor([[0, 0.0, 0, 40, 40]]))
        shapes = {key: tuple(value.shape) for key, value in out.items()}
        assert shapes == dict(cls_score=(1, 4), bbox_pred=(1, 4), bbox_feats=(1, 8, 3, 3))

    @pytest.mark.parametrize('prepare', [lambda cfg: cfg, ohem], ids=['random', 'ohem'])
    def test_trains_with_the_losses_of_faster_rcnn(self, prepare):
        model = build_plain(prepare(tiny_rfcn_cfg()))
        losses = loss_of(model)
        assert set(losses) == {'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'acc', 'loss_bbox'}
        total, _ = model.parse_losses(losses)
        total.backward()
        assert total.isfinite() and all(p.grad is not None for p in model.parameters())

    @pytest.mark.parametrize('num_boxes', [(0, 0), (0, 3)])
    def test_images_without_boxes_are_finite(self, num_boxes):
        total, _ = (m := build_plain(tiny_rfcn_cfg())).parse_losses(loss_of(m, num_boxes=num_boxes))
        assert total.isfinite()

    def test_detections_are_boxes_of_its_classes(self):
        model = build_plain(tiny_rfcn_cfg())
        model.test_cfg.rcnn.score_thr = model.roi_head.test_cfg.score_thr = 0.0
        for sample in predict(model):
            found = sample.pred_instances
            assert len(found) > 0 and found.bboxes.isfinite().all() and found.labels.max() < 3

    def test_one_box_a_class_is_an_option(self):
        cfg = tiny_rfcn_cfg()
        cfg.roi_head.bbox_head.reg_class_agnostic = False
        model = build_plain(cfg)
        assert model.roi_head.bbox_head.fc_reg.out_channels == 9 * 4 * 3
        assert loss_of(model)['loss_bbox'].isfinite() and len(predict(model)) == 2

    def test_the_rois_of_a_step_share_one_pass_of_the_score_maps(self):
        model = build_plain(tiny_rfcn_cfg())
        calls = []
        model.roi_head.bbox_head.fc_cls.register_forward_hook(lambda *_: calls.append(1))
        loss_of(model)
        assert len(calls) == 1

    @pytest.mark.parametrize('change, message', [
        (dict(rpn_head=dict(type='mmdet.RPNHead', _delete_=True)), 'rpn_head of RFCN must be'),
        (dict(roi_head=dict(type='mmdet.StandardRoIHead')), 'roi_head of RFCN must be'),
    ])  # fmt: skip
    def test_parts_of_another_detector_are_refused(self, change, message):
        cfg = copy.deepcopy(FASTER)
        own = tiny_rfcn_cfg()
        cfg.type = own.type
        for name in ('rpn_head', 'roi_head'):
            if name not in change:
                cfg[name] = own[name]
        with pytest.raises(ValueError, match=message):
            build_plain(cfg)

    def test_strides_of_rpn_and_roi_head_that_differ_are_refused(self):
        cfg = tiny_rfcn_cfg()
        cfg.rpn_head.anchor_generator.strides = [8]
        with pytest.raises(ValueError, match=r'one stride; set strides=\[16\]'):
            build_plain(cfg)

    @pytest.mark.parametrize('stride', [8, 32])
    def test_maps_of_another_stride_than_anchors_and_extractor_are_refused(self, stride):
        cfg = tiny_rfcn_cfg()
        cfg.rpn_head.anchor_generator.strides = [stride]
        cfg.roi_head.bbox_roi_extractor.featmap_stride = stride
        with pytest.raises(ValueError, match=f'have stride {stride}: give both .* about 16, or'):
            build_plain(cfg).extract_feat(torch.randn(1, 3, 128, 160))

    def test_a_fifth_stage_that_is_not_dilated_is_refused(self):
        cfg = tiny_rfcn_cfg()
        cfg.backbone.update(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1))
        with pytest.raises(ValueError, match='strides 1 and dilations 2'):
            loss_of(build_plain(cfg))


class TestAsStudentAndTeacher:
    @pytest.mark.parametrize('prepare', [lambda cfg: cfg, ohem], ids=['random', 'ohem'])
    @pytest.mark.parametrize('config', [tiny_rfcn_cfg, tiny_faster_rcnn_cfg])
    def test_a_copy_of_the_student_agrees_exactly_on_its_rois(self, tmp_path, config, prepare):
        cfg = prepare(config())
        soft = [dict(type='mmkd.SoftClassification')]
        sides = dict(student=cfg, teacher=copy.deepcopy(cfg), fuse=False)
        model = build_distill(tmp_path, methods=soft, **sides)
        model.teacher.model.load_state_dict(model.student.state_dict())
        student, teacher, _ = seen_by(model.eval()).by('teacher')
        for field in ('cls_score', 'bbox_pred', 'bbox_feats'):
            assert torch.equal(getattr(student.roi_head, field), getattr(teacher.roi_head, field))
        rows = class_rows('roi_head', student, teacher)
        probabilities = [rows.student.softmax(1), rows.teacher.softmax(1)]
        divergence = probabilities[1] * (probabilities[1] / probabilities[0]).log()
        assert len(rows.student) == len(student.roi_head.targets[0]) > 16 and not divergence.any()

    def test_rois_and_outputs_are_those_of_the_loss_where_ohem_mines_first(self, tmp_path):
        model = build_distill(
            tmp_path, student=ohem(tiny_rfcn_cfg()), teacher=tiny_rfcn_cfg(base_channels=12),
            methods=[dict(type='mmkd.SoftClassification', on='roi_head')],
        )  # fmt: skip
        seen = seen_by(model)
        student = seen.student
        labels, weights, *_ = student.roi_head.targets
        assert len(student.roi_head.rois) == len(student.roi_head.cls_score) == len(labels) == 32
        hard = torch.nn.functional.cross_entropy(student.roi_head.cls_score, labels)
        torch.testing.assert_close(hard, seen.losses['loss_cls'])

    def test_the_teacher_makes_its_score_maps_once_and_only_when_asked(self, tmp_path):
        for methods, expected in (
            ([dict(type='mmkd.FGFI')], 0),
            ([dict(type='mmkd.SoftClassification'), dict(type='mmkd.BoundedRegression')], 1),
        ):
            model = build_distill(
                tmp_path, student=tiny_rfcn_cfg(), teacher=tiny_rfcn_cfg(base_channels=12),
                methods=methods,
            )  # fmt: skip
            calls = []
            head = model.teacher.model.roi_head.bbox_head
            head.fc_cls.register_forward_hook(lambda *_, calls=calls: calls.append(1))
            loss_of(model)
            assert len(calls) == expected

    def test_both_maps_are_imitated_in_the_same_cells(self, tmp_path):
        model = build_distill(
            tmp_path, student=tiny_rfcn_cfg(), teacher=tiny_rfcn_cfg(base_channels=12)
        )
        first, second = model.distill['fgfi'].masks(*seen_by(model).by('teacher'))
        assert torch.equal(first, second) and 0 < first.sum() < first.numel()


# Which maps fit: an FPN has stride 16 at index 2, R-FCN's heads see two maps of that stride.
TO_FPN, FROM_FPN = [[1, 2]], [[2, 1]]


def rfcn(**kw):
    return tiny_rfcn_cfg(**kw)


PAIRS = {
    'rfcn under rfcn': (rfcn(), rfcn(base_channels=12), None, ('roi_head', 'rpn')),
    'rfcn under faster': (rfcn(), tiny_faster_rcnn_cfg(base_channels=12), TO_FPN, ('roi_head',)),
    'faster under rfcn': (tiny_faster_rcnn_cfg(), rfcn(base_channels=12), FROM_FPN, ('roi_head',)),
}
METHODS = {
    'fgfi': lambda levels, on: dict(type='mmkd.FGFI', levels=levels),
    'hint': lambda levels, on: dict(type='mmkd.Hint', levels=levels),
    'chen2017': lambda levels, on: dict(type='mmkd.Chen2017', on=on, hint=dict(levels=levels)),
    'soft': lambda levels, on: dict(type='mmkd.SoftClassification', on=on),
    'bounded': lambda levels, on: dict(type='mmkd.BoundedRegression', on=on),
    'proposal_mimic': lambda levels, on: dict(type='mmkd.ProposalMimic', levels=levels),
    'quantization_mimic': lambda levels, on: dict(
        type='mmkd.QuantizationMimic', levels=levels, step=0.01
    ),
    # Pooled features are compared where both heads pool to one size: 3 x 3 here, 7 x 7 there.
    'two_stage_mimic': lambda levels, on: dict(
        type='mmkd.TwoStageMimic', mimic=dict(levels=levels), feats_weight=float('rpn' in on)
    ),
}


@pytest.mark.parametrize('pair', PAIRS)
@pytest.mark.parametrize('method', METHODS)
def test_every_method_trains_a_step_with_adapters_that_nobody_sized(tmp_path, method, pair):
    student, teacher, levels, on = PAIRS[pair]
    cfg = METHODS[method](levels, on)
    # Copied: building a detector writes into its config.
    student, teacher = copy.deepcopy(student), copy.deepcopy(teacher)
    model = build_distill(tmp_path, student=student, teacher=teacher, methods=[cfg])
    total, log = model.parse_losses(loss_of(model))
    total.backward()
    named = {key: value for key, value in log.items() if method.split('_')[0] in key}
    assert total.isfinite() and any(value > 0 for key, value in named.items() if 'loss' in key)
    assert all(p.grad is not None for p in model.distill.parameters())


def test_rpn_terms_between_other_anchors_are_refused(tmp_path):
    with pytest.raises(ValueError, match='rpn_head.anchor_generator differs'):
        build_distill(
            tmp_path, student=tiny_rfcn_cfg(), methods=[dict(type='mmkd.SoftClassification')]
        )
