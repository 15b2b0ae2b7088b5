"""Which lists of a folder are taken, what its classes are, and how one list alone is cut."""

import json
import shutil

import cv2
import numpy as np
import pytest

from mmkd.datasets.folder import image_list, read_folder
from mmkd.testing import write_tiny_coco
from mmkd.testing.kitti_folders import write_kitti_folder
from mmkd.testing.voc_folders import write_voc_folder

BOX = (2, 2, 20, 20)


@pytest.fixture
def read(tmp_path):
    """Reads the folder ``data`` of this format with the lists that are named."""

    def read(kind, **given):
        return read_folder(tmp_path / 'data', kind, given, tmp_path / 'cuts')

    return read


def voc(folder, split, names, kind='cat'):
    write_voc_folder(folder / 'data', {name: [(kind, *BOX)] for name in names}, split=split)


def lists_of(found):
    return {split: config['ann_file'].split('/')[-1] for split, config in found.datasets.items()}


class TestVOC:
    def test_the_known_lists_are_taken_and_the_classes_are_those_of_the_training_list(
        self, tmp_path, read
    ):
        voc(tmp_path, 'train', 'ab', 'dog')
        voc(tmp_path, 'val', 'cd')
        voc(tmp_path, 'test', 'ef')
        found = read('voc')
        assert lists_of(found) == dict(train='train.txt', val='val.txt', test='test.txt')
        assert found.classes == ('dog',) and found.metrics['test']['type'] == 'mmkd.VOCFolderMetric'
        assert found.said[1] == '--data: train: ImageSets/Main/train.txt, 2 images'

    def test_a_list_that_shares_images_with_the_training_list_is_not_taken(self, tmp_path, read):
        for split, names in dict(trainval='abcd', train='ab', val='cd', test='e').items():
            voc(tmp_path, split, names)
        found = read('voc', train='trainval')
        assert lists_of(found) == dict(train='trainval.txt', val='test.txt', test='test.txt')

    def test_a_named_list_that_is_trained_on_is_taken_and_said(self, tmp_path, read):
        voc(tmp_path, 'train', 'abcd')
        voc(tmp_path, 'val', 'cde')
        assert read('voc', val='val').said[2] == (
            '--data: val: ImageSets/Main/val.txt, 3 images, 2 of them trained on: '
            'their mAP is too high'
        )

    def test_without_lists_all_annotations_are_one(self, tmp_path, read):
        voc(tmp_path, 'train', 'abcde')
        shutil.rmtree(tmp_path / 'data/ImageSets')
        parts = [
            (tmp_path / 'cuts' / name).read_text().split()
            for name in list(lists_of(read('voc')).values())[:2]
        ]
        assert list(map(len, parts)) == [4, 1] and sorted(sum(parts, [])) == list('abcde')

    def test_another_layout_is_named(self, tmp_path, read):
        write_tiny_coco(tmp_path / 'data')
        with pytest.raises(FileNotFoundError, match='--format voc has no Annotations: .*another'):
            read('voc')


class TestCOCO:
    def test_one_file_alone_is_cut_by_a_seed_the_same_every_time(self, tmp_path, read):
        write_tiny_coco(tmp_path / 'data', num_images=10)
        found = read('coco')
        assert found.classes == ('class0', 'class1', 'class2')
        files = [tmp_path / 'cuts' / name for name in lists_of(found).values()]
        train, val = (json.loads(file.read_text()) for file in files[:2])
        assert [len(part['images']) for part in (train, val)] == [8, 2] and files[1] == files[2]
        ids = [{image['id'] for image in part['images']} for part in (train, val)]
        assert not ids[0] & ids[1]
        assert {box['image_id'] for box in val['annotations']} == ids[1]
        assert found.said[1:] == [
            '--data: train: 8 of annotations.json, 10 images: 80%, drawn by seed 0',
            '--data: val: 2 of annotations.json, 10 images: 20%, drawn by seed 0',
            '--data: test: as val',
        ]
        assert found.datasets['val']['data_prefix'] == dict(img='images')
        before = files[0].read_text()
        assert read('coco') == found and files[0].read_text() == before

    def test_names_are_those_of_the_years_or_paths(self, tmp_path, read):
        root = write_tiny_coco(tmp_path / 'data', num_images=4)
        (root / 'annotations').mkdir()
        (root / 'images').rename(root / 'val2017')
        shutil.copytree(root / 'val2017', root / 'train2017')
        content = json.loads((root / 'annotations.json').read_text())
        (root / 'annotations.json').unlink()
        for split, images in (('val', content['images'][:1]), ('train', content['images'][1:])):
            text = json.dumps(dict(content, images=images, annotations=[]))
            (root / f'annotations/instances_{split}2017.json').write_text(text)
        names = dict(train='instances_train2017.json', val='instances_val2017.json')
        found = read('coco')
        assert lists_of(found) == dict(names, test=names['val'])
        assert found.datasets['train']['data_prefix'] == dict(img='train2017')
        for name in ('instances_val2017', 'annotations/instances_val2017.json', 'val'):
            assert lists_of(read('coco', test=name)) == lists_of(found)
        with pytest.raises(FileNotFoundError, match=r'--val all is no list of .*train, val.* and'):
            read('coco', val='all')

    def test_images_of_a_file_from_elsewhere_are_those_of_the_folder(self, tmp_path, read):
        root = write_tiny_coco(tmp_path / 'data')
        (tmp_path / 'mine').mkdir()
        (root / 'annotations.json').rename(tmp_path / 'mine/some.json')
        found = read('coco', train=str(tmp_path / 'mine/some.json'))
        assert found.datasets['train']['data_prefix'] == dict(img='images')

    def test_several_files_of_unknown_names_ask_for_one(self, tmp_path, read):
        root = write_tiny_coco(tmp_path / 'data')
        shutil.copy(root / 'annotations.json', root / 'more.json')
        with pytest.raises(ValueError, match=r'lists: annotations, more\): name one with --train'):
            read('coco')


def test_kitti_has_the_benchmarks_classes_that_are_there(tmp_path, read):
    row = (0, 0, 10, 10, 30, 30)
    frames = {f'{i:06}': [('Cyclist', *row), ('Van', *row), ('Car', *row)] for i in range(5)}
    write_kitti_folder(tmp_path / 'data', frames)
    found = read('kitti')
    assert found.classes == ('Car', 'Cyclist')
    assert (
        found.said[1] == '--data: train: 4 of ImageSets/train.txt, 5 images: 80%, drawn by seed 0'
    )
    assert found.metrics['val'] == dict(type='mmkd.KITTIMetric')


def test_images_alone_are_a_list_of_their_sizes(tmp_path):
    (tmp_path / 'more/a').mkdir(parents=True)
    for name in ('a/x.png', 'y.jpg'):
        cv2.imwrite(str(tmp_path / 'more' / name), np.zeros((3, 5, 3), np.uint8))
    (tmp_path / 'more/manual.pdf').write_bytes(b'%PDF-')
    config = image_list(tmp_path / 'more', ('cat',), tmp_path / 'cuts')
    images = json.loads(open(config['ann_file']).read())['images']
    assert [(one['file_name'], one['width'], one['height']) for one in images] == [
        ('a/x.png', 5, 3),
        ('y.jpg', 5, 3),
    ]
    with pytest.raises(FileNotFoundError, match='--unlabelled .*has no image'):
        image_list(tmp_path / 'nowhere', ('cat',), tmp_path / 'cuts')
