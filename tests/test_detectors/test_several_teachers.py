"""Several teachers at once: each method reads one, or all of them together."""

import copy

import pytest
import torch

from mmkd.detectors.detector_source import resolve_teachers
from mmkd.registry import MODELS
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_retinanet_cfg
from mmkd.testing.batches import demo_batch
from mmkd.testing.distill import build_distill, save_teacher

WIDE = tiny_faster_rcnn_cfg(base_channels=16, out_channels=24)
WIDER = tiny_faster_rcnn_cfg(base_channels=12, out_channels=32)


def build(folder, methods, seed=0, **teachers):
    """A tiny student under named teachers."""
    specs = {}
    for name, cfg in teachers.items():
        (folder / name).mkdir(exist_ok=True)
        extra = cfg.pop('classes', None) if 'classes' in cfg else None
        specs[name] = dict(config=cfg, checkpoint=save_teacher(cfg, folder / name / 'teacher.pth'))
        if extra is not None:
            specs[name]['classes'] = extra
    cfg = dict(
        type='mmkd.DistillDetector',
        student=tiny_faster_rcnn_cfg(),
        teacher=specs,
        methods=methods,
    )
    torch.manual_seed(seed)
    model = MODELS.build(cfg)
    model.init_weights()
    return model.double()


def step(model):
    """Losses and the student's gradient of one step, free of random sampling."""
    torch.manual_seed(0)
    data = model.data_preprocessor(demo_batch(), True)
    model.zero_grad()
    losses = model(data['inputs'].double(), data['data_samples'], mode='loss')
    model.parse_losses(losses)[0].backward()
    grads = {n: p.grad.clone() for n, p in model.student.named_parameters() if p.grad is not None}
    return losses, grads


class TestTwoTeachers:
    methods = [
        dict(type='mmkd.FGFI', name='fgfi_a', teacher='a'),
        dict(type='mmkd.SoftClassification', name='soft_b', teacher='b', mu=0.999),
    ]

    def test_a_step_is_the_sum_of_the_single_teacher_steps(self, tmp_path):
        both = build(tmp_path, self.methods, a=WIDE, b=WIDER)
        first = build(tmp_path, self.methods[:1], a=WIDE, b=WIDER)
        second = build(tmp_path, self.methods[1:], a=WIDE, b=WIDER)
        off = dict(type='mmkd.Hint', loss_weight=0, teacher='a')
        zero = build(tmp_path, [off], a=WIDE, b=WIDER)
        for one in (first, second, zero):
            one.student.load_state_dict(both.student.state_dict())
        for name in ('fgfi_a', 'soft_b'):
            one = first if name == 'fgfi_a' else second
            one.distill[name].load_state_dict(both.distill[name].state_dict())
        losses, grads = step(both)
        parts = [step(one) for one in (first, second, zero)]
        torch.testing.assert_close(losses['loss_fgfi_a'], parts[0][0]['loss_fgfi_a'])
        torch.testing.assert_close(losses['loss_soft_b_rcn'], parts[1][0]['loss_soft_b_rcn'])
        for name, grad in grads.items():
            together = parts[0][1][name] + parts[1][1][name] - parts[2][1][name]
            torch.testing.assert_close(grad, together, rtol=1e-6, atol=1e-9)

    def test_each_is_lazy_frozen_and_in_no_checkpoint(self, tmp_path):
        model = build(tmp_path, self.methods, a=WIDE, b=WIDER)
        ran = []
        for name, teacher in model.teachers.items():
            assert not any(p.requires_grad for p in teacher.model.parameters())
            teacher.model.roi_head.bbox_head.register_forward_hook(
                lambda m, a, o, name=name: ran.append(name)
            )
        step(model)
        assert ran == ['b']  # a is read for its features alone
        keys = set(model.state_dict())
        student = set(model.student.state_dict())
        assert all(key in student or key.startswith('distill.') for key in keys)
        assert copy.deepcopy(model).teachers['a'].model is model.teachers['a'].model
        assert len(list(model.parameters())) == len(list(model.student.parameters())) + len(
            list(model.distill.parameters())
        )

    def test_a_method_must_name_one_of_them(self, tmp_path):
        with pytest.raises(ValueError, match=r"fgfi must name .* one of \['a', 'b', 'ensemble'\]"):
            build(tmp_path, [dict(type='mmkd.FGFI')], a=WIDE, b=WIDER)
        with pytest.raises(ValueError, match="got 'c'"):
            build(tmp_path, [dict(type='mmkd.FGFI', teacher='c')], a=WIDE, b=WIDER)

    def test_there_is_no_only_teacher(self, tmp_path):
        model = build(tmp_path, self.methods, a=WIDE, b=WIDER)
        with pytest.raises(ValueError, match=r"no single teacher but \['a', 'b'\]"):
            _ = model.teacher


class TestEnsemble:
    @pytest.mark.parametrize('method', [
        dict(type='mmkd.FGFI'),
        dict(type='mmkd.Hint', stage='backbone'),
        dict(type='mmkd.SoftClassification', temperature=3.0),
        dict(type='mmkd.BoundedRegression'),
        dict(type='mmkd.Chen2017'),
        dict(type='mmkd.ProposalMimic'),
    ])  # fmt: skip
    def test_of_two_copies_is_one(self, tmp_path, method):
        one = build(tmp_path, [dict(method, name='m')], only=WIDE)
        two = build(tmp_path, [dict(method, name='m', teacher='ensemble')], a=WIDE, b=WIDE)
        two.load_state_dict(one.state_dict())
        (losses, grads), (again, others) = step(one), step(two)
        for key in losses:
            torch.testing.assert_close(losses[key], again[key], rtol=1e-9, atol=1e-12)
        for name, grad in grads.items():
            torch.testing.assert_close(grad, others[name], rtol=1e-6, atol=1e-9)

    def test_averages_probabilities_at_the_methods_temperature(self, tmp_path):
        soft = dict(type='mmkd.SoftClassification', teacher='ensemble', temperature=2.0, mu=0.0,
                    on='roi_head', background_weight=1.0)  # fmt: skip
        model = build(tmp_path, [soft], a=WIDE, b=WIDER)
        torch.manual_seed(0)
        data = model.data_preprocessor(demo_batch(), True)
        seen = model.observe(data['inputs'].double(), data['data_samples'])
        student = (seen.student.roi_head.cls_score / 2).log_softmax(1)
        target = sum(
            (seen.teachers[name].roi_head.cls_score / 2).softmax(1) / 2 for name in ('a', 'b')
        )
        expected = -(target * student).sum(1).mean()
        found = model.distill['soft_cls'](*seen.by('ensemble'))['loss_soft_cls_rcn']
        torch.testing.assert_close(found, expected)

    def test_averages_decoded_boxes(self, tmp_path):
        model = build(tmp_path, [dict(type='mmkd.BoundedRegression', teacher='ensemble')],
                      a=WIDE, b=WIDER)  # fmt: skip
        from mmkd.methods.head_samples import box_rows

        torch.manual_seed(0)
        data = model.data_preprocessor(demo_batch(), True)
        seen = model.observe(data['inputs'].double(), data['data_samples'])
        rows = box_rows('roi_head', *seen.by('ensemble')[:2])
        coder = seen.student.bbox_coder
        boxes = [
            coder.decode(rows.priors, box_rows('roi_head', *seen.by(name)[:2]).teacher)
            for name in ('a', 'b')
        ]
        assert len(rows.teacher) > 0
        torch.testing.assert_close(
            coder.decode(rows.priors, rows.teacher), (boxes[0] + boxes[1]) / 2
        )

    def test_features_of_another_shape_are_refused_by_name(self, tmp_path):
        with pytest.raises(ValueError, match='averages the feature levels, whose .* differ'):
            build(tmp_path, [dict(type='mmkd.FGFI', teacher='ensemble')], a=WIDE, b=WIDER)

    def test_a_method_that_compares_logits_is_refused_by_name(self, tmp_path):
        mimic = dict(type='mmkd.TwoStageMimic', mimic=dict(loss_weight=0), feats_weight=0,
                     bbox_weight=0, teacher='ensemble')  # fmt: skip
        model = build(tmp_path, [mimic], a=WIDE, b=WIDER)
        with pytest.raises(ValueError, match="'ensemble' has no roi_head.cls_score"):
            step(model)


class TestSettings:
    def test_a_dict_that_mixes_one_teacher_with_names_is_refused(self):
        mixed = dict(config=WIDE, checkpoint='x.pth', a=dict(config=WIDE))
        with pytest.raises(ValueError, match=r"also names \['a'\].*_delete_=True"):
            resolve_teachers(mixed)
        with pytest.raises(ValueError, match='_delete_=True'):
            resolve_teachers(dict(WIDE, a=dict(config=WIDE)))

    @pytest.mark.parametrize('name', ['ensemble', 'a b', 'student', 'checkpoint', 'classes'])
    def test_a_name_that_cannot_be_read_is_refused(self, name):
        with pytest.raises(ValueError, match="identifiers other than 'ensemble'"):
            resolve_teachers({name: dict(config=WIDE)})

    def test_one_teacher_is_called_teacher(self):
        assert list(resolve_teachers(WIDE)) == ['teacher']
        assert list(resolve_teachers(dict(config=WIDE))) == ['teacher']


class TestClasses:
    def test_a_teacher_of_features_alone_may_have_others(self, tmp_path):
        teacher = tiny_faster_rcnn_cfg(num_classes=7, base_channels=16, out_channels=24)
        model = build_distill(tmp_path, teacher=teacher)
        data = model.data_preprocessor(demo_batch(), True)
        assert model.loss(data['inputs'], data['data_samples'])['loss_fgfi'] > 0
        with pytest.raises(ValueError, match='num_classes is 3 for the student and 7'):
            build_distill(tmp_path, teacher=teacher, methods=[dict(type='mmkd.Chen2017')])

    def test_a_specialist_declares_as_many_classes_as_its_head_has(self, tmp_path):
        teacher = tiny_faster_rcnn_cfg(num_classes=2, base_channels=16, out_channels=24)
        spec = dict(config=teacher, checkpoint=save_teacher(teacher, tmp_path / 't.pth', 'bc'))
        cfg = dict(type='mmkd.DistillDetector', student=tiny_faster_rcnn_cfg(),
                   methods=[dict(type='mmkd.FGFI')])  # fmt: skip
        model = MODELS.build(dict(cfg, teacher=dict(spec, classes=['b', 'c'])))
        model.init_weights()
        assert model.teacher.classes == model.teacher.specialist == ('b', 'c')
        with pytest.raises(ValueError, match='classes has 3 names, its head 2 classes'):
            MODELS.build(dict(cfg, teacher=dict(spec, classes=['a', 'b', 'c'])))
        wrong = MODELS.build(dict(cfg, teacher=dict(spec, classes=['c', 'b'])))
        with pytest.raises(ValueError, match=r"differ from those .* \['b', 'c'\]"):
            wrong.init_weights()


class TestFeatureTeacher:
    backbone = dict(
        type='mmdet.ResNet', depth=18, base_channels=16, num_stages=4, out_indices=(1, 2, 3),
        strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1),
    )  # fmt: skip

    def build(self, teacher, methods=None):
        return MODELS.build(dict(
            type='mmkd.DistillDetector', student=tiny_retinanet_cfg(), teacher=teacher,
            methods=methods or [dict(type='mmkd.Hint', levels=[[0, 0], [1, 1], [2, 2]])],
        ))  # fmt: skip

    def saved(self, path, drop=0):
        from mmdet.registry import MODELS as HOST

        state = HOST.build(self.backbone).state_dict()
        keys = list(state)
        torch.save({'state_dict': {key: state[key] for key in keys[drop:]}}, path)
        return str(path)

    def test_weights_of_its_init_cfg_teach(self, tmp_path):
        pretrained = dict(type='Pretrained', checkpoint=self.saved(tmp_path / 'b.pth'))
        model = self.build(
            dict(type='mmkd.FeatureTeacher', backbone=dict(self.backbone, init_cfg=pretrained))
        )
        model.init_weights()
        data = model.data_preprocessor(demo_batch(), True)
        assert model.loss(data['inputs'], data['data_samples'])['loss_hint'] > 0
        saved = torch.load(tmp_path / 'b.pth')['state_dict']
        key = 'layer1.0.conv1.weight'
        assert torch.equal(model.teacher.model.backbone.state_dict()[key], saved[key])

    def test_a_file_that_lacks_a_part_is_refused(self, tmp_path):
        pretrained = dict(type='Pretrained', checkpoint=self.saved(tmp_path / 'b.pth', drop=3))
        model = self.build(
            dict(type='mmkd.FeatureTeacher', backbone=dict(self.backbone, init_cfg=pretrained))
        )
        with pytest.raises(ValueError, match='does not fit the backbone:\n  3 keys missing'):
            model.init_weights()

    def test_so_is_one_of_a_wider_backbone(self, tmp_path):
        pretrained = dict(type='Pretrained', checkpoint=self.saved(tmp_path / 'b.pth'))
        narrow = dict(self.backbone, base_channels=8, init_cfg=pretrained)
        model = self.build(dict(type='mmkd.FeatureTeacher', backbone=narrow))
        with pytest.raises(ValueError, match='keys of another shape'):
            model.init_weights()

    def test_a_neck_has_no_weights_of_the_backbones_file(self, tmp_path):
        pretrained = dict(type='Pretrained', checkpoint=self.saved(tmp_path / 'b.pth'))
        neck = dict(type='mmdet.FPN', in_channels=[32, 64, 128], out_channels=16, num_outs=3)
        backbone = dict(self.backbone, init_cfg=pretrained)
        model = self.build(dict(type='mmkd.FeatureTeacher', backbone=backbone, neck=neck))
        with pytest.raises(ValueError, match='comes without weights'):
            model.init_weights()

    def test_without_weights_it_is_refused(self):
        model = self.build(dict(type='mmkd.FeatureTeacher', backbone=self.backbone))
        with pytest.raises(ValueError, match='comes without weights'):
            model.init_weights()

    def test_it_offers_features_alone(self):
        with pytest.raises(ValueError, match='reads proposals, and FeatureTeacher, the teacher'):
            self.build(
                dict(type='mmkd.FeatureTeacher', backbone=self.backbone),
                [dict(type='mmkd.ProposalMimic', proposals='teacher')],
            )
