import json

import pytest
import torch

from mmkd.registry import MODELS
from mmkd.testing import tiny_faster_rcnn_cfg
from mmkd.testing.batches import demo_batch
from mmkd.testing.distill import distill_cfg


def build(folder, **cache):
    cfg = distill_cfg(folder)
    if cache:
        cfg.teacher.cache = dict(folder=str(folder / 'cache'), **cache)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model


def step(model, flip=False, seed=0, **meta):
    torch.manual_seed(seed)
    data = model.data_preprocessor(demo_batch(), True)
    if flip:
        data['inputs'] = data['inputs'].flip(-1)
    for i, sample in enumerate(data['data_samples']):
        told = dict(img_path=f'{i}.jpg', flip=flip, flip_direction=None)
        sample.set_metainfo({**told, **meta})
    torch.manual_seed(seed)
    return {name: value for name, value in model(**data, mode='loss').items() if 'fgfi' in name}


def runs_of(model, monkeypatch):
    """How often the teacher's backbone runs."""
    runs = []
    backbone = model.teacher.answering.backbone
    forward = backbone.forward
    monkeypatch.setattr(backbone, 'forward', lambda x: runs.append(len(x)) or forward(x))
    return runs


def files(folder):
    return sorted((folder / 'cache').glob('*/*.safetensors'))


def test_what_is_read_is_what_was_computed_and_the_loss_is_that_without_a_cache(
    tmp_path, monkeypatch
):
    plain, cached = build(tmp_path), build(tmp_path, max_gb=1)
    expected, first = step(plain), step(cached)
    runs = runs_of(cached, monkeypatch)
    compared, second = step(cached), step(cached)
    assert runs == [2]  # the first batch that is read is compared, no later one
    for name in expected:
        torch.testing.assert_close(first[name], expected[name], rtol=1e-3, atol=1e-5)
        assert first[name] == compared[name] == second[name]
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize('other', [dict(flip=True), dict(scale_factor=(2.0, 2.0))])
def test_flips_and_scales_are_entries_of_their_own(tmp_path, other):
    model = build(tmp_path, max_gb=1)
    step(model)
    step(model, **other)
    assert len(files(tmp_path)) == 4


def test_a_step_that_lacks_one_image_adds_it(tmp_path, monkeypatch):
    model = build(tmp_path, max_gb=1)
    before = step(model)
    files(tmp_path)[0].unlink()
    files(tmp_path)[0].write_bytes(b'half a fi')
    runs = runs_of(model, monkeypatch)
    assert step(model) == before and runs == [2]
    assert len(files(tmp_path)) == 2 and step(model) == before


def test_pixels_that_the_key_does_not_tell_are_found_by_the_first_comparison(tmp_path):
    model = build(tmp_path, max_gb=1)
    step(model)
    data = model.data_preprocessor(demo_batch(), True)
    for i, sample in enumerate(data['data_samples']):
        sample.set_metainfo(dict(img_path=f'{i}.jpg', flip=False, flip_direction=None))
    data['inputs'] = data['inputs'].flip(-1)  # as a transform that is in no metainfo
    with pytest.raises(ValueError, match='other maps of 0.jpg than the teacher gives'):
        model(**data, mode='loss')


def test_beyond_its_limit_nothing_is_added(tmp_path):
    expected = step(build(tmp_path))
    for name, value in step(build(tmp_path, max_gb=1e-9)).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5)
    assert files(tmp_path) == []


def test_the_folder_of_another_teacher_is_refused(tmp_path):
    build(tmp_path, max_gb=1)
    note = json.loads((tmp_path / 'cache/teacher.json').read_text())
    assert 'teacher.pth' in note['teacher'] and len(note['fingerprint']) == 64
    build(tmp_path, max_gb=2)  # the same teacher
    teacher = tiny_faster_rcnn_cfg(base_channels=16, out_channels=24)
    teacher['rpn_head']['anchor_generator']['scales'] = [8]  # equal weights, another config
    cfg = distill_cfg(tmp_path, teacher=teacher, methods=[dict(type='mmkd.Hint')])
    cfg.teacher.cache = str(tmp_path / 'cache')
    with pytest.raises(ValueError, match='of another teacher or of other weights.*teacher.pth'):
        MODELS.build(cfg).init_weights()
    cfg = distill_cfg(tmp_path, methods=[dict(type='mmkd.Hint')])
    cfg.teacher.update(cache=str(tmp_path / 'cache'), dtype='bf16')  # what it holds is not rounded
    with pytest.raises(ValueError, match='of another teacher'):
        MODELS.build(cfg).init_weights()


@pytest.mark.parametrize(
    ('cache', 'text'),
    [
        (dict(folder='a', max_gb=0), 'teacher.cache: max_gb must be > 0, got 0'),
        (dict(foldr='a'), "has no argument 'foldr'"),
        (dict(max_gb=1), r"teacher.cache=\{'max_gb': 1\} has no folder"),
        (3, 'teacher.cache must be a dict of arguments of FeatureCache, got 3'),
    ],
)
def test_mistakes_are_named(tmp_path, cache, text):
    cfg = distill_cfg(tmp_path)
    cfg.teacher.cache = cache
    with pytest.raises(ValueError, match=text):
        MODELS.build(cfg)


def test_images_without_a_path_are_refused(tmp_path):
    model = build(tmp_path, max_gb=1)
    with pytest.raises(ValueError, match="knows an image by its path.*add 'img_path'"):
        step(model, img_path=None)


def test_a_checkpoint_is_needed_as_without_it(tmp_path):
    cfg = distill_cfg(tmp_path)
    cfg.teacher = dict(cfg.teacher, checkpoint=None, cache=str(tmp_path / 'cache'))
    with pytest.raises(ValueError, match='comes without weights'):
        MODELS.build(cfg).init_weights()
    assert not (tmp_path / 'cache').exists()
