import importlib.util
from pathlib import Path

import pytest
import torch
from mmdet.datasets import CocoDataset
from mmengine.dataset import pseudo_collate
from rich.console import Console

from mmkd.datasets import KITTIDataset, kitti_to_coco, parse_kitti_labels
from mmkd.registry import DATASETS
from mmkd.testing import tiny_faster_rcnn_cfg
from mmkd.testing.distill import build_distill
from mmkd.testing.kitti_folders import kitti_line, write_kitti_folder
from mmkd.testing.voc_folders import shared_data

TOOL = Path(__file__).resolve().parents[2] / 'tools/dataset_converters/kitti_to_coco.py'
TASK_LOSSES = {'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox', 'acc'}
CAR = ('Car', 0.2, 1, 10.5, 2.0, 40.0, 32.25)
FRAMES = {
    '000003': [
        CAR,
        ('Van', 0.0, 0, 50.0, 2.0, 60.0, 20.0),
        ('Person_sitting', 0.0, 2, 70.0, 2.0, 80.0, 20.0),
        ('Cyclist', 0.0, 3, 90.0, 2.0, 99.0, 20.0),
        ('Truck', 0.0, 0, 1.0, 1.0, 9.0, 9.0),
        ('DontCare', -1.0, -1, 100.0, 5.0, 120.0, 15.0),
    ],
    '000010': [('DontCare', -1.0, -1, 100.0, 5.0, 120.0, 15.0)],
}


@pytest.fixture
def folder(tmp_path):
    return write_kitti_folder(tmp_path, FRAMES)


class TestRecords:
    def test_classes_neighbours_and_regions_have_their_roles(self, folder):
        info = KITTIDataset(data_root=str(folder)).get_data_info(0)
        roles = [(i['type'], i['bbox_label'], i['ignore_flag']) for i in info['instances']]
        assert roles == [
            ('Car', 0, 0), ('Van', 0, 1), ('Person_sitting', 1, 1), ('Cyclist', 2, 0),
            ('DontCare', -1, 1),
        ]  # fmt: skip

    def test_truncation_occlusion_height_and_float_boxes_are_kept(self, folder):
        info = KITTIDataset(data_root=str(folder)).get_data_info(0)
        car = info['instances'][0]
        assert (car['truncation'], car['occlusion'], car['height']) == (0.2, 1, 30.25)
        assert car['bbox'] == [10.5, 2.0, 40.0, 32.25]
        assert (info['width'], info['height'], info['img_id']) == (124, 37, '000003')

    def test_fewer_classes_leave_the_others_to_the_background(self, folder):
        dataset = KITTIDataset(data_root=str(folder), metainfo=dict(classes=('Cyclist',)))
        kinds = [i['type'] for i in dataset.get_data_info(0)['instances']]
        assert kinds == ['Cyclist', 'DontCare']

    def test_a_neighbour_that_is_a_class_is_labelled(self, folder):
        dataset = KITTIDataset(data_root=str(folder), metainfo=dict(classes=('Car', 'Van')))
        flags = {i['type']: i['ignore_flag'] for i in dataset.get_data_info(0)['instances']}
        assert flags['Van'] == 0

    def test_a_frame_of_ignored_boxes_is_empty_for_training_only(self, folder):
        options = dict(data_root=str(folder), filter_cfg=dict(filter_empty_gt=True))
        assert len(KITTIDataset(**options)) == 1
        assert len(KITTIDataset(**options, test_mode=True)) == 2

    def test_the_test_set_has_no_labels(self, folder):
        for path in (folder / 'training/label_2').iterdir():
            path.unlink()
        dataset = KITTIDataset(data_root=str(folder), with_labels=False, test_mode=True)
        assert [len(dataset.get_data_info(i)['instances']) for i in range(2)] == [0, 0]

    def test_ignored_boxes_come_apart_in_the_data_sample(self, folder):
        pipeline = [
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PackDetInputs', meta_keys=('instances',)),
        ]
        config = dict(type='mmkd.KITTIDataset', data_root=str(folder), pipeline=pipeline)
        sample = DATASETS.build(config)[0]['data_samples']
        assert sample.gt_instances.labels.tolist() == [0, 2]
        assert sample.ignored_instances.labels.tolist() == [0, 1, -1]
        assert sample.to_dict()['instances'][0]['occlusion'] == 1

    def test_the_real_sample_is_read(self, tmp_path):
        root = shared_data('kitti_sample')
        split = tmp_path / 'all.txt'
        split.write_text('000000\n000001\n000002\n')
        dataset = KITTIDataset(data_root=str(root), ann_file=str(split))
        counts = [len(dataset.get_data_info(i)['instances']) for i in range(3)]
        # 000001 has a Truck and 000002 a Misc more than this.
        assert counts == [1, 6, 1]


@pytest.mark.parametrize('method', ['FGFI', 'Hint', 'ProposalMimic'])
def test_frames_with_ignored_regions_train_a_distilled_detector(folder, tmp_path, method):
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(124, 37), keep_ratio=True),
        dict(type='PackDetInputs'),
    ]
    dataset = KITTIDataset(data_root=str(folder), pipeline=pipeline)
    student = tiny_faster_rcnn_cfg()
    for part in (student.train_cfg.rpn, student.train_cfg.rcnn):
        part.assigner.ignore_iof_thr = 0.5
    model = build_distill(tmp_path, student=student, methods=[dict(type=f'mmkd.{method}')])
    batch = model.data_preprocessor(pseudo_collate([dataset[0], dataset[1]]), True)
    losses = model(**batch, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total) and any(name not in TASK_LOSSES for name in losses)


class TestRefusals:
    def refused(self, folder, match, error=ValueError, **options):
        with pytest.raises(error, match=match):
            KITTIDataset(data_root=str(folder), **options)

    def test_a_missing_split_is_named(self, folder):
        split = dict(ann_file='ImageSets/val.txt')
        self.refused(folder, 'val.txt.*docs/datasets', FileNotFoundError, **split)

    def test_missing_files_are_listed_together(self, folder):
        (folder / 'training/image_2/000003.png').unlink()
        (folder / 'training/label_2/000010.txt').unlink()
        self.refused(folder, r'2 problems.*\n.*000003.png: no such file.*\n.*000010.txt: no such')

    @pytest.mark.parametrize('line, match', [
        ('Cra' + kitti_line(*CAR)[3:], "line 1: type 'Cra' is none of"),
        (kitti_line(*CAR) + ' 0.9', 'line 1 has 16 columns, a label has 15: .* its score'),
        (kitti_line(*CAR).replace('10.50', 'x'), "line 1: the box is 'x', not a number"),
        (kitti_line(*CAR).replace('10.50', 'nan'), "line 1: the box is 'nan', not a number"),
        (kitti_line('Car', 0, 0, 10, 2, 10, 30), 'Car box .* has no area'),
    ])  # fmt: skip
    def test_a_wrong_line_is_named(self, folder, line, match):
        (folder / 'training/label_2/000003.txt').write_text(line)
        self.refused(folder, f'000003.txt: {match}')

    def test_a_damaged_image_is_named(self, folder):
        (folder / 'training/image_2/000003.png').write_bytes(b'no image')
        self.refused(folder, '000003.png: not an image')

    def test_unknown_classes_and_neighbours_are_refused(self, folder):
        self.refused(folder, "'car'.*no objects of KITTI", metainfo=dict(classes=('car',)))
        self.refused(folder, "'DontCare'", metainfo=dict(classes=('DontCare',)))
        self.refused(folder, r"neighbours\['Car'\]: 'Bus'", neighbours=dict(Car=('Bus',)))
        self.refused(folder, "neighbours has 'car'", neighbours=dict(car=('Van',)))

    def test_an_unknown_folder_is_refused(self, folder):
        self.refused(folder, r"data_prefix has \['image'\]", data_prefix=dict(image='pictures'))

    def test_no_frame_left_is_an_error(self, folder):
        self.refused(folder, 'No frame is left', filter_cfg=dict(min_size=100))

    def test_a_filter_that_does_nothing_is_refused(self, folder):
        self.refused(
            folder, 'filter_cfg.bbox_min_size=3: .* no key', filter_cfg=dict(bbox_min_size=3)
        )


def test_blank_lines_of_a_label_file_are_allowed():
    assert len(list(parse_kitti_labels('\n' + kitti_line(*CAR) + '\n\n'))) == 1


class TestCoco:
    def test_what_is_ignored_becomes_a_crowd(self, folder):
        content = kitti_to_coco(KITTIDataset(data_root=str(folder), test_mode=True))
        assert [image['id'] for image in content['images']] == [3, 10]
        rows = [(a['image_id'], a['category_id'], a['iscrowd'], a['type'])
                for a in content['annotations']]  # fmt: skip
        regions = [(1, 1, 'DontCare'), (2, 1, 'DontCare'), (3, 1, 'DontCare')]
        first = [(1, 0, 'Car'), (1, 1, 'Van'), (2, 1, 'Person_sitting'), (3, 0, 'Cyclist')]
        assert rows == [(3, *row) for row in first + regions] + [(10, *row) for row in regions]
        assert [a['id'] for a in content['annotations']] == list(range(1, 11))
        assert content['annotations'][0]['bbox'] == [10.5, 2.0, 29.5, 30.25]

    def test_the_tool_writes_a_file_that_mmdetection_reads_and_does_not_overwrite(self, folder):
        spec = importlib.util.spec_from_file_location('kitti_to_coco_tool', TOOL)
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        out = folder / 'train.json'
        args = tool.parse_args([str(folder), 'ImageSets/train.txt', str(out)])
        tool.run(args, Console())
        dataset = CocoDataset(
            ann_file=str(out), data_prefix=dict(img=str(folder / 'training/image_2')),
            metainfo=dict(classes=('Car', 'Pedestrian', 'Cyclist')),
        )  # fmt: skip
        assert len(dataset) == 2
        assert [i['ignore_flag'] for i in dataset.get_data_info(0)['instances']].count(0) == 2
        out.write_text('mine')
        with pytest.raises(FileExistsError, match='--force'):
            tool.run(args, Console())
        assert out.read_text() == 'mine'
