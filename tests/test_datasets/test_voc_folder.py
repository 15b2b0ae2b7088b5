import logging

import numpy as np
import pytest
from mmdet.datasets import XMLDataset
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from mmkd.datasets import VOCFolderDataset, voc_folder
from mmkd.registry import DATASETS
from mmkd.testing.voc_folders import shared_data, write_voc_folder

CLASSES = ('cat', 'dog')
CAT = ('cat', 1, 1, 64, 48)  # the whole image, in VOC's 1-based inclusive pixels
DOG = ('dog', 11, 21, 30, 40)
NO_WIDTH = ('dog', 11, 21, 11, 40)
TOO_WIDE = ('dog', 11, 21, 65, 40)
OUTSIDE = ('dog', 70, 21, 80, 40)


def load(folder, **kwargs):
    return VOCFolderDataset(data_root=str(folder), metainfo=dict(classes=CLASSES), **kwargs)


def boxes(dataset, index=0):
    return [tuple(x['bbox']) for x in dataset.get_data_info(index)['instances']]


def message_of(folder, error=ValueError, **kwargs):
    with pytest.raises(error) as caught:
        load(folder, **kwargs)
    return str(caught.value)


def test_boxes_become_zero_based_and_inclusive(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [CAT, DOG]})
    dataset = load(folder)
    assert boxes(dataset) == [(0, 0, 63, 47), (10, 20, 29, 39)]
    assert [x['bbox_label'] for x in dataset[0]['instances']] == [0, 1]


def test_the_registry_builds_it_and_pipelines_read_it(tmp_path):
    init_default_scope('mmdet')
    folder = write_voc_folder(tmp_path, {'a': [CAT, DOG]}, difficult=['dog'])
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(128, 96), keep_ratio=True),
        dict(type='PackDetInputs', meta_keys=('img_id', 'img_shape')),
    ]
    dataset = DATASETS.build(
        dict(
            type='mmkd.VOCFolderDataset',
            data_root=str(folder),
            metainfo=dict(classes=CLASSES),
            pipeline=pipeline,
        )
    )
    sample = dataset[0]['data_samples']
    assert dataset[0]['inputs'].shape == (3, 96, 128)
    assert sample.gt_instances.bboxes.tensor.tolist() == [[0, 0, 126, 94]]
    assert sample.ignored_instances.labels.tolist() == [1]


def test_difficult_objects_are_ignored_boxes(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [CAT, DOG]}, difficult=['dog'])
    assert [x['ignore_flag'] for x in load(folder)[0]['instances']] == [0, 1]


def test_bccd_reads_as_with_mmdetection_but_for_the_empty_boxes():
    root = str(shared_data('BCCD'))
    kwargs = dict(
        data_root=root,
        ann_file='ImageSets/Main/trainval.txt',
        metainfo=dict(classes=('RBC', 'WBC', 'Platelets')),
    )
    ours = VOCFolderDataset(bad_boxes='drop', **kwargs)
    host = XMLDataset(data_prefix=dict(sub_data_root=''), **kwargs)
    assert len(ours) == len(host) == 292
    dropped = 0
    for index in range(len(host)):
        expected = host.get_data_info(index)
        solid = [x for x in expected['instances'] if x['bbox'][2] > x['bbox'][0]]
        dropped += len(expected['instances']) - len(solid)
        assert ours.get_data_info(index) == {**expected, 'instances': solid}
    assert dropped == 2


def test_bccd_is_refused_as_it_is():
    with pytest.raises(ValueError, match=r'2 problems[\s\S]*00338.xml[\s\S]*00343.xml'):
        VOCFolderDataset(
            data_root=str(shared_data('BCCD')),
            ann_file='ImageSets/Main/trainval.txt',
            metainfo=dict(classes=('RBC', 'WBC', 'Platelets')),
        )


@pytest.mark.parametrize(
    'objects, parts',
    [
        ([CAT, NO_WIDTH], ['a.xml', "'dog'", '(11, 21, 11, 40)', 'degenerate', "bad_boxes='drop'"]),
        ([('dog', 5, 30, 9, 30)], ['(5, 30, 9, 30)', 'degenerate']),
        ([TOO_WIDE], ['a.xml', '(11, 21, 65, 40)', 'outside', 'x from 1 to 64', "'clip'"]),
        ([('dog', 0, 1, 9, 9)], ['(0, 1, 9, 9)', 'outside', 'x from 1 to 64 and y from 1 to 48']),
        ([('cow', 1, 1, 9, 9)], ['a.xml', "'cow'", "('cat', 'dog')", "ignore_classes=('cow',)"]),
        ([], ['a.xml', 'no object', "empty_images='keep'"]),
        ([('dog', 'one', 1, 9, 9)], ['a.xml', "object 1 'dog': xmin is 'one', not a number"]),
    ],
)
def test_a_mistake_is_refused_with_file_value_and_remedy(tmp_path, objects, parts):
    message = message_of(write_voc_folder(tmp_path, {'a': objects}))
    for part in parts:
        assert part in message


def test_a_missing_folder_and_a_missing_split_are_refused_by_setting_and_path(tmp_path):
    assert "data_root='nowhere' does not exist" in message_of('nowhere', FileNotFoundError)
    folder = write_voc_folder(tmp_path, {'a': [CAT]})
    message = message_of(folder, FileNotFoundError, ann_file='ImageSets/Main/tets.txt')
    assert 'ann_file=' in message and 'tets.txt' in message


@pytest.mark.parametrize('lost', ['JPEGImages/a.jpg', 'Annotations/a.xml'])
def test_a_missing_file_is_refused_by_name(tmp_path, lost):
    folder = write_voc_folder(tmp_path, {'a': [CAT], 'b': [CAT]})
    (folder / lost).unlink()
    message = message_of(folder)
    assert lost in message and 'no such file' in message and '1 problem ' in message


@pytest.mark.parametrize(
    'text',
    [
        '<annotation><size>',
        '',
        '<annotation><size><width>9</width></size></annotation>',
        '<annotation><size><width>64</width><height>48</height></size>'
        '<object><name>dog</name></object></annotation>',
    ],
)
def test_a_broken_annotation_is_refused_by_name(tmp_path, text):
    folder = write_voc_folder(tmp_path, {'a': [CAT]})
    (folder / 'Annotations/a.xml').write_text(text)
    assert 'Annotations/a.xml' in message_of(folder)


def test_ten_problems_are_listed_and_the_rest_counted(tmp_path):
    folder = write_voc_folder(tmp_path, {f'im{i:02d}': [NO_WIDTH] for i in range(13)})
    message = message_of(folder)
    assert '13 problems' in message and 'and 3 more' in message
    assert 'im09.xml' in message and 'im10.xml' not in message


def test_dropped_boxes_are_logged_once_with_their_files(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [CAT, NO_WIDTH, OUTSIDE], 'b': [CAT, TOO_WIDE]})
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        dataset = load(folder, bad_boxes='drop')
    finally:
        logger.removeHandler(handler)
    assert [boxes(dataset, i) for i in (0, 1)] == [[(0, 0, 63, 47)]] * 2
    [text] = [r.getMessage() for r in records if 'bad box' in r.getMessage()]
    assert '3 bad' in text and 'a.xml (2)' in text and 'b.xml (1)' in text


def test_clipping_keeps_what_lies_inside(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [TOO_WIDE, OUTSIDE, NO_WIDTH, ('cat', 0, -4, 9, 9)]})
    assert boxes(load(folder, bad_boxes='clip')) == [(10, 20, 63, 39), (0, 0, 8, 8)]


def test_empty_images_can_be_kept_and_filtered(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [], 'b': [CAT]})
    assert len(load(folder, empty_images='keep')) == 2
    assert len(load(folder, empty_images='keep', filter_cfg=dict(filter_empty_gt=True))) == 1


def test_ignored_classes_leave_without_a_word(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [CAT, ('cow', 5, 5, 5, 5)]})
    assert boxes(load(folder, ignore_classes=('cow',))) == [(0, 0, 63, 47)]


def test_small_boxes_are_ignored_by_filter_cfg_as_in_mmdetection(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [CAT, DOG]})
    dataset = load(folder, filter_cfg=dict(bbox_min_size=32))
    assert [x['ignore_flag'] for x in dataset[0]['instances']] == [0, 1]


def test_no_image_left_is_an_error(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [CAT]})
    assert 'min_size' in message_of(folder, filter_cfg=dict(min_size=500))


@pytest.mark.parametrize(
    'option, part',
    [
        (dict(bad_boxes='skip'), "bad_boxes must be one of ['raise', 'drop', 'clip'], got 'skip'"),
        (dict(empty_images='drop'), 'empty_images'),
        (dict(ignore_classes='cow'), "write ('cow',)"),
        (dict(filter_cfg=dict(min_sze=3)), "filter_cfg.min_sze=3: filter_cfg has no key 'min_"),
        (dict(filter_cfg=dict(min_sze=3)), "['filter_empty_gt', 'min_size', 'bbox_min_size']"),
        (dict(filter_cfg=32), 'filter_cfg must be a dict of'),
    ],
)
def test_an_unknown_option_is_refused_by_name(tmp_path, option, part):
    assert part in message_of(tmp_path, **option)


def test_classes_are_required(tmp_path):
    with pytest.raises(ValueError, match='metainfo=dict'):
        VOCFolderDataset(data_root=str(tmp_path))


def test_other_suffixes_and_a_missing_size_are_read(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [CAT]})
    (folder / 'JPEGImages/a.jpg').rename(folder / 'JPEGImages/a.JPEG')
    xml = folder / 'Annotations/a.xml'
    head, tail = xml.read_text().split('<size>')
    xml.write_text(head + tail.split('</size>')[1])
    info = load(folder, img_suffix='.JPEG').get_data_info(0)
    assert (info['width'], info['height']) == (64, 48)


def test_each_file_is_parsed_once(tmp_path, monkeypatch):
    folder = write_voc_folder(tmp_path, {'a': [CAT], 'b': [DOG]})
    parsed = []
    parse = voc_folder.parse_voc

    def counted(content, **options):
        parsed.append(content)
        return parse(content, **options)

    monkeypatch.setattr(voc_folder, 'parse_voc', counted)
    load(folder)
    assert len(parsed) == 2


def test_fractions_are_cut_off_before_the_check(tmp_path):
    folder = write_voc_folder(tmp_path, {'a': [('dog', 1.9, 2.2, 64.7, 48.9)]})
    np.testing.assert_array_equal(boxes(load(folder))[0], (0, 1, 63, 47))
