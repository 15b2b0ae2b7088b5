import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from rich.console import Console

from mmkd.datasets import read_wider_face_list, wider_face_to_voc
from mmkd.engine.readable_errors import run_readably

LIST = """0--Parade/0_Parade_1.jpg
3
10 20 30 40 0 0 0 0 0 0
5 5 0 9 2 0 0 0 0 0
50 5 9 9 2 0 0 1 0 0
0--Parade/0_Parade_2.jpg
0
0 0 0 0 0 0 0 0 0 0
1--Handshaking/1_Handshaking_1.jpg
1
1 2 3 4 0 0 0 0 0 0
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'wider_face_split').mkdir()
    (tmp_path / 'wider_face_split/wider_face_val_bbx_gt.txt').write_text(LIST)
    for name in ('0--Parade/0_Parade_1', '0--Parade/0_Parade_2', '1--Handshaking/1_Handshaking_1'):
        path = tmp_path / f'WIDER_val/images/{name}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((60, 80, 3), np.uint8))
    return tmp_path


def test_an_image_without_faces_has_a_line_that_is_none(root):
    faces = read_wider_face_list(root / 'wider_face_split/wider_face_val_bbx_gt.txt')
    assert [len(rows) for rows in faces.values()] == [3, 0, 1]
    assert faces['1--Handshaking/1_Handshaking_1.jpg'] == [(1, 2, 3, 4, 0, 0, 0, 0, 0, 0)]


def test_mmdetections_data_set_reads_what_is_written(root):
    faces = read_wider_face_list(root / 'wider_face_split/wider_face_val_bbx_gt.txt')
    assert wider_face_to_voc(faces, root, 'val') == (3, 1)
    dataset = DATASETS.build(dict(
        type='WIDERFaceDataset', data_root=str(root), ann_file='val.txt',
        data_prefix=dict(img='WIDER_val'), test_mode=True,
    ))  # fmt: skip
    first, second, third = (dataset.get_data_info(i) for i in range(3))
    assert [i['bbox'] for i in first['instances']] == [[10, 20, 40, 60], [50, 5, 59, 14]]
    assert [i['ignore_flag'] for i in first['instances']] == [0, 1]
    assert second['instances'] == [] and [i['bbox'] for i in third['instances']] == [[1, 2, 4, 6]]
    assert (first['width'], first['height']) == (80, 60)
    assert all(Path(info['img_path']).is_file() for info in (first, second, third))


@pytest.mark.parametrize('text', [
    'no list\n', 'a/b.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n', 'a/b.jpg\n1\n1 2 3\n',
    'a/b.jpg\n1\n1 2 x 4\n',
])  # fmt: skip
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / 'list.txt').write_text(text)
    with pytest.raises(ValueError, match='list.txt, line 1: not a list of WIDER FACE'):
        read_wider_face_list(tmp_path / 'list.txt')


def test_the_command_goes_on_replaces_nothing_and_names_what_is_missing(root, capsys):
    path = Path(__file__).parents[2] / 'tools/dataset_converters/wider_face_to_voc.py'
    spec = importlib.util.spec_from_file_location('wider_face_to_voc_tool', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def call(*argv):
        return run_readably(lambda: tool.run(tool.parse_args([str(root), *argv]), Console()))

    assert call('val') == 0
    assert '3 images, 3 faces, 1 without area' in ' '.join(capsys.readouterr().out.split())
    first, second, *_ = sorted((root / 'WIDER_val/Annotations').iterdir())
    first.unlink()  # as if the call had been interrupted
    (root / 'val.txt').unlink()
    assert call('val') == 0 and first.is_file() and (root / 'val.txt').is_file()
    second.write_text('mine')
    assert call('val') == 2 and 'exists with another content' in capsys.readouterr().err
    assert second.read_text() == 'mine'
    assert call('val', '--force') == 0 and second.read_text() != 'mine'
    assert call('train') == 2 and 'wider_face_train_bbx_gt.txt' in capsys.readouterr().err
    (root / 'WIDER_val/images/0--Parade/0_Parade_2.jpg').unlink()
    assert call('val', '--force') == 2
    assert 'unpack WIDER_val.zip' in capsys.readouterr().err
