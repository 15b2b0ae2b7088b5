"""Labelled and unlabelled images: what a sample holds, and what an epoch draws."""

import copy

import pytest
from mmdet.datasets import AspectRatioBatchSampler
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from mmkd.datasets import UnlabelledSampler, WithUnlabelled
from mmkd.testing import tiny_run_cfg, write_tiny_coco


@pytest.fixture(scope='module')
def part(tmp_path_factory):
    """Config of six images with two boxes each."""
    root = write_tiny_coco(tmp_path_factory.mktemp('data'))
    return tiny_run_cfg(root, root, model={}).train_dataloader.dataset


def mixed(part, labelled=4, unlabelled=6, **kw):
    def first(number):
        return dict(copy.deepcopy(part), indices=number)

    settings = dict(labelled=first(labelled), unlabelled=first(unlabelled), **kw)
    return DATASETS.build(dict(type='mmkd.WithUnlabelled', **settings))


def epoch_of(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


class TestDataset:
    def test_an_unlabelled_sample_has_no_box_and_says_so(self, part):
        dataset = mixed(part)
        UnlabelledSampler(dataset)
        first, last = (dataset[index]['data_samples'] for index in (0, 4))
        assert len(first.gt_instances) == 2 and first.unlabelled is False
        assert len(last.gt_instances) == len(last.ignored_instances) == 0 and last.unlabelled
        assert last.gt_instances.bboxes.tensor.shape == (0, 4)
        assert first.img_path == last.img_path  # both sets begin with it

    def test_without_its_sampler_labelled_samples_are_not_marked(self, part):
        assert 'unlabelled' not in mixed(part)[0]['data_samples'].metainfo

    def test_classes_and_sizes_are_those_of_its_parts(self, part):
        dataset = mixed(part, labelled=2)
        assert dataset.metainfo['classes'] == ('class0', 'class1', 'class2')
        assert len(dataset) == 8
        assert dataset.get_data_info(3)['img_id'] == 1

    def test_wrappers_stand_inside(self, part):
        labelled = dict(type='RepeatDataset', times=3, dataset=copy.deepcopy(part))
        dataset = DATASETS.build(
            dict(type='mmkd.WithUnlabelled', labelled=labelled, unlabelled=copy.deepcopy(part))
        )
        assert dataset.num_labelled == 18 and dataset[17]['data_samples'].img_id == 5

    @pytest.mark.parametrize('kw, text', [
        (dict(ratio=0), 'ratio must be > 0, got 0'),
        (dict(unlabelled=[]), r'unlabelled has no image.*filter_empty_gt=False'),
    ])  # fmt: skip
    def test_what_cannot_be_mixed_is_refused(self, part, kw, text):
        with pytest.raises(ValueError, match=text):
            WithUnlabelled(**{'labelled': [0], 'unlabelled': [0], **kw})

    def test_a_pipeline_that_packs_nothing_is_refused(self, part):
        bare = dict(copy.deepcopy(part), pipeline=[])
        with pytest.raises(ValueError, match='end it with PackDetInputs'):
            WithUnlabelled(bare, bare)[0]


class TestSampler:
    def test_an_epoch_is_one_pass_over_the_labelled_images(self, part):
        sampler = UnlabelledSampler(mixed(part), seed=1)
        for epoch in range(3):
            drawn = epoch_of(sampler, epoch)
            assert len(drawn) == len(sampler) == 8
            assert sorted(drawn[::2]) == [0, 1, 2, 3]  # every batch of two has one of each
            assert all(index >= 4 for index in drawn[1::2])

    @pytest.mark.parametrize('ratio, kinds', [(2, 'LUU' * 4), (0.5, 'LULLUL'), (0.1, 'LULLL')])
    def test_the_ratio_is_kept_along_the_epoch(self, part, ratio, kinds):
        drawn = list(UnlabelledSampler(mixed(part, ratio=ratio), seed=1))
        assert ''.join('LU'[index >= 4] for index in drawn) == kinds

    def test_unlabelled_images_are_seen_equally_often_over_epochs(self, part):
        sampler = UnlabelledSampler(mixed(part), seed=1)
        # Four an epoch of six: three epochs are two rounds.
        drawn = [index for epoch in range(3) for index in epoch_of(sampler, epoch) if index >= 4]
        assert sorted(drawn) == sorted(2 * list(range(4, 10)))
        assert sorted(drawn[:6]) == list(range(4, 10))

    def test_it_is_a_function_of_seed_and_epoch(self, part):
        def drawn(seed, epoch):
            return epoch_of(UnlabelledSampler(mixed(part), seed=seed), epoch)

        assert drawn(1, 2) == drawn(1, 2)
        assert len({tuple(drawn(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4

    def test_unshuffled_it_keeps_the_order(self, part):
        sampler = UnlabelledSampler(mixed(part), shuffle=False, seed=1)
        assert epoch_of(sampler, 0) == [0, 4, 1, 5, 2, 6, 3, 7]
        assert epoch_of(sampler, 1) == [0, 8, 1, 9, 2, 4, 3, 5]

    def test_ranks_share_both_kinds_evenly(self, part, monkeypatch):
        shares = []
        for rank in range(2):
            monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda r=rank: (r, 2))
            sampler = UnlabelledSampler(mixed(part, labelled=5, ratio=2), seed=1)
            shares.append(epoch_of(sampler, 0))
            assert len(shares[-1]) == len(sampler) == 9
        labelled, others = (
            [index for share in shares for index in share if (index < 5) == own]
            for own in (True, False)
        )
        assert len(labelled) == 6 and set(labelled) == set(range(5))
        assert len(others) == 12 and sorted(others) == sorted(2 * list(range(5, 11)))

    def test_mmengine_builds_it_and_mmdetection_batches_by_shape(self, part):
        loader = dict(
            dataset=dict(type='mmkd.WithUnlabelled', labelled=part, unlabelled=part),
            sampler=dict(type='mmkd.UnlabelledSampler'),
            batch_sampler=dict(type='AspectRatioBatchSampler'),
            batch_size=2,
            num_workers=0,
        )
        loader = Runner.build_dataloader(loader, seed=3)
        assert isinstance(loader.batch_sampler, AspectRatioBatchSampler)
        assert loader.batch_sampler.sampler.seed == 3
        kinds = [[one.unlabelled for one in batch['data_samples']] for batch in loader]
        assert kinds == [[False, True]] * 6

    @pytest.mark.parametrize('wrap', [
        lambda one: DATASETS.build(dict(type='RepeatDataset', times=2, dataset=one)),
        lambda one: [one],
    ])  # fmt: skip
    def test_another_data_set_is_refused(self, part, wrap):
        with pytest.raises(ValueError, match=r'samples a mmkd.WithUnlabelled, got .* inside'):
            UnlabelledSampler(wrap(copy.deepcopy(part)))

    def test_it_is_a_default_sampler_to_the_hooks_of_the_host(self, part):
        assert isinstance(UnlabelledSampler(mixed(part), seed=1), DefaultSampler)
