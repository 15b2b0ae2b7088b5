"""NaN stops a training, with its cause named: the teacher, a loss, the images, the weights."""

import copy
from pathlib import Path

import pytest
import torch
from torch import distributed

from mmkd.detectors import nan_guard
from mmkd.detectors.nan_guard import NanGuard
from mmkd.testing import demo_batch, in_two_processes
from mmkd.testing.distill import build_distill, loss_of

NAN, INF = float('nan'), float('inf')
PARTS = {
    'backbone': 'backbone.conv1.weight',
    'features': 'neck.fpn_convs.3.conv.bias',
    'rpn': 'rpn_head.rpn_reg.bias',
    'roi_head': 'roi_head.bbox_head.fc_cls.bias',
}


class TestTheTeacher:
    @pytest.mark.parametrize('value', [NAN, INF])
    @pytest.mark.parametrize('field', PARTS)
    def test_training_stops_and_names_the_teacher_and_the_field(self, tmp_path, field, value):
        model = build_distill(tmp_path, methods=[dict(type='mmkd.Chen2017')])
        state = model.teacher.model.state_dict()
        state[PARTS[field]].view(-1)[0] = value
        with pytest.raises(
            ValueError, match=rf'teacher: .*teacher.pth\) gave NaN or inf.* in {field} at'
        ):
            loss_of(model)

    def test_a_part_that_no_method_reads_may_be_broken(self, tmp_path):
        model = build_distill(tmp_path, methods=[dict(type='mmkd.Hint')])
        model.teacher.model.state_dict()[PARTS['roi_head']][0] = NAN
        assert loss_of(model)['loss_hint'].isfinite()

    def test_large_half_precision_maps_are_finite(self):
        # 10^4 times 60000 overflows float16, not the sum in single precision.
        maps = [torch.full((10_000,), 6e4, dtype=torch.float16)]
        NanGuard().look('features', maps, ', '.join)


def look_at(guard, value, step=0, samples=()):
    finite, number = torch.tensor(1.0), torch.tensor(NAN)
    losses = {'loss_a': finite, 'loss_b': [finite, torch.tensor(value)], 'acc': number}
    guard.look_at_losses(losses, samples, step)


class TestLosses:
    @pytest.mark.parametrize('value', [NAN, INF, -INF])
    def test_the_loss_the_iteration_and_the_images_are_named(self, value):
        samples = demo_batch()['data_samples']
        message = r'^loss_b: NaN or infinity at iteration 8, on the images 0.png; 1.png. '
        with pytest.raises(ValueError, match=message):
            look_at(NanGuard(), value, step=7, samples=samples)

    def test_an_image_with_a_box_outside_of_it_is_marked(self):
        samples = demo_batch()['data_samples']
        samples[1].gt_instances.bboxes.tensor[2] = torch.tensor([64.0, 10, 64, 20])
        with pytest.raises(ValueError, match=r'1.png \(its box \[64.0, 10.0, 64.0, 20.0\] has no'):
            look_at(NanGuard(), NAN, samples=samples)

    @pytest.mark.parametrize('weight', [0.01, 0.0], ids=['distilled', 'weight zero'])
    @pytest.mark.parametrize('broken', ['weights', 'box'])
    def test_a_detector_stops(self, tmp_path, weight, broken):
        model = build_distill(tmp_path, methods=[dict(type='mmkd.FGFI', loss_weight=weight)])
        data = demo_batch()
        if broken == 'weights':
            model.student.backbone.conv1.weight.data.view(-1)[0] = NAN
        else:
            data['data_samples'][0].gt_instances.bboxes.tensor[0] = torch.tensor([96.0, 9, 96, 40])
        message = r'loss_.*: NaN or inf.* iteration \d+, .*0.png.*1.png'
        with pytest.raises(ValueError, match=message):
            model(**model.data_preprocessor(data, True), mode='loss')

    def test_a_loss_weight_that_overflows_is_named(self, tmp_path):
        methods = [dict(type='mmkd.FGFI', loss_weight=1e39)]
        with pytest.raises(ValueError, match='^loss_fgfi: NaN or infinity'):
            loss_of(build_distill(tmp_path, methods=methods))

    def test_the_switch_turns_it_off(self, tmp_path):
        model = build_distill(tmp_path, nan_guard=False)
        model.student.backbone.conv1.weight.data.view(-1)[0] = NAN
        assert loss_of(model)['loss_fgfi'].isnan()
        model.state_dict()


class TestWeights:
    @pytest.mark.parametrize('part', ['backbone.conv1.weight', 'backbone.bn1.running_var'])
    def test_no_state_dict_is_made_of_broken_ones(self, tmp_path, part):
        model = build_distill(tmp_path)
        model.state_dict()[part].view(-1)[0] = INF
        for broken in (model, copy.deepcopy(model), torch.nn.Sequential(model)):
            with pytest.raises(ValueError, match=f'weights .*{part} hold NaN .* not saved'):
                broken.state_dict()

    def test_large_finite_ones_are_no_error(self):
        NanGuard().check_weights({'w': torch.full((4,), 3e38), 'n': torch.tensor(1), 'name': ''})


class TestMixedPrecision:
    """In float16 the gradient scaler skips steps that are not finite."""

    def test_a_skipped_step_is_no_error_but_twenty_in_a_row_are(self):
        guard = NanGuard()
        with torch.autocast('cpu', torch.float16):
            for value in [INF] * 19 + [1.0] + [INF] * 19:
                guard.look('features', [torch.ones(2)], ', '.join)
                look_at(guard, value)
            with pytest.raises(ValueError, match='loss_b.* skipped 20 steps in a row'):
                look_at(guard, NAN)

    def test_bfloat16_overflows_no_earlier_than_single_precision(self):
        with torch.autocast('cpu', torch.bfloat16), pytest.raises(ValueError, match='loss_b'):
            look_at(NanGuard(), INF)


class _Arrival:
    """An event that a test lets happen."""

    def __init__(self):
        self.happened = False

    def query(self):
        return self.happened


class TestOnAGPU:
    """The host reads an answer when it has arrived, and waits for none."""

    @pytest.fixture
    def arrivals(self, monkeypatch):
        events = []
        monkeypatch.setattr(nan_guard, '_is_asynchronous', lambda tensor: True)

        def copy_later(answers):
            events.append(_Arrival())
            return answers, events[-1]

        monkeypatch.setattr(nan_guard, '_copy_to_host', copy_later)
        return events

    def test_the_error_comes_with_a_later_step_and_names_the_first(self, arrivals):
        guard = NanGuard()
        look_at(guard, NAN, step=7)
        guard.check()
        look_at(guard, NAN, step=8)
        arrivals[0].happened = True
        with pytest.raises(ValueError, match='loss_b: NaN or infinity at iteration 8'):
            guard.check()

    def test_good_answers_are_forgotten(self, arrivals):
        guard = NanGuard()
        for _ in range(3):
            look_at(guard, 1.0)
        arrivals[0].happened = arrivals[1].happened = True
        guard.check()
        assert len(guard._pending) == 1

    @pytest.mark.parametrize('side', ['teacher', 'student'])
    def test_a_detector_stops_in_its_next_step(self, arrivals, tmp_path, side):
        model = build_distill(tmp_path, methods=[dict(type='mmkd.Hint')])
        broken = model.student if side == 'student' else model.teacher.model
        loss_of(model)
        broken.neck.fpn_convs[3].conv.bias.data[0] = NAN
        arrivals[-1].happened = True
        loss_of(model)
        assert len(arrivals) == 2  # one copy a step
        arrivals[-1].happened = True
        with pytest.raises(ValueError, match='in features at' if side == 'teacher' else '^loss_'):
            loss_of(model)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_a_gpu():
    guard, losses = NanGuard(), {'loss_a': torch.tensor(NAN, device='cuda')}
    torch.cuda.set_sync_debug_mode('error')
    guard.look_at_losses(losses, [], 0)
    torch.cuda.set_sync_debug_mode('default')
    torch.cuda.synchronize()
    with pytest.raises(ValueError, match='loss_a: NaN or infinity'):
        guard.check()


def one_of_two(folder: Path) -> None:
    """In the second step of each run one process meets NaN; both say why and when they stop."""
    distributed.init_process_group('gloo')
    rank = distributed.get_rank()
    for name, values in {'loss': (1.0, NAN), 'teacher': (NAN, 1.0)}.items():
        guard = NanGuard()
        try:
            for step, value in enumerate((1.0, values[rank])):
                said = torch.tensor(value if name == 'teacher' else 1.0)
                guard.look('features', [said], ', '.join)
                look_at(guard, value if name == 'loss' else 1.0, step)
        except ValueError as error:
            (folder / f'{name}{rank}').write_text(f'{step}: {error}')
    distributed.destroy_process_group()


def test_two_processes_stop_in_the_same_step_and_the_one_that_saw_it_says_where(tmp_path):
    assert in_two_processes(one_of_two, tmp_path, log=tmp_path / 'log') == [0, 0]
    names = ('loss0', 'loss1', 'teacher0', 'teacher1')
    said = {name: (tmp_path / name).read_text() for name in names}
    assert said['loss1'].startswith('1: loss_b: NaN or infinity at iteration 2')
    assert said['teacher0'] == '1: features'
    for name in ('loss0', 'teacher1'):
        assert said[name].startswith('1: Another process met NaN or infinity')
