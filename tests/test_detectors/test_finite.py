"""NaN from the teacher is the teacher's error, not a NaN loss."""

import pytest
import torch

from mmkd.detectors import finite
from mmkd.detectors.finite import FiniteWatch
from mmkd.testing.distill import build_distill, loss_of

PARTS = {
    'backbone': 'backbone.conv1.weight',
    'features': 'neck.fpn_convs.3.conv.bias',
    'rpn': 'rpn_head.rpn_reg.bias',
    'roi_head': 'roi_head.bbox_head.fc_cls.bias',
}


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('field', PARTS)
def test_training_stops_and_names_the_teacher_and_the_field(tmp_path, field, value):
    model = build_distill(tmp_path, methods=[dict(type='mmkd.Chen2017')])
    state = model.teacher.model.state_dict()
    state[PARTS[field]].view(-1)[0] = value
    with pytest.raises(
        ValueError, match=rf'teacher: .*teacher.pth\) gave NaN or inf.* in {field} at'
    ):
        loss_of(model)


def test_a_part_that_no_method_reads_may_be_broken(tmp_path):
    model = build_distill(tmp_path, methods=[dict(type='mmkd.Hint')])
    model.teacher.model.state_dict()[PARTS['roi_head']][0] = float('nan')
    assert loss_of(model)['loss_hint'].isfinite()


def test_large_half_precision_maps_are_finite():
    # 10^4 times 60000 overflows float16, not the sum in single precision.
    FiniteWatch('t').look('features', [torch.full((10_000,), 6e4, dtype=torch.float16)], 0)


class TestOnAGPU:
    """The host reads an answer when it has arrived, and waits for none."""

    @pytest.fixture
    def arrived(self, monkeypatch):
        flags = []
        monkeypatch.setattr(finite, '_is_asynchronous', lambda tensor: True)

        def copy(answer):
            flags.append(False)
            index = len(flags) - 1
            return answer, lambda: flags[index]

        monkeypatch.setattr(finite, '_copy_to_host', copy)
        return flags

    def test_the_error_comes_with_the_next_batch(self, arrived):
        watch = FiniteWatch('t')
        watch.look('rois', [torch.tensor([1.0]), torch.tensor([float('nan')])], 7)
        watch.check()
        arrived[0] = True
        with pytest.raises(ValueError, match='NaN or infinity in rois at iteration 7'):
            watch.check()

    def test_good_answers_are_forgotten(self, arrived):
        watch = FiniteWatch('t')
        for step in range(3):
            watch.look('rois', [torch.ones(2)], step)
        arrived[:2] = [True, True]
        watch.check()
        assert len(watch._pending) == 1

    def test_a_detector_stops_in_its_second_step(self, arrived, tmp_path):
        model = build_distill(tmp_path, methods=[dict(type='mmkd.Hint')])
        loss_of(model)
        model.teacher.model.state_dict()['neck.fpn_convs.3.conv.bias'][0] = float('nan')
        arrived[:] = [True] * len(arrived)
        loss_of(model)
        arrived[:] = [True] * len(arrived)
        with pytest.raises(ValueError, match='gave NaN or infinity in features'):
            loss_of(model)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_a_gpu():
    watch = FiniteWatch('t')
    watch.look('rois', [torch.full((4,), float('nan'), device='cuda')], 0)
    torch.cuda.synchronize()
    with pytest.raises(ValueError, match='NaN or infinity in rois'):
        watch.check()
