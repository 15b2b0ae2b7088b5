import pytest
import torch

from mmkd.methods import BoundedRegression, Chen2017, Hint, SoftClassification
from mmkd.testing.detectors import tiny_c4_faster_rcnn_cfg, tiny_faster_rcnn_cfg
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.observations import batch_of

SHORT = {'loss_soft_cls': 'loss_chen2017_soft', 'loss_bounded_reg': 'loss_chen2017_bounded'}


def build(folder, *methods, **kwargs):
    return build_distill(folder, methods=list(methods), **kwargs).eval()


def losses_of(model, **batch):
    torch.manual_seed(0)
    return loss_of(model, **batch)


def test_it_is_the_sum_of_the_three_methods(tmp_path):
    settings = dict(mu=0.3, background_weight=2.0, temperature=2.0)
    whole = build(tmp_path, dict(type='mmkd.Chen2017', nu=0.7, gamma=0.2, margin=0.1, **settings))
    parts = build(
        tmp_path,
        dict(type='mmkd.SoftClassification', **settings),
        dict(type='mmkd.BoundedRegression', loss_weight=0.7, margin=0.1),
        dict(type='mmkd.Hint', loss_weight=0.2),
    )
    state = {
        key.replace('distill.hint', 'distill.chen2017.parts.hint'): value
        for key, value in parts.state_dict().items()
    }
    whole.load_state_dict(state, strict=True)
    found, parts_found = losses_of(whole), losses_of(parts)
    renamed = {}
    for key, value in parts_found.items():
        for old, new in (*SHORT.items(), ('loss_hint', 'loss_chen2017_hint')):
            key = key.replace(old, new)
        renamed[key] = value
    assert len(found) == 10
    torch.testing.assert_close(found, renamed)


@pytest.mark.parametrize('off, gone', [
    (dict(mu=1), 'soft'), (dict(nu=0), 'bounded'), (dict(gamma=0), 'hint'),
])  # fmt: skip
def test_each_term_can_be_left_out(tmp_path, off, gone):
    model = build(tmp_path, dict(type='mmkd.Chen2017', **off))
    keys = {key for key in losses_of(model) if 'chen2017' in key}
    assert keys and not any(gone in key for key in keys)
    assert any(p.requires_grad for p in model.distill.parameters()) is (gone != 'hint')


def test_the_paper_ablates_by_what_is_read():
    assert Chen2017(nu=0, gamma=0).teacher_fields == {'roi_head', 'rpn'}
    assert Chen2017(mu=1, nu=0).teacher_fields == {'features'}
    boxes = Chen2017(mu=1, gamma=0, on='roi_head')
    assert boxes.teacher_fields == {'roi_head', 'bbox_coder'}


def test_with_nothing_left_it_is_plain_training(tmp_path):
    model = build(tmp_path, dict(type='mmkd.Chen2017', mu=1, nu=0, gamma=0))
    assert not any('chen2017' in key for key in losses_of(model))


def test_the_defaults_are_those_of_the_parts():
    whole = {part.name.split('_')[-1]: part for part in Chen2017()._active}
    soft, bounded, hint = SoftClassification(), BoundedRegression(), Hint()
    assert whole['soft'].mu(batch_of([], (1, 1))) == soft.mu(batch_of([], (1, 1))) == 0.5
    assert whole['soft'].losses['roi_head'].background_weight == 1.5
    assert soft.losses['rpn'].background_weight == 1.5
    assert whole['bounded'].loss_weight == bounded.loss_weight == 0.5
    assert whole['bounded'].loss.margin == bounded.loss.margin == 0
    assert whole['hint'].loss_weight == hint.loss_weight == 0.5


def test_mu_scales_the_hard_losses_that_are_trained(tmp_path):
    plain = losses_of(build(tmp_path, dict(type='mmkd.Chen2017', loss_weight=0)))
    found = losses_of(build(tmp_path, dict(type='mmkd.Chen2017', mu=0.25)))
    torch.testing.assert_close(found['loss_cls'], 0.25 * plain['loss_cls'])
    for scaled, value in zip(found['loss_rpn_cls'], plain['loss_rpn_cls'], strict=True):
        torch.testing.assert_close(scaled, 0.25 * value)
    torch.testing.assert_close(found['loss_bbox'], plain['loss_bbox'])
    torch.testing.assert_close(found['loss_rpn_bbox'], plain['loss_rpn_bbox'])


def test_its_weight_weighs_all_terms_and_mu_nu_gamma_may_be_scheduled(tmp_path):
    stop = [dict(type='constant', value=0.5), dict(type='stop', begin=0)]
    scheduled = dict(type='mmkd.Chen2017', nu=stop, gamma=stop, mu=stop, name='chen')
    seen = losses_of(build(tmp_path, scheduled))
    for name in ('bounded_weight', 'hint_weight', 'soft_mu'):
        assert seen[f'chen_{name}'] == 0
    assert seen['loss_chen_hint'] == 0 and seen['loss_chen_hint'].requires_grad
    one, two = (
        losses_of(build(tmp_path, dict(type='mmkd.Chen2017', loss_weight=w))) for w in (1, 2)
    )
    for key in (key for key in one if 'loss_chen' in key):
        torch.testing.assert_close(two[key], 2 * one[key])


@pytest.mark.parametrize('config', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg])
@pytest.mark.parametrize('num_boxes', [(2, 3), (0, 3), (0, 0)])
@pytest.mark.parametrize('stage', ['features', 'backbone'])
def test_trains_with_and_without_boxes_on_fpn_and_c4(tmp_path, config, num_boxes, stage):
    model = build_distill(
        tmp_path,
        student=config(),
        teacher=config(base_channels=12),
        methods=[dict(type='mmkd.Chen2017', hint=dict(stage=stage))],
    )
    with torch.autocast('cpu', torch.bfloat16):
        losses = loss_of(model, num_boxes=num_boxes)
    found = {key: value for key, value in losses.items() if 'loss_chen' in key}
    total, _ = model.parse_losses(losses)
    total.backward()
    assert len(found) == 5 and {value.dtype for value in found.values()} == {torch.float32}
    assert total.isfinite() and found['loss_chen2017_soft_rcn'] > 0
    assert bool(found['loss_chen2017_bounded_rcn'] == 0) is (num_boxes == (0, 0))
    assert all(p.grad.any() for p in model.distill.parameters())


@pytest.mark.parametrize('config', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg])
def test_a_teacher_that_copies_the_student_leaves_entropy_alone(tmp_path, config):
    model = build(
        tmp_path,
        dict(type='mmkd.Chen2017', background_weight=1.0),
        student=config(),
        teacher=config(),
        fuse=False,  # a rounding decides whether the student is worse
    )
    model.teacher.model.load_state_dict(model.student.state_dict())
    losses = losses_of(model)
    soft = losses['loss_chen2017_soft_rcn'] + losses['loss_chen2017_soft_rpn']
    soft.backward()
    assert losses['loss_chen2017_bounded_rcn'] == 0 == losses['loss_chen2017_bounded_rpn']
    assert soft > 0 and all(
        p.grad is None or p.grad.abs().max() < 1e-5 for p in model.student.parameters()
    )


@pytest.mark.parametrize('kwargs, message', [
    (dict(mu=2), r'mu must lie in \[0, 1\], got 2'),
    (dict(nu=-1), 'loss_weight must be >= 0, got -1'),
    (dict(hint=dict(stage='neck')), "stage must be one of .*got 'neck'"),
])  # fmt: skip
def test_bad_constants_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Chen2017(**kwargs)
