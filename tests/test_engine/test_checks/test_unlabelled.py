"""Unlabelled images, their sampler and their setting are refused without each other."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config

from mmkd.engine.checks.arguments import check_arguments, check_model
from mmkd.engine.checks.preflight import check_training
from mmkd.engine.checks.unlabelled import check_unlabelled
from mmkd.testing import tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import distill_cfg


@pytest.fixture
def cfg(tmp_path):
    """A config that passes."""
    model = distill_cfg(tmp_path, unlabelled=dict(score_thr=0.5, task_weight=1))
    return tiny_run_cfg(write_tiny_coco(tmp_path / 'data'), tmp_path / 'run', model)


def test_together_they_pass(cfg):
    check_training(cfg)


def test_images_without_the_setting(cfg):
    del cfg.model['unlabelled']
    text = r'^train_dataloader.dataset.type=mmkd.WithUnlabelled.*set model.unlabelled=dict\('
    with pytest.raises(ValueError, match=text):
        check_training(cfg)
    cfg.model = cfg.model.student
    with pytest.raises(ValueError, match=text):
        check_training(cfg)


def test_the_setting_without_images(cfg):
    cfg.train_dataloader.dataset = cfg.train_dataloader.dataset.labelled
    with pytest.raises(ValueError, match=r"^model.unlabelled=\{'score_thr': 0.5.*WithUnlabelled"):
        check_training(cfg)


def test_another_sampler(cfg):
    cfg.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=True)
    with pytest.raises(ValueError, match=r'sampler.type=DefaultSampler.*UnlabelledSampler'):
        check_training(cfg)


@pytest.mark.parametrize('part', ['labelled', 'unlabelled'])
def test_the_files_and_arguments_of_both_are_looked_at(cfg, part):
    dataset = cfg.train_dataloader.dataset[part]
    dataset.ann_file = 'none.json'
    with pytest.raises(FileNotFoundError, match=f'dataset.{part}.ann_file: .*none.json'):
        check_training(cfg)
    dataset.an_file = 'a.json'
    with pytest.raises(ValueError, match=f"dataset.{part}.an_file='a.json'.*'ann_file'"):
        check_training(cfg)


def test_the_classes_of_unlabelled_images_are_no_matter(cfg):
    cfg.train_dataloader.dataset.unlabelled.metainfo = dict(classes=('other',))
    check_training(cfg)


def test_the_config_of_the_page_passes(tmp_path):
    root = Path(__file__).resolve().parents[3]
    (text,) = re.findall(r'```python\n(.*?)```', (root / 'docs/unlabelled.md').read_text(), re.S)
    (tmp_path / 'config.py').write_text(text.replace('./pairs', str(root / 'configs/pairs')))
    cfg = Config.fromfile(tmp_path / 'config.py')
    for check in (check_unlabelled, check_model):
        check(cfg)
    check_arguments(cfg, ['train'])
    assert cfg.train_dataloader.dataset.labelled.indices == 29
    assert cfg.train_dataloader.batch_sampler.type == 'AspectRatioBatchSampler'
