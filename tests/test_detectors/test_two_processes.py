"""Promise 5: two processes see the gradient of one process with both batches."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from mmkd.observation import Observation, RoIOutput
from mmkd.testing import demo_batch
from mmkd.testing.distill import build_distill

SIZES = ((64, 96), (64, 96))
# The second half of the batch has fewer boxes, so that the two counts differ.
NUM_BOXES = ((3, 2), (1, 0))
METHODS = [
    dict(type='mmkd.FGFI'),
    dict(type='mmkd.Chen2017'),
    dict(type='mmkd.TwoStageMimic'),
    dict(type='mmkd.KD', on=['roi_head', 'rpn']),
    dict(type='mmkd.DKD'),
    dict(type='mmkd.AttentionTransfer', stage='features'),
    dict(type='mmkd.NST'),
    dict(type='mmkd.CWD'),
    dict(type='mmkd.FGD', relation=0.0),
    dict(type='mmkd.BinaryKD'),
    dict(type='mmkd.FitNets'),
    dict(type='mmkd.NeuronSelection', channels=[[0, 2, 5]] * 5),
]
PARTS = (
    'fgfi',
    'chen2017_hint',
    'chen2017_soft_rcn',
    'chen2017_soft_rpn',
    'chen2017_bounded_rcn',
    'chen2017_bounded_rpn',
    'two_stage_mimic_proposals',
    'two_stage_mimic_feats',
    'two_stage_mimic_cls',
    'two_stage_mimic_bbox',
    'kd_rcn',
    'kd_rpn',
    'dkd_rcn',
    'attention_transfer',
    'nst',
    'cwd',
    'fgd_fg',
    'fgd_bg',
    'fgd_at',
    'fitnets',
    'neuron_selection',
    'binary_kd_cls_rcn',
    'binary_kd_cls_rpn',
    'binary_kd_loc_rcn',
    'binary_kd_loc_rpn',
)


def batch(ranks):
    """The images of the given ranks, as one batch."""
    parts = [demo_batch(SIZES, NUM_BOXES[rank], seed=rank) for rank in ranks]
    return {key: [item for part in parts for item in part[key]] for key in parts[0]}


# RoIs of each rank in place of the sampler's draw: image, xyxy pixels, label (3 is background).
ROIS = (
    [
        (0, 2, 3, 40, 50, 0),
        (0, 5, 5, 60, 40, 2),
        (1, 30, 10, 90, 60, 3),
        (1, 0, 0, 20, 20, 1),
    ],
    [(0, 10, 8, 50, 60, 1), (1, 1, 2, 64, 30, 3)],
)


def inject(model, ranks):
    """Replaces what the samplers drew by RoIs and anchors that depend on the rank alone."""
    rows = [
        (image + 2 * place, *rest)
        for place, rank in enumerate(ranks)
        for image, *rest in ROIS[rank]
    ]
    table = torch.tensor(rows).double()
    rois, labels = table[:, :5], table[:, 5].long()
    positive = (labels < 3).double()[:, None].expand(-1, 4)
    # Four regions and two: a divisor of one process alone would differ.
    proposals = [rois[rois[:, 0] == image, 1:] for image in range(2 * len(ranks))]
    targets = labels, torch.ones(len(labels)).double(), 0.3 * positive, positive

    def observe(inputs, samples, also=()):
        seen = type(model).observe(model, inputs, samples, also)
        student = seen.student
        maps = model.student.roi_head._bbox_forward(student.features, rois)
        answers = [maps[key] for key in ('bbox_feats', 'cls_score', 'bbox_pred')]
        roi_head = RoIOutput(rois, *answers, targets)
        fixed = Observation(
            features=lambda _: student.features,
            priors=lambda _: student.priors,
            proposals=lambda _: proposals,
            rpn=lambda _: sampled(student.rpn, ranks),
            roi_head=lambda _: roi_head,
            bbox_coder=lambda _: student.bbox_coder,
            rpn_bbox_coder=lambda _: student.rpn_bbox_coder,
        )
        metas = [sample.metainfo for sample in samples]
        teacher = model.pairs['teacher'].observe(inputs, metas, seen.batch, fixed)
        return replace(seen, student=fixed, teachers={'teacher': teacher})

    model.observe = observe


def sampled(rpn, ranks):
    """The RPN's output with 5 (rank 0) or 2 anchors an image and level, the first with a box."""
    shown = [5 if ranks[image // 2] == 0 else 2 for image in range(2 * len(ranks))]
    levels = []
    for level in rpn.targets[0]:
        weights = torch.zeros(level.shape).double()
        for image, number in enumerate(shown):
            weights[image, :number] = 1
        box_weights = torch.zeros(*level.shape, 4).double()
        box_weights[:, 0] = 1
        labels = 1 - box_weights[..., 0].long()
        levels.append((labels, weights, 0.2 * box_weights, box_weights))
    total = sum(shown) * len(levels)
    return replace(rpn, targets=(*(list(part) for part in zip(*levels, strict=True)), total))


def gradients(model, data, part):
    inner = getattr(model, 'module', model)
    # Batch norm by running statistics: batch statistics are per process by their nature.
    inner.eval()
    model.zero_grad()
    data = inner.data_preprocessor(data, True)
    losses = model(data['inputs'].double(), data['data_samples'], mode='loss')
    sum(value for key, value in losses.items() if f'loss_{part}' in key).backward()
    # Heads take no part in this loss; DDP gives them zeros, one process nothing.
    return {n: p.grad.clone() for n, p in inner.named_parameters() if p.grad is not None}


def worker(rank: int, folder: Path, port: int) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    distributed.init_process_group('gloo', rank=rank, world_size=2)
    own = folder / str(rank)
    own.mkdir()
    inner = build_distill(own, methods=METHODS).double()
    inject(inner, [rank])
    model = DistributedDataParallel(inner, find_unused_parameters=True)
    for part in PARTS:
        torch.save(gradients(model, batch([rank]), part), folder / f'{part}{rank}.pth')
    buckets = sum(p.numel() for p in model.parameters())
    assert buckets == sum(p.numel() for p in model.module.parameters())
    distributed.destroy_process_group()


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_see_the_gradient_of_one_with_both_batches(tmp_path, free_port):
    multiprocessing.spawn(worker, args=(tmp_path, free_port), nprocs=2)
    model = build_distill(tmp_path, methods=METHODS).double()
    inject(model, [0, 1])
    for part in PARTS:
        whole = gradients(model, batch([0, 1]), part)
        first, second = (
            torch.load(tmp_path / f'{part}{rank}.pth', weights_only=True) for rank in (0, 1)
        )
        assert any(key.startswith('backbone') and whole[key].any() for key in whole), part
        for key, expected in whole.items():
            torch.testing.assert_close(first[key], expected, rtol=1e-6, atol=1e-9, msg=part + key)
            assert torch.equal(first[key], second[key])
