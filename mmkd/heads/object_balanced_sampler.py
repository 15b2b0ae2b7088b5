"""A sampler whose positives are drawn object by object."""

import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.models.task_modules.samplers import RandomSampler
from torch import Tensor

from mmkd.registry import TASK_UTILS


@TASK_UTILS.register_module()
class ObjectBalancedSampler(RandomSampler):
    """``RandomSampler`` in which every object has the same chance, however many anchors meet it.

    On a single map a large object has dozens of positive anchors and a small one few, which a
    uniform draw hardly ever takes. Here an anchor's chance is one over its object's number of
    positives. MMDetection's ``InstanceBalancedPosSampler`` has the same aim, but fills up from a
    set of tensors, whose order is that of their addresses: two runs of one seed would differ.

    Args:
        kwargs: Those of ``RandomSampler``.
    """

    def _sample_pos(
        self, assign_result: AssignResult, num_expected: int, **kwargs: object
    ) -> Tensor:
        """Indices of at most ``num_expected`` positives, without repetition."""
        positive = (assign_result.gt_inds > 0).nonzero().squeeze(1)
        if len(positive) <= num_expected:
            return positive
        owner = assign_result.gt_inds[positive]
        chance = 1 / owner.bincount()[owner]
        return positive[torch.multinomial(chance, num_expected)]
