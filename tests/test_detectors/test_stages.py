"""A training in stages: who speaks, what stays as it is, at which rate, alone and in two ranks."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from torch import distributed, nn
from torch.optim import optimizer as torch_optimizer

from mmkd.detectors.stages import Stages
from mmkd.testing import (
    demo_batch,
    differences,
    in_process,
    in_two_processes,
    tiny_faster_rcnn_cfg,
    tiny_run_cfg,
    train,
    write_tiny_coco,
)
from mmkd.testing.distill import build_distill, distill_cfg, loss_of

SGD = dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-2)
METHODS = [
    dict(type='mmkd.FitNets', stage='backbone', levels=[[1, 1]]),
    dict(type='mmkd.FGFI'),
]
STAGES = [dict(methods=['fitnets'], epochs=1, task=False), dict(methods=['fgfi'])]
# What the hint at the backbone's second stage trains; batch norms are in training mode.
REACHED = ('backbone.conv1', 'backbone.bn1', 'backbone.layer1', 'backbone.layer2', 'distill.fitn')


def at(epoch, max_epochs=3):
    hub = MessageHub.get_current_instance()
    hub.update_info('epoch', epoch)
    hub.update_info('max_epochs', max_epochs)


def steps(model, wrapper, number=2):
    model.train()
    return [model.train_step(demo_batch(seed=seed), wrapper) for seed in range(number)]


def wrap(model, **kwargs):
    return build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(SGD), **kwargs))


def changed(before, after):
    return {key for key in after if not torch.equal(before[key], after[key])}


def has_state(model, wrapper):
    return {name for name, p in model.named_parameters() if p in wrapper.optimizer.state}


def check_stages(model, wrapper):
    """Trains through both stages; ``model`` may be wrapped."""
    inner = getattr(model, 'module', model)
    states = [copy.deepcopy(inner.state_dict())]
    names = {name for name, _ in inner.named_parameters()}
    logs = []
    for epoch in range(2):
        at(epoch)
        logs += steps(model, wrapper)
        states.append(copy.deepcopy(inner.state_dict()))
        if epoch == 0:
            began = has_state(inner, wrapper)
    first, second = (changed(*pair) for pair in zip(states, states[1:], strict=False))
    expected = {name for name in states[0] if name.startswith(REACHED)}
    assert first == expected and began == expected & names
    assert not any('fitnets' in key for key in second)
    assert names - second == {name for name in names if 'fitnets' in name}
    assert has_state(inner, wrapper) == names
    silent = {'loss_fitnets': [False] * 2 + [True] * 2, 'loss_fgfi': [True] * 2 + [False] * 2}
    silent['loss_cls'] = silent['loss_rpn_bbox'] = silent['loss_fgfi']
    for key, expected in silent.items():
        assert [log[key] == 0 for log in logs] == expected, key
    losses = [{key for key in log if 'loss' in key} for log in logs]
    assert all(keys == losses[0] for keys in losses)
    return states[-1]


class TestAStageWithoutTheTask:
    def test_changes_no_bit_that_its_losses_do_not_reach(self, tmp_path):
        model = build_distill(tmp_path, methods=METHODS, stages=STAGES)
        check_stages(model, wrap(model, clip_grad=dict(max_norm=1.0)))

    def test_runs_no_teacher_for_a_method_that_is_silent(self, tmp_path):
        model = build_distill(tmp_path, methods=METHODS, stages=STAGES)
        wrapper, calls = wrap(model), []
        at(0)
        steps(model, wrapper, 1)  # the silent method says once under which names
        model.teacher.answering.neck.register_forward_hook(lambda *_: calls.append('neck'))
        model.teacher.answering.backbone.register_forward_hook(lambda *_: calls.append('backbone'))
        steps(model, wrapper, 1)
        assert calls == ['backbone']

    def test_is_refused_where_reentrant_checkpointing_hides_what_it_trains(self, tmp_path):
        student = tiny_faster_rcnn_cfg()
        student.backbone.with_cp = True
        model = build_distill(tmp_path, student=student, methods=METHODS, stages=STAGES)
        at(0)
        message = 'stages with task=False cannot see which .* checkpointed layer .* with_cp=False'
        with pytest.raises(ValueError, match=message):
            steps(model, wrap(model), 1)
        at(1)
        assert steps(model, wrap(model), 1)[0]['loss_fgfi'] > 0  # beside the task it may

    def test_keeps_what_is_in_all_batches_of_a_step(self, tmp_path):
        model = build_distill(tmp_path, methods=METHODS, stages=STAGES)
        at(0)
        before = copy.deepcopy(model.state_dict())
        wrapper = wrap(model, accumulative_counts=2)
        steps(model, wrapper, 1)
        assert not any('weight' in key for key in changed(before, model.state_dict()))
        steps(model, wrapper, 1)
        moved = {key for key in changed(before, model.state_dict()) if 'weight' in key}
        assert moved == {key for key in before if 'weight' in key and key.startswith(REACHED)}


def test_a_factor_on_the_learning_rate_is_for_our_own_step_alone(tmp_path):
    moved = []
    for factor in (1.0, 0.25):
        model = build_distill(tmp_path, methods=METHODS[1:], stages=[dict(lr_factor=factor)])
        before = copy.deepcopy(model.state_dict())
        other = nn.Linear(1, 1, bias=False)
        others = torch.optim.SGD(other.parameters(), lr=1.0)
        own = torch.optim.SGD(model.parameters(), lr=0.5)
        torch.manual_seed(0)
        model.parse_losses(loss_of(model))[0].backward()
        other.weight.grad = torch.full((1, 1), 2.0)
        start = other.weight.detach().clone()
        others.step()
        assert other.weight == start - 2
        own.step()
        assert own.param_groups[0]['lr'] == 0.5
        key = 'backbone.conv1.weight'
        moved.append(model.state_dict()[key] - before[key])
    torch.testing.assert_close(moved[1], moved[0] / 4, rtol=1e-3, atol=1e-7)
    assert not torch_optimizer._global_optimizer_pre_hooks


def one_of_two(folder: Path) -> None:
    """Both parts of the test, without ``find_unused_parameters``."""
    torch.set_num_threads(1)
    distributed.init_process_group('gloo')
    own = folder / str(distributed.get_rank())
    own.mkdir()
    inner = build_distill(own, methods=METHODS, stages=STAGES)
    state = check_stages(MMDistributedDataParallel(inner), wrap(inner))

    rising = [dict(type='constant', value=0.0), dict(type='constant', value=1.0, begin=1)]
    inner = build_distill(own, methods=[dict(type='mmkd.FGFI', loss_weight=rising)])
    model, wrapper, logs = MMDistributedDataParallel(inner), wrap(inner), []
    for epoch in range(2):
        at(epoch)
        logs += steps(model, wrapper)
    assert [log['loss_fgfi'] > 0 for log in logs] == [False, False, True, True]
    torch.save([state, inner.state_dict()], folder / f'{distributed.get_rank()}.pth')
    distributed.destroy_process_group()


def test_two_ranks_keep_the_same_bits_and_wait_for_no_gradient(tmp_path):
    ends = in_two_processes(one_of_two, tmp_path, log=tmp_path / 'log')
    assert ends == [0, 0], (tmp_path / 'log_0').read_text()[-3000:]
    first, second = (torch.load(tmp_path / f'{i}.pth', weights_only=True) for i in range(2))
    assert differences(first, second) == []


def falling(cfg) -> None:
    """Trains with a metric that falls every epoch."""
    from mmdet.evaluation import CocoMetric

    scores = iter((0.9, 0.5, 0.4))
    CocoMetric.compute_metrics = lambda self, results: {'bbox_mAP': next(scores)}
    train(cfg)


def test_save_best_looks_at_stages_with_the_task(tmp_path):
    cfg = tiny_run_cfg(
        write_tiny_coco(tmp_path / 'data'),
        tmp_path / 'run',
        distill_cfg(tmp_path, methods=METHODS, stages=STAGES),
        num_workers=0,
        validate=True,
    )
    cfg.default_hooks.checkpoint.update(save_best='coco/bbox_mAP')
    log = tmp_path / 'log'
    assert in_process(falling, cfg, log=log) == 0, log.read_text()[-3000:]
    (best,) = (tmp_path / 'run').glob('best*')
    assert best.name == 'best_coco_bbox_mAP_epoch_2.pth'


A, B = dict(methods=['a'], epochs=2, task=False), dict(methods=['b'])


@pytest.mark.parametrize(
    'setting, message',
    [
        ([], r'stages is an empty list: write stages=\[dict'),
        (A, 'stages must be a list of dicts, got {'),
        ([A, 'b'], r"stages\[1\] must be a dict, got 'b'"),
        ([A, dict(B, epoch=3)], r"stages\[1\].epoch=3: .* Did you mean 'epochs'"),
        ([dict(methods=['a'], task=False), B], r'stages\[0\] has no epochs: .* last'),
        ([A, dict(methods='b')], r"stages\[1\].methods must be a list of names, got 'b'"),
        ([A, dict(methods=['bb'])], r"stages\[1\].methods has 'bb', .* \(Did you mean 'b'"),
        ([A], r"stages has \['b'\] in no stage: name each"),
        ([dict(A, epochs=0), B], r'stages\[0\].epochs must be a whole number >= 1|be >= 1, got 0'),
        ([dict(A, task='False'), B], r"stages\[0\].task must be True or False, got 'False'"),
        ([dict(A, lr_factor=0), B], r'stages\[0\].lr_factor must be > 0, got 0'),
        ([dict(A, methods=[]), dict()], r'stages\[0\] has task=False and no method'),
        ([dict(A, methods=['off']), dict()], r'stages\[0\] has task=False and no method'),
    ],
)
def test_what_is_wrong_is_refused_by_name(setting, message):
    methods = {name: SimpleNamespace(active=name != 'off') for name in ('a', 'b')}
    if 'off' in str(setting):
        methods['off'] = SimpleNamespace(active=False)
    with pytest.raises(ValueError, match=message):
        Stages(setting, methods)


@pytest.mark.parametrize(
    'setting, max_epochs, message',
    [
        ([A, B], 2, 'take at least 3 epochs, the training has train_cfg.max_epochs=2'),
        ([A, dict(B, epochs=3)], 4, 'take 5 epochs'),
        ([A, dict(B, epochs=3)], 6, 'take 5 epochs'),
    ],
)
def test_stages_that_do_not_fit_the_training_are_refused(setting, max_epochs, message):
    stages = Stages(setting, dict.fromkeys('ab', SimpleNamespace(active=True)))
    assert stages.now().methods == ['a']  # no training is known
    at(0, max_epochs)
    with pytest.raises(ValueError, match=message):
        stages.now()


def test_stages_follow_each_other():
    stages = Stages([A, dict(epochs=1), B], dict.fromkeys('ab', SimpleNamespace(active=True)))
    found = []
    for epoch in range(5):
        at(epoch, 5)
        found.append((stages.now().speaks('a'), stages.now().speaks('b')))
    assert found == [(True, False)] * 2 + [(True, True)] + [(False, True)] * 2
