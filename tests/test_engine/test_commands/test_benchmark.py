import torch

from mmkd.engine.commands.benchmark import measure_inference, random_batch
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_retinanet_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import build_plain


def test_inference_of_detectors_is_timed_side_by_side_with_the_rois_they_answer_on():
    configs = dict(rfcn=tiny_rfcn_cfg(), faster=tiny_faster_rcnn_cfg(), retina=tiny_retinanet_cfg())
    for name in ('rfcn', 'faster'):
        configs[name].test_cfg.rpn.max_per_img = 7
    models = {name: build_plain(cfg).eval() for name, cfg in configs.items()}
    inputs, samples = random_batch((64, 96), images=2, boxes=2, classes=1, device='cpu')
    rounds = []
    times = measure_inference(models, inputs, samples, 2, lambda: rounds.append(1))
    assert [times[name].rois for name in models] == [7, 7, 0] and len(rounds) == 3
    assert times['rfcn'].ratio == 1 and all(found.seconds > 0 for found in times.values())
    assert 'pred_instances' not in samples[0] and torch.is_grad_enabled()
