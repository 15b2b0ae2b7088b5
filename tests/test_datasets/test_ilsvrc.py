import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mmkd.datasets import ILSVRC_CLASSES, ILSVRCDETDataset


def write(root, image, objects, subset='val'):
    """An annotation of 64 x 48 pixels and an empty file as its image."""
    image_file = root / f'Data/DET/{subset}/{image}.JPEG'
    label_file = root / f'Annotations/DET/{subset}/{image}.xml'
    for file in (image_file, label_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    image_file.touch()
    tree = ET.Element('annotation')
    size = ET.SubElement(tree, 'size')
    for name, value in (('width', 64), ('height', 48)):
        ET.SubElement(size, name).text = str(value)
    for name, *box in objects:
        entry = ET.SubElement(tree, 'object')
        ET.SubElement(entry, 'name').text = name
        bounds = ET.SubElement(entry, 'bndbox')
        for corner, value in zip(('xmin', 'xmax', 'ymin', 'ymax'), box):
            ET.SubElement(bounds, corner).text = str(value)
    ET.ElementTree(tree).write(label_file)


@pytest.fixture
def folder(tmp_path):
    # As in the challenge: x before y, from 0, at times a pixel beyond the image.
    write(tmp_path, 'ILSVRC2012_val_1', [('n02672831', 0, 20, 5, 30), ('n00007846', 10, 64, 0, 48)])
    write(tmp_path, 'ILSVRC2012_val_2', [])
    (tmp_path / 'ImageSets/DET').mkdir(parents=True)
    (tmp_path / 'ImageSets/DET/val.txt').write_text('ILSVRC2012_val_1 1\nILSVRC2012_val_2 2\n')
    return tmp_path


def test_there_are_two_hundred_classes_with_ids_of_their_own():
    assert len(ILSVRC_CLASSES) == len(set(ILSVRC_CLASSES.values())) == 200
    assert all(len(key) == 9 and key[0] == 'n' for key in ILSVRC_CLASSES)
    assert ILSVRC_CLASSES['n00007846'] == 'person' and ILSVRC_CLASSES['n02084071'] == 'dog'
    assert list(ILSVRC_CLASSES.values())[::199] == ['accordion', 'zebra']


def test_names_are_mmdetections():
    from mmdet.evaluation import get_classes

    assert list(ILSVRC_CLASSES.values()) == get_classes('ilsvrc_det')


def test_ids_become_names_and_pixels_count_from_zero(folder):
    dataset = ILSVRCDETDataset(data_root=str(folder), test_mode=True)
    first, second = dataset.get_data_info(0), dataset.get_data_info(1)
    assert [i['bbox'] for i in first['instances']] == [[0, 5, 20, 30], [10, 0, 63, 47]]
    names = [dataset.metainfo['classes'][i['bbox_label']] for i in first['instances']]
    assert names == ['accordion', 'person'] and second['instances'] == []
    assert first['img_path'].endswith('Data/DET/val/ILSVRC2012_val_1.JPEG')


def test_some_of_the_classes_leave_the_others_out(folder):
    dataset = ILSVRCDETDataset(
        data_root=str(folder), metainfo=dict(classes=('person',)), test_mode=True
    )
    assert [i['bbox_label'] for i in dataset.get_data_info(0)['instances']] == [0]


def test_images_without_annotation_are_refused_or_left_out_with_a_count(folder, caplog):
    from mmengine.logging import MMLogger

    write(folder, 'ILSVRC2013_train/n02672831/a', [('n02672831', 0, 20, 5, 30)], 'train')
    (folder / 'ImageSets/DET/train.txt').write_text(
        'ILSVRC2013_train/n02672831/a 1\nILSVRC2013_train_extra0/b -1\n')  # fmt: skip
    options = dict(data_root=str(folder), ann_file='ImageSets/DET/train.txt', subset='train')
    with pytest.raises(ValueError, match='ILSVRC2013_train_extra0/b.xml: no such file'):
        ILSVRCDETDataset(**options)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    dataset = ILSVRCDETDataset(unannotated='skip', **options)
    logger.removeHandler(caplog.handler)
    assert len(dataset) == 1
    assert any('1 images have no annotation file' in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize('options, complaint', [
    (dict(metainfo=dict(classes=('unicorn',))), r"classes has \['unicorn'\], none of the 200"),
    (dict(filter_cfg=dict(empty=True)), 'filter_cfg.empty=True: filter_cfg has no key'),
    (dict(img_suffix='.png'), "img_suffix='.png' is fixed by the layout of ILSVRC: take it out"),
    (dict(unannotated='drop'), r"unannotated must be one of \['raise', 'skip'\], got 'drop'"),
])  # fmt: skip
def test_options_are_checked(folder, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        ILSVRCDETDataset(data_root=str(folder), **options)


def test_the_config_reads_the_folder_and_evaluates_it(folder):
    from mmdet.registry import DATASETS
    from mmengine.config import Config

    from mmkd.registry import METRICS

    configs = Path(__file__).parents[2] / 'configs'
    config = Config.fromfile(configs / '_base_' / 'datasets' / 'ilsvrc_det.py')
    dataset = DATASETS.build(dict(config.val_dataloader.dataset, data_root=str(folder)))
    assert len(dataset) == 2 and len(dataset.metainfo['classes']) == 200
    assert config.train_dataloader.dataset.subset == 'train'
    METRICS.build(config.val_evaluator)
