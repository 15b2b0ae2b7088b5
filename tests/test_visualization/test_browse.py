import importlib.util
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from rich.console import Console

from mmkd.testing.kitti_folders import write_kitti_folder
from mmkd.visualization.browse import draw_dataset

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(248, 74), keep_ratio=True),
    dict(type='RandomFlip', prob=1.0),
    dict(type='PackDetInputs'),
]


@pytest.fixture
def dataset(tmp_path):
    rows = [
        ('Car', 0.0, 0, 10.0, 5.0, 40.0, 30.0), ('DontCare', -1.0, -1, 80.0, 5.0, 110.0, 30.0),
    ]  # fmt: skip
    write_kitti_folder(tmp_path / 'data', {'000001': rows, '000002': []})
    config = dict(type='mmkd.KITTIDataset', data_root=str(tmp_path / 'data'), pipeline=PIPELINE)
    return DATASETS.build(config)


def changed(path):
    """Columns in which the picture differs from its plain grey image."""
    picture = cv2.imread(str(path)).astype(int)
    return picture.shape, np.flatnonzero((np.abs(picture - 128).max(axis=2) > 60).any(axis=0))


def test_raw_boxes_stand_where_the_files_say(dataset, tmp_path):
    path, empty = draw_dataset(dataset, tmp_path / 'out', [0, 1], raw=True)
    assert (path.name, empty.name) == ('000000_000001.png', '000001_000002.png')
    shape, columns = changed(path)
    assert shape == (37, 124, 3)
    assert np.abs(columns - 10).min() <= 2 and np.abs(columns - 40).min() <= 2
    assert np.abs(columns - 80).min() <= 2  # the ignored region is drawn too
    assert not len(changed(empty)[1])


def test_after_the_pipeline_they_are_flipped_and_scaled(dataset, tmp_path):
    shape, columns = changed(draw_dataset(dataset, tmp_path / 'out', [0])[0])
    assert shape == (74, 248, 3)
    # x becomes 248 - 2 x: the car reaches from 168 to 228.
    assert np.abs(columns - 168).min() <= 3 and np.abs(columns - 228).min() <= 3


def test_a_picture_is_not_replaced_unless_asked(dataset, tmp_path):
    path = draw_dataset(dataset, tmp_path / 'out', [1], raw=True)[0]
    path.write_text('mine')
    with pytest.raises(FileExistsError, match='--force'):
        draw_dataset(dataset, tmp_path / 'out', [0, 1], raw=True)
    assert path.read_text() == 'mine' and len(list(path.parent.iterdir())) == 1
    draw_dataset(dataset, tmp_path / 'out', [1], raw=True, force=True)
    assert cv2.imread(str(path)) is not None


@pytest.fixture
def tool():
    path = Path(__file__).resolve().parents[2] / 'tools/browse_dataset.py'
    spec = importlib.util.spec_from_file_location('browse_dataset_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_boxes_that_a_pipeline_loads_last_are_scaled_with_the_image(dataset, tool, tmp_path):
    load, boxes, resize, _, pack = PIPELINE
    part = dict(
        type='mmkd.KITTIDataset',
        data_root=str(tmp_path / 'data'),
        pipeline=[load, resize, boxes, pack],
    )
    config = tmp_path / 'config.py'
    both = dict(type='ConcatDataset', datasets=[part])
    config.write_text(f'val_dataloader = dict(dataset={both!r})')
    args = tool.parse_args([str(config), str(tmp_path / 'out'), '--split', 'val', '--num', '1'])
    tool.run(args, Console(file=io.StringIO()))
    shape, columns = changed(tmp_path / 'out' / '000000_000001.png')
    assert shape == (74, 248, 3)
    assert columns.min() >= 17 and np.abs(columns - 220).min() <= 3  # 10 and 110 in the file


def test_the_tool_says_that_it_reads_before_it_draws_and_on_a_terminal_alone(tool, tmp_path):
    write_kitti_folder(tmp_path / 'data', {'000001': [], '000002': []})
    config = tmp_path / 'config.py'
    dataset = dict(type='mmkd.KITTIDataset', data_root=str(tmp_path / 'data'), pipeline=PIPELINE)
    config.write_text(f'train_dataloader = dict(dataset={dataset!r})\n')
    said = {}
    for terminal in (True, False):
        console = Console(file=io.StringIO(), width=200, force_terminal=terminal)
        out = tmp_path / f'out_{terminal}'
        tool.run(tool.parse_args([str(config), str(out), '--raw']), console)
        said[terminal] = console.file.getvalue()
        assert len(list(out.iterdir())) == 2
    assert 'reading the train set' in said[True] and 'drawing' in said[True]
    assert 'reading' not in said[False] and '2 pictures in' in said[False]
