"""Promise 5: two processes see the gradient of one process with both batches.

Methods that relate the rows of one process see the mean of the two processes' own gradients.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from mmkd.observation import Observation, RoIOutput
from mmkd.testing import demo_batch, in_two_processes, tiny_faster_rcnn_cfg
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
    dict(type='mmkd.DIST'),
    dict(type='mmkd.RKD', rows='rois'),
    dict(type='mmkd.DarkRank', rows='rois'),
    dict(type='mmkd.TripletDistillation', rows='rois'),
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
# They relate RoIs to each other, those of one process.
RELATIONS = ('dist_rcn', 'rkd', 'dark_rank', 'triplet_distillation')
# A method of equal channels has a teacher of its own.
SETTINGS = {
    'most': (dict(methods=METHODS), (*PARTS, *RELATIONS)),
    'fsp': (
        dict(methods=[dict(type='mmkd.FSP')], teacher=tiny_faster_rcnn_cfg(base_channels=16)),
        ('fsp',),
    ),
}


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
        (1, 8, 4, 70, 50, 1),
    ],
    [
        (0, 10, 8, 50, 60, 1),
        (0, 0, 4, 30, 44, 1),
        (0, 40, 10, 90, 50, 0),
        (1, 1, 2, 64, 30, 3),
    ],
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
        student, head, embeddings = seen.student, model.student.roi_head, []
        hook = head.bbox_head.fc_cls.register_forward_pre_hook(
            lambda _, args: embeddings.append(args[0])
        )
        maps = head._bbox_forward(student.features, rois)
        hook.remove()
        answers = [maps[key] for key in ('bbox_feats', 'cls_score', 'bbox_pred')]
        roi_head = RoIOutput(rois, *answers, targets)
        fixed = Observation(
            features=lambda _: student.features,
            priors=lambda _: student.priors,
            proposals=lambda _: proposals,
            rpn=lambda _: sampled(student.rpn, ranks),
            roi_head=lambda _: roi_head,
            roi_embedding=lambda _: embeddings[0],
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


def losses_of(model, data, parts):
    """The loss of each part."""
    inner = getattr(model, 'module', model)
    # Batch norm by running statistics: batch statistics are per process by their nature.
    inner.eval()
    data = inner.data_preprocessor(data, True)
    losses = model(data['inputs'].double(), data['data_samples'], mode='loss')
    return {
        part: sum(value for key, value in losses.items() if f'loss_{part}' in key) for part in parts
    }


def gradients(model, losses):
    """Of each part, that of all parameters in a row, the first convolution's first."""

    def of(loss):
        parameters = list(model.parameters())
        found = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        return torch.cat([gradient.flatten() for gradient in found])

    return {part: of(loss) for part, loss in losses.items()}


def one_of_two(folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group('gloo')
    rank = distributed.get_rank()
    own = folder / str(rank)
    own.mkdir()
    for name, (settings, parts) in SETTINGS.items():
        inner = build_distill(own, **settings).double()
        inject(inner, [rank])
        model = DistributedDataParallel(inner, find_unused_parameters=True)
        losses = losses_of(model, batch([rank]), parts)
        found = gradients(inner, losses)
        sum(losses.values()).backward()  # here the two meet
        met = [torch.zeros_like(p) if p.grad is None else p.grad for p in inner.parameters()]
        found['all'] = torch.cat([gradient.flatten() for gradient in met])
        torch.save(found, folder / f'{name}{rank}.pth')
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_see_the_gradient_of_one_with_both_batches(tmp_path):
    ends = in_two_processes(one_of_two, tmp_path, log=tmp_path / 'log')
    assert ends == [0, 0], (tmp_path / 'log_0').read_text()[-3000:]
    for name, (settings, parts) in SETTINGS.items():
        first, second = (
            torch.load(tmp_path / f'{name}{rank}.pth', weights_only=True) for rank in (0, 1)
        )
        model = build_distill(tmp_path, **settings).double()
        count = model.backbone.conv1.weight.numel()

        def alone(ranks, chosen, model=model):
            inject(model, ranks)
            return gradients(model, losses_of(model, batch(ranks), chosen))

        related = [part for part in parts if part in RELATIONS]
        expected = alone([0, 1], [part for part in parts if part not in RELATIONS])
        apart = [alone([rank], related) for rank in (0, 1)] if related else []
        for part in related:
            assert all(one[part][:count].any() for one in apart), part
            expected[part] = (apart[0][part] + apart[1][part]) / 2
        assert all(expected[part][:count].any() for part in parts)
        expected['all'] = sum(expected.values())
        for part, gradient in expected.items():
            mean = (first[part] + second[part]) / 2
            torch.testing.assert_close(mean, gradient, rtol=1e-6, atol=1e-9, msg=part)
        assert torch.equal(first['all'], second['all'])
