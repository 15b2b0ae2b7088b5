import pytest

from mmkd.engine.commands.cache import fill_cache
from mmkd.testing import tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import distill_cfg


@pytest.fixture
def cfg(tmp_path):
    model = distill_cfg(tmp_path, methods=[dict(type='mmkd.Hint')])
    model.teacher.cache = str(tmp_path / 'cache')
    cfg = tiny_run_cfg(write_tiny_coco(tmp_path / 'data'), tmp_path / 'run', model)
    dataset = cfg.train_dataloader.dataset
    dataset.pipeline = [one for one in dataset.pipeline if one.type != 'PhotoMetricDistortion']
    return cfg


def files(tmp_path):
    return list((tmp_path / 'cache').glob('*/*.safetensors'))


def test_each_image_is_kept_as_it_is_and_flipped_once(cfg, tmp_path):
    images, size = fill_cache(cfg)
    assert images == len(files(tmp_path)) == 12
    assert 0.5 * size < sum(file.stat().st_size for file in files(tmp_path)) < 2 * size
    assert fill_cache(cfg) == (12, 0)


@pytest.mark.parametrize('max_gb', [1e-4, 1e-9])  # some entries fit, or none
def test_what_would_not_fit_is_refused_with_what_it_needs(cfg, tmp_path, max_gb):
    cfg.model.teacher.cache = dict(folder=str(tmp_path / 'cache'), max_gb=max_gb)
    with pytest.raises(ValueError, match=r'would need .* GB.*raise it: teacher.cache=dict'):
        fill_cache(cfg)
    assert len(files(tmp_path)) <= 2


def test_a_teacher_without_a_cache_is_named(cfg):
    del cfg.model.teacher['cache']
    with pytest.raises(ValueError, match='has no cache to fill.*model.teacher.cache=FOLDER'):
        fill_cache(cfg)
