import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmengine.structures import InstanceData

from mmkd.heads import ObjectBalancedSampler


def assigned(counts, negatives=50):
    """The first object has ``counts[0]`` positive anchors, the second ``counts[1]``, ..."""
    owners = [owner for i, count in enumerate(counts) for owner in [i + 1] * count]
    inds = torch.tensor(owners + [0] * negatives)
    return AssignResult(len(counts), inds, torch.rand(len(inds)), labels=torch.zeros_like(inds))


def sample(counts, num=20, seed=0):
    torch.manual_seed(seed)
    result = assigned(counts)
    boxes = torch.rand(len(result.gt_inds), 4)
    sampler = ObjectBalancedSampler(num, pos_fraction=0.5, add_gt_as_proposals=False)
    objects = InstanceData(
        bboxes=torch.rand(len(counts), 4), labels=torch.zeros(len(counts)).long()
    )
    return sampler.sample(result, InstanceData(priors=boxes), objects)


def test_a_small_object_is_drawn_as_often_as_a_large_one():
    owners = torch.cat([
        sample([90, 10], num=4, seed=seed).pos_assigned_gt_inds for seed in range(300)
    ])  # fmt: skip
    # Two of each draw; a uniform one would have a share of 0.1.
    assert 0.4 < (owners == 1).float().mean() < 0.6


def test_no_positive_is_drawn_twice_and_negatives_fill_up():
    found = sample([40, 3])
    assert len(found.pos_inds) == len(found.pos_inds.unique()) == 10 == len(found.neg_inds)


def test_few_positives_are_all_taken():
    assert sample([4, 1]).pos_inds.tolist() == [0, 1, 2, 3, 4]
    assert len(sample([0, 0]).pos_inds) == 0


def test_one_seed_gives_one_draw():
    assert torch.equal(sample([40, 9], seed=3).pos_inds, sample([40, 9], seed=3).pos_inds)
    assert not torch.equal(sample([40, 9], seed=3).pos_inds, sample([40, 9], seed=4).pos_inds)
