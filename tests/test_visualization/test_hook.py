"""The hook's pictures and shares, and that training does not notice it."""

import json
import logging
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend, Visualizer

from mmkd.testing import (
    demo_batch,
    differences,
    in_process,
    tiny_retinanet_cfg,
    tiny_run_cfg,
    train,
    write_tiny_coco,
)
from mmkd.testing.distill import build_distill, distill_cfg
from mmkd.visualization import DistillVisualizationHook
from mmkd.visualization.hook import network_image

METHODS = [
    dict(type='mmkd.FGFI', auto_scale=dict(iters=2)),
    dict(type='mmkd.Hint'),
    dict(type='mmkd.SoftClassification'),
]


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """A run with the hook and one without, of one model; without ReproducibleHook's help."""
    root = tmp_path_factory.mktemp('runs')
    data = write_tiny_coco(root / 'data')
    model = distill_cfg(root, methods=METHODS)
    hook = dict(type='mmkd.DistillVisualizationHook', interval=2, num_images=2, score_thr=0.0)
    for name, hooks in (('with', (hook,)), ('without', ())):
        cfg = tiny_run_cfg(data, root / name, model, epochs=2, num_workers=0, hooks=hooks)
        cfg.custom_hooks = [h for h in cfg.custom_hooks if h.type != 'mmkd.ReproducibleHook']
        status = in_process(train, cfg, log=root / 'log')
        assert status == 0, (root / 'log').read_text()[-3000:]
    return root


@pytest.mark.slow
def test_training_has_the_same_bits_with_and_without_it(runs):
    ours, theirs = (
        torch.load(runs / name / 'epoch_2.pth', weights_only=True) for name in ('with', 'without')
    )
    for kind in ('state_dict', 'optimizer'):
        assert differences(ours[kind], theirs[kind], kind) == []


def test_pictures_lie_where_the_visualizer_puts_them(runs):
    (folder,) = runs.glob('with/*/vis_data')
    names = {path.stem for path in (folder / 'vis_image').iterdir()}
    kinds = ['masks_fgfi', 'difference_fgfi', 'difference_hint', 'detections']
    # Iterations 0, 2 and 4, which are the 1st, 3rd and 5th, of two images.
    assert names == {f'distill_{k}_{i}_{s}' for k in kinds for i in (0, 1) for s in (1, 3, 5)}
    for path in (folder / 'vis_image').iterdir():
        assert cv2.imread(str(path)).std() > 5


def test_shares_are_written_and_add_up_to_one(runs):
    (log,) = runs.glob('with/*/vis_data/scalars.json')
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    found = [entry for entry in entries if 'distill/loss_share/task' in entry]
    assert [entry['step'] for entry in found] == [1, 3, 5]
    for entry in found:
        for kind in ('loss', 'grad'):
            shares = {k: v for k, v in entry.items() if k.startswith(f'distill/{kind}_share/')}
            assert len(shares) == 4 and sum(shares.values()) == pytest.approx(1)
            assert all(0 <= share <= 1 for share in shares.values())
    # auto_scale waits for two iterations; then its loss is half of the task's.
    assert found[0]['distill/loss_share/fgfi'] == found[0]['distill/grad_share/fgfi'] == 0
    assert found[1]['distill/loss_share/fgfi'] > 0.05


class TestProbe:
    def test_leaves_model_data_and_random_state_as_they_were(self, tmp_path):
        model = build_distill(tmp_path, methods=METHODS).train()
        model.backbone.bn1.eval()
        data, state = demo_batch(), {k: v.clone() for k, v in model.state_dict().items()}
        modes = [module.training for module in model.modules()]
        boxes = [sample.gt_instances.bboxes for sample in data['data_samples']]
        numbers = torch.get_rng_state(), np.random.get_state()[1].tolist()
        model.probe(data).gradient_shares()
        assert differences(state, model.state_dict()) == []
        assert modes == [module.training for module in model.modules()]
        assert all(p.grad is None for p in model.parameters())
        after = [sample.gt_instances.bboxes for sample in data['data_samples']]
        assert all(a is b for a, b in zip(boxes, after, strict=True))
        assert torch.equal(numbers[0], torch.get_rng_state())
        assert numbers[1] == np.random.get_state()[1].tolist()

    def test_sees_the_losses_of_the_step_that_follows(self, tmp_path):
        model = build_distill(tmp_path, methods=METHODS[1:])
        torch.manual_seed(5)
        probe = model.probe(demo_batch())
        torch.manual_seed(5)
        data = model.data_preprocessor(demo_batch(), True)
        losses = model(**data, mode='loss')
        assert probe.losses['hint'].item() == pytest.approx(losses['loss_hint'].item())

    def test_takes_gradients_at_the_backbone_where_a_method_reads_it_alone(self, tmp_path):
        model = build_distill(tmp_path, methods=[dict(type='mmkd.Hint', stage='backbone')])
        assert 0 < model.probe(demo_batch()).gradient_shares()['hint'] < 1

    def test_of_a_detector_without_masks_or_maps_has_detections_all_the_same(self, tmp_path):
        one_stage = tiny_retinanet_cfg()
        model = build_distill(tmp_path, student=one_stage, teacher=one_stage)
        probe = model.probe(demo_batch())
        assert {len(found) for found in probe.detections.values()} == {2}


@VISBACKENDS.register_module()
class NotingBackend(BaseVisBackend):
    """Notes what it is given, as TensorBoard or WandB would."""

    noted: list = []
    experiment = None

    def _init_env(self):
        """Nothing to prepare."""

    def add_image(self, name, image, step=0, **kwargs):
        self.noted.append((name, image.dtype, image.shape[-1], step))

    def add_scalars(self, scalar_dict, step=0, file_path=None, **kwargs):
        self.noted += [(name, step) for name in scalar_dict]


class FakeRunner(SimpleNamespace):
    """What the hook reads of a runner."""

    def __init__(self, model, folder):
        backends = [dict(type='NotingBackend')]
        super().__init__(
            model=model,
            iter=0,
            logger=logging.getLogger('fake'),
            optim_wrapper=OptimWrapper(torch.optim.SGD(model.parameters(), 0.1)),
            visualizer=Visualizer(vis_backends=backends, save_dir=str(folder)),
            train_dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo={})),
        )


def test_every_backend_of_the_visualizer_is_given_everything(tmp_path):
    runner = FakeRunner(build_distill(tmp_path), tmp_path)
    DistillVisualizationHook(interval=2).before_train_iter(runner, 0, demo_batch())
    noted = list(NotingBackend.noted)
    pictures = ['distill_masks_fgfi', 'distill_difference_fgfi', 'distill_detections']
    assert [entry for entry in noted if len(entry) == 4] == [
        (name, np.dtype('uint8'), 3, 1) for name in pictures
    ]
    assert ('distill/grad_share/fgfi', 1) in noted
    runner.iter = 1
    DistillVisualizationHook(interval=2).before_train_iter(runner, 1, demo_batch())
    assert NotingBackend.noted == noted


def test_a_plain_detector_is_left_alone_with_one_warning(tmp_path, caplog):
    runner = FakeRunner(build_distill(tmp_path).student, tmp_path)
    hook = DistillVisualizationHook(interval=1)
    hook.before_train_iter(runner, 0, None)
    hook.before_train_iter(runner, 1, None)
    assert [r.getMessage() for r in caplog.records if 'distils nothing' in r.getMessage()] == [
        'DistillVisualizationHook: FasterRCNN distils nothing, so there is nothing to show.'
    ]


@pytest.mark.parametrize('swap, mean', [(True, [123.0, 117.0, 104.0]), (False, None)])
def test_the_picture_behind_an_input_is_the_image(swap, mean):
    from mmdet.models import DetDataPreprocessor

    std = None if mean is None else [58.0, 57.0, 56.0]
    preprocessor = DetDataPreprocessor(mean=mean, std=std, bgr_to_rgb=swap, pad_size_divisor=32)
    batch = demo_batch(sizes=((40, 50),), num_boxes=(1,))
    rgb = batch['inputs'][0].flip(0).permute(1, 2, 0).numpy()
    inputs = preprocessor(batch, False)['inputs']
    assert np.array_equal(network_image(preprocessor, inputs[0], (40, 50)), rgb)


@pytest.mark.parametrize('arguments', [dict(interval=0), dict(num_images=-1)])
def test_an_argument_out_of_range_is_refused(arguments):
    with pytest.raises(ValueError, match='interval >= 1 and num_images >= 0, got'):
        DistillVisualizationHook(**arguments)
