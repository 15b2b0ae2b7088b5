"""Fine-grained feature imitation (Wang et al., CVPR 2019)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmkd.losses import ImitationLoss
from mmkd.modules import ConvAdapter, ImitationRegion, move_priors, pair_levels, resize_like
from mmkd.observation import Batch, Layout, Observation, Priors
from mmkd.registry import MODELS, TASK_UTILS
from mmkd.settings import check_flag, check_number

from .base import DistillMethod
from .schedule import ScheduleSetting


@MODELS.register_module()
class FGFI(DistillMethod):
    """The student imitates the teacher's features in the cells near objects.

    Source: Tao Wang, Li Yuan, Xiaopeng Zhang, Jiashi Feng. Distilling Object Detectors with
    Fine-grained Feature Imitation. CVPR 2019, sections 3.2 and 3.3; constants from the official
    code. Deviations, each with its reason, are in ``docs/methods/fgfi.md``.

    Args:
        loss_weight: Their lambda; 0.01 in the official code. Begin where the logged ``loss_fgfi``
            is about as large as the detection losses.
        psi: Threshold factor in [0, 1].
        max_over: Where the best IoU of a box is sought: ``'all'`` levels, each ``'level'``, or the
            ``'assigned'`` level alone, which measured best (``docs/methods/fgfi.md``). The three
            agree on a single map.
        adapt_relu: Whether the adaptation layers end in a ReLU; None: where the teacher's map is
            itself rectified.
        warmup_iters: Iterations at the start of training in which the loss counts 0; 400 in the
            official code. Short for a schedule of ``loss_weight``; give one or the other.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        anchor_generator: Config of the anchors that define "near", over all student levels. By
            default those of the student's RPN or dense head; one square of 8 strides a cell for
            heads that have points.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 0.01,
        psi: float = 0.5,
        max_over: str = 'assigned',
        adapt_relu: bool | None = None,
        warmup_iters: int = 0,
        levels: Sequence[Sequence[int]] | None = None,
        anchor_generator: dict | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(_delayed(loss_weight, warmup_iters), name)
        check_flag('adapt_relu', adapt_relu, none=True)
        if anchor_generator is not None and not isinstance(anchor_generator, Mapping):
            raise ValueError(
                'anchor_generator must be a dict of its settings, e.g. dict(scales=[8], '
                f'ratios=[1.0], strides=[8, 16]), got {anchor_generator!r}.'
            )
        self.region = ImitationRegion(psi, max_over)
        self.loss = ImitationLoss(self.loss_weight)
        self.adapt_relu = adapt_relu
        self.levels = levels
        self.anchor_generator = anchor_generator

    def setup(self, student: Layout, teacher: Layout) -> None:
        """Pairs the levels and builds one 3x3 adaptation layer a pair."""
        self.pairs = pair_levels(student.strides, teacher.strides, self.levels, teacher.pairing)
        self.strides = (student.strides, teacher.strides)
        self.finest_scale = student.finest_scale
        self.generator = self._build_generator(student)
        self.adapters = nn.ModuleList(
            ConvAdapter(
                student.channels[i],
                teacher.channels[j],
                kernel_size=3,
                relu=teacher.rectified[j] if self.adapt_relu is None else self.adapt_relu,
                init_std=1e-4,
            )
            for i, j in self.pairs
        )

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>`` and, to watch, ``<name>_cells``: the kept share of all cells."""
        targets = [teacher.features[j] for _, j in self.pairs]
        adapted = [
            adapter(resize_like(student.features[i], target))
            for adapter, (i, _), target in zip(self.adapters, self.pairs, targets, strict=True)
        ]
        masks = self.masks(student, teacher, batch)
        loss = self.loss(student=adapted, teacher=targets, mask=masks)
        kept = torch.stack([mask.sum() for mask in masks]).sum()
        return {
            f'loss_{self.name}': loss,
            f'{self.name}_cells': kept / sum(mask.numel() for mask in masks),
        }

    def masks(self, student: Observation, teacher: Observation, batch: Batch) -> list[Tensor]:
        """The imitated cells of each level pair, (B, H, W) bool on the teacher's grid."""
        priors = student.priors if self.generator is None else self._grid(student, batch)
        student_strides, teacher_strides = self.strides
        moved, sizes = [], []
        for i, j in self.pairs:
            size, target = student.features[i].shape[-2:], teacher.features[j].shape[-2:]
            ratio = teacher_strides[j] / student_strides[i]
            moved.append(
                move_priors(
                    priors.anchors[i],
                    priors.valid[i],
                    size,
                    target,
                    stride=student_strides[i],
                    ratio=ratio,
                )
            )
            sizes.append((target[0], target[1]))
        anchors, valid = zip(*moved, strict=True)
        strides = [teacher_strides[j] for _, j in self.pairs]
        finest_scale = self.finest_scale * min(strides) / min(student_strides)
        return self.region(batch.gt_bboxes, anchors, valid, sizes, strides, finest_scale)

    def _build_generator(self, student: Layout) -> Any:
        if self.anchor_generator is None and 'priors' in student.fields:
            return None
        square = dict(
            type='mmdet.AnchorGenerator', ratios=[1.0], octave_base_scale=8, scales_per_octave=1
        )
        config = dict(self.anchor_generator or dict(square, strides=list(student.strides)))
        config.setdefault('type', 'mmdet.AnchorGenerator')
        generator = TASK_UTILS.build(config)
        if generator.num_levels != len(student.strides):
            raise ValueError(
                f'anchor_generator of {self.name} has {generator.num_levels} levels, the student '
                f'has {len(student.strides)}: give it strides={list(student.strides)}.'
            )
        return generator

    def _grid(self, student: Observation, batch: Batch) -> Priors:
        sizes = [tuple(level.shape[-2:]) for level in student.features]
        device = student.features[0].device
        flags = [
            self.generator.valid_flags(sizes, meta['pad_shape'], device) for meta in batch.metas
        ]
        return Priors(
            anchors=self.generator.grid_priors(sizes, device=device),
            valid=[torch.stack(level) for level in zip(*flags, strict=True)],
        )


def _delayed(loss_weight: ScheduleSetting, iterations: int) -> ScheduleSetting:
    check_number('warmup_iters', iterations, '>= 0', whole=True)
    if not iterations:
        return loss_weight
    if not isinstance(loss_weight, (int, float)):
        raise ValueError(
            f'warmup_iters={iterations} needs loss_weight to be a number, got {loss_weight}: put '
            "the warm-up into the schedule, dict(type='constant', value=0) as its first piece."
        )
    return [
        dict(type='constant', value=0.0),
        dict(type='constant', value=loss_weight, begin=iterations, by_epoch=False),
    ]
