import pytest

from mmkd.engine.checks.cache import check_cache
from mmkd.engine.checks.preflight import check_training, teacher_settings
from mmkd.testing import tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import distill_cfg


@pytest.fixture
def cfg(tmp_path):
    model = distill_cfg(tmp_path)
    model.teacher.cache = str(tmp_path / 'cache')
    cfg = tiny_run_cfg(write_tiny_coco(tmp_path / 'data'), tmp_path / 'run', model)
    dataset = cfg.train_dataloader.dataset
    dataset.pipeline = [one for one in dataset.pipeline if one.type != 'PhotoMetricDistortion']
    return cfg


def check(cfg):
    check_cache(cfg, teacher_settings(cfg))


def test_resize_and_flip_pass(cfg):
    check_training(cfg)


@pytest.mark.parametrize('name', ['RandomCrop', 'mmdet.PhotoMetricDistortion', 'Mosaic'])
def test_a_transform_that_no_key_tells_is_named(cfg, name):
    cfg.train_dataloader.dataset.pipeline.insert(2, dict(type=name))
    text = rf'^model.teacher.cache knows .*dataset.pipeline.2, {name.split(".")[-1]}, changes it'
    with pytest.raises(ValueError, match=text):
        check(cfg)
    del cfg.model.teacher['cache']
    check(cfg)


def test_metainfo_that_leaves_out_what_tells_them_apart_is_named(cfg):
    cfg.train_dataloader.dataset.pipeline[-1].meta_keys = ('img_path', 'img_shape', 'scale_factor')
    with pytest.raises(ValueError, match=r"meta_keys=.* lacks \['flip', 'flip_direction'\]"):
        check(cfg)
