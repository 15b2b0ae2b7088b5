import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmkd.datasets import SHAPES_CLASSES, VOCFolderDataset, shapes
from mmkd.datasets.shapes import (
    ShapesConfig,
    draw_shapes,
    render_shapes_image,
    shapes_fingerprint,
)

ROOT = Path(__file__).parents[2]
SMALL = ShapesConfig(train=6, val=3, width=128, height=96, seed=5)
FULL = ShapesConfig()


@pytest.fixture(scope='module')
def scenes():
    """Objects of 150 default images."""
    return [render_shapes_image('train', index, FULL)[1] for index in range(150)]


def test_the_same_seed_draws_the_same_bytes(tmp_path):
    assert draw_shapes(tmp_path / 'a', SMALL) and draw_shapes(tmp_path / 'b', SMALL)
    assert shapes_fingerprint(tmp_path / 'a') == shapes_fingerprint(tmp_path / 'b')
    draw_shapes(tmp_path / 'c', ShapesConfig(**{**SMALL.__dict__, 'seed': 6}))
    assert shapes_fingerprint(tmp_path / 'a') != shapes_fingerprint(tmp_path / 'c')


def test_an_image_depends_on_neither_order_nor_counts(tmp_path):
    draw_shapes(tmp_path / 'a', SMALL)
    more = ShapesConfig(train=9, val=3, width=128, height=96, seed=5)
    draw_shapes(tmp_path / 'b', more)
    for name in ('train_00005', 'val_00002'):
        files = [(tmp_path / s / f'JPEGImages/{name}.jpg').read_bytes() for s in 'ab']
        assert files[0] == files[1]
    assert not np.array_equal(*(render_shapes_image(s, 2, more)[0] for s in ('train', 'val')))
    late = render_shapes_image('val', 2, more)[0]
    decoded = cv2.imread(str(tmp_path / 'a/JPEGImages/val_00002.jpg'))
    assert np.abs(decoded.astype(int) - late).mean() < 12  # the coding's loss alone


def test_the_set_loads_without_any_rule_relaxed(tmp_path):
    draw_shapes(tmp_path / 'set', SMALL)
    for split, count in (('train', 6), ('val', 3), ('trainval', 9)):
        dataset = VOCFolderDataset(
            data_root=str(tmp_path / 'set'),
            ann_file=f'ImageSets/Main/{split}.txt',
            metainfo=dict(classes=SHAPES_CLASSES),
        )
        assert len(dataset) == count


def test_boxes_survive_the_round_trip_through_the_file(tmp_path):
    draw_shapes(tmp_path / 'set', SMALL)
    dataset = VOCFolderDataset(
        data_root=str(tmp_path / 'set'), metainfo=dict(classes=SHAPES_CLASSES)
    )
    for index in range(6):
        drawn = render_shapes_image('train', index, SMALL)[1]
        read = dataset.get_data_info(index)['instances']
        assert [x['bbox'] for x in read] == [[v - 1 for v in d.box] for d in drawn]
        assert [SHAPES_CLASSES[x['bbox_label']] for x in read] == [d.name for d in drawn]
        assert [x['ignore_flag'] for x in read] == [d.difficult for d in drawn]


def test_boxes_enclose_the_painted_pixels(monkeypatch):
    # Noise off and one object: what differs from the background is the object.
    seen = []

    def flat(rng, height, width):
        return np.full((height, width, 3), 100, np.float32)

    def white(image, mask, name, rng):
        seen.append(mask)
        image[mask] = 255

    monkeypatch.setattr(shapes, 'background', flat)
    monkeypatch.setattr(shapes, 'paint', white)
    for index in range(20):
        seen.clear()
        _, objects = shapes.render_shapes_image('train', index, FULL)
        ys, xs = np.nonzero(seen[-1])  # the last object is hidden by none
        expected = (xs.min() + 1, ys.min() + 1, xs.max() + 1, ys.max() + 1)
        assert objects[-1].box == expected


def test_boxes_lie_inside_and_have_an_area(scenes):
    for objects in scenes:
        assert objects
        for x1, y1, x2, y2 in (drawn.box for drawn in objects):
            assert 1 <= x1 < x2 <= 256 and 1 <= y1 < y2 <= 192


def test_every_class_is_there_and_the_first_far_more_often_than_the_last(scenes):
    names = [drawn.name for objects in scenes for drawn in objects]
    counts = [names.count(name) for name in SHAPES_CLASSES]
    assert len(SHAPES_CLASSES) == 10 and min(counts) > 10
    assert counts[0] > 3 * counts[-1]


def test_sizes_differ_widely_and_some_objects_are_difficult(scenes):
    drawn = [d for objects in scenes for d in objects]
    sides = sorted(max(d.box[2] - d.box[0], d.box[3] - d.box[1]) + 1 for d in drawn)
    assert sides[len(sides) // 20] < 16 and sides[-len(sides) // 20] > 90
    assert 0.02 < np.mean([d.difficult for d in drawn]) < 0.15
    assert 0.02 < np.mean([d.truncated for d in drawn]) < 0.4
    tiny = [d for d in drawn if max(d.box[2] - d.box[0], d.box[3] - d.box[1]) + 1 < 11]
    assert tiny and all(d.difficult for d in tiny)


def test_a_complete_identical_set_is_reused(tmp_path):
    assert draw_shapes(tmp_path / 'set', SMALL)
    before = (tmp_path / 'set/shapes.json').stat().st_mtime_ns
    assert not draw_shapes(tmp_path / 'set', SMALL)
    assert (tmp_path / 'set/shapes.json').stat().st_mtime_ns == before


def test_another_or_a_changed_set_is_refused_and_replaced_only_by_force(tmp_path):
    out = tmp_path / 'set'
    draw_shapes(out, SMALL)
    other = ShapesConfig(train=2, val=1, width=128, height=96)
    with pytest.raises(FileExistsError, match=r'out_dir=.*--force'):
        draw_shapes(out, other)
    (out / 'Annotations/train_00000.xml').write_text('edited')
    with pytest.raises(FileExistsError, match='--force'):
        draw_shapes(out, SMALL)
    assert draw_shapes(out, other, force=True)
    assert len(list((out / 'JPEGImages').iterdir())) == 3
    assert not draw_shapes(out, other)


@pytest.mark.parametrize('foreign', ['notes.txt', 'Annotations/mine.xml'])
def test_force_never_deletes_what_it_did_not_draw(tmp_path, foreign):
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).write_text('mine')
    with pytest.raises(FileExistsError, match='no set of shapes'):
        draw_shapes(tmp_path, SMALL, force=True)
    assert (tmp_path / foreign).read_text() == 'mine'


def test_an_interrupted_run_leaves_no_half_set(tmp_path):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_shapes(tmp_path / 'set', SMALL, on_image=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name, low', [('train', 1), ('val', 1), ('width', 64), ('seed', 0)])
def test_a_number_out_of_range_is_refused_by_name(name, low):
    with pytest.raises(ValueError, match=f'{name} must be >= {low}, got {low - 1}'):
        ShapesConfig(**{name: low - 1})


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command in this process: exit status, and what it printed."""

    def call(*args):
        monkeypatch.setattr(sys, 'argv', ['make_shapes.py', *args])
        script = ROOT / 'tools/dataset_converters/make_shapes.py'
        try:
            runpy.run_path(str(script), run_name='__main__')
        except SystemExit as stop:
            return stop.code, *capsys.readouterr()

    return call


def test_the_command_draws_reuses_and_refuses(tmp_path, run):
    out = str(tmp_path / 'set')
    options = ['--train', '3', '--val', '2', '--size', '128', '96', '--seed', '4']
    first, second = run(out, *options), run(out, *options)
    assert first[0] == second[0] == 0
    assert 'drawn' in first[1] and 'reused' in second[1]
    manifest = json.loads((tmp_path / 'set/shapes.json').read_text())
    assert manifest['config'] == dict(train=3, val=2, width=128, height=96, seed=4)
    status, _, message = run(out, '--train', '4')
    assert status == 2 and message.startswith('error: ') and '--force' in message
    assert 'train must be >= 1' in run(out, '--train', '0')[2]
    assert run(out, *options[:-1], '5', '--force')[0] == 0


def test_a_set_that_another_version_drew_is_not_trained_on(tmp_path):
    folder = tmp_path / 'set'
    draw_shapes(folder, SMALL)
    classes = json.loads((folder / 'shapes.json').read_text())['classes']
    VOCFolderDataset(data_root=str(folder), metainfo=dict(classes=classes))
    manifest = json.loads((folder / 'shapes.json').read_text())
    (folder / 'shapes.json').write_text(json.dumps({**manifest, 'version': 1}))
    with pytest.raises(ValueError, match=r'drawing 1, this mmkd draws \d+: .*--force'):
        VOCFolderDataset(data_root=str(folder), metainfo=dict(classes=classes))
