"""Damaged annotation and study files end in data or in one refusal that names the file.

``pytest tests/test_datasets/test_fuzz.py --fuzz-examples 5000`` looks longer.
"""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmkd.datasets import VOCFolderDataset
from mmkd.datasets.kitti_labels import parse_kitti_labels
from mmkd.datasets.lint import check_splits, splits_of_path
from mmkd.datasets.lint.coco import check_coco_file, read_coco
from mmkd.study.markers import Marker
from mmkd.utils.records import read_record

VOC = (
    '<?xml version="1.0" encoding="utf-8"?><annotation><filename>a.jpg</filename>'
    '<size><width>64</width><height>48</height><depth>3</depth></size><object><name>cat</name>'
    '<difficult>0</difficult><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>40</xmax><ymax>30</ymax>'
    '</bndbox></object></annotation>'
)
COCO = json.dumps(dict(
    images=[dict(id=1, file_name='a.jpg', width=64, height=48)],
    annotations=[dict(id=1, image_id=1, category_id=7, bbox=[3, 4, 37, 26], area=962, iscrowd=0)],
    categories=[dict(id=7, name='cat')],
))  # fmt: skip
KITTI = 'Car 0.00 0 -1.58 587.0 173.3 614.1 200.1 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n'
RUN = json.dumps(dict(fingerprint=dict(config='ab'), finished=True, seconds=1.5, peak_memory=3,
                      starts=1, versions=dict(torch='2.14')))  # fmt: skip
PIECES = [
    '', ' ', '0', '-1', '1e400', 'nan', 'inf', '64.0', '9' * 40, 'null', 'true', '[', ']', '{', '}',
    '[' * 3000, '"', ',', ':', '<', '>', '</object>', '<size>', '&amp;', '&#0;', '<!DOCTYPE a [',
    '\x00', '\ufeff', '\u202e', 'é', '\ud800', '\n', 'Van', 'DontCare', 'id', 'bbox', 'iscrowd',
]  # fmt: skip
EDITS = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 40), st.sampled_from(PIECES)), max_size=4
)


def edited(text, edits, cut=None):
    """Bytes of a text in which pieces are replaced by others."""
    for place, length, piece in edits:
        place %= len(text) + 1
        text = text[:place] + piece + text[place + length :]
    return text.encode('utf-8', 'surrogatepass')[:cut]


CUT = st.one_of(st.none(), st.integers(0, 600))


def explained(read, *names):
    """Runs a reader; a refusal must be ours and say which file."""
    try:
        return read()
    except (ValueError, FileNotFoundError) as error:
        assert any(name in str(error) for name in names), error
        return None


@pytest.fixture
def picture(tmp_path):
    for folder in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
        (tmp_path / folder).mkdir(parents=True)
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / 'JPEGImages/a.jpg')
    (tmp_path / 'ImageSets/Main/train.txt').write_text('a\n')
    return tmp_path


@given(EDITS, CUT)
def test_voc_files(picture, edits, cut):
    (picture / 'Annotations/a.xml').write_bytes(edited(VOC, edits, cut))
    settings = dict(data_root=str(picture), ann_file='ImageSets/Main/train.txt',
                    data_prefix=dict(sub_data_root=''), metainfo=dict(classes=('cat',)),
                    pipeline=[])  # fmt: skip
    explained(lambda: VOCFolderDataset(**settings)[0], 'a.xml', str(picture))
    explained(lambda: check_splits(splits_of_path(str(picture))), 'a.xml', str(picture))


@given(EDITS, CUT)
def test_coco_files(picture, edits, cut):
    file = picture / 'ann.json'
    file.write_bytes(edited(COCO, edits, cut))
    images = str(picture / 'JPEGImages')
    explained(lambda: check_coco_file(str(file), images), 'ann.json')
    explained(lambda: read_coco(str(file), images, name='train'), 'ann.json')


@given(EDITS)
def test_kitti_labels(edits):
    text = edited(KITTI * 2, edits).decode('utf-8', 'replace')
    explained(lambda: list(parse_kitti_labels(text)), 'line ')


@given(EDITS, CUT)
def test_markers_of_a_study(tmp_path, edits, cut):
    file = tmp_path / 'run.json'
    file.write_bytes(edited(RUN, edits, cut))
    found = explained(lambda: read_record(file, Marker), 'run.json')
    assert found is None or isinstance(found.finished, bool)
