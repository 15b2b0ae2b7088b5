"""What training refuses, check_dataset.py finds; what it reads rightly, that does not report."""

import json
import os

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmkd.datasets import KITTIDataset, VOCFolderDataset
from mmkd.datasets.lint import check_coco_files, check_splits, splits_of_config, splits_of_path
from mmkd.datasets.lint.near import near_duplicates
from mmkd.datasets.lint.records import Box
from mmkd.registry import DATASETS
from mmkd.testing import write_tiny_coco
from mmkd.testing.kitti_folders import kitti_line, write_kitti_folder
from mmkd.testing.voc_folders import write_voc_folder

CAT, DOG = ('cat', 5, 6, 30, 35), ('dog', 20, 3, 64, 48)
CAR = ('Car', 0.2, 1, 10.5, 2.0, 40.0, 32.25)


def noise(path, size, **options):
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def findings(*splits):
    return [(one.kind, one.detail) for one in check_splits(splits).findings]


class TestVOC:
    @pytest.fixture
    def folder(self, tmp_path):
        return write_voc_folder(tmp_path, {'a': [CAT, DOG]})

    def config(self, folder, **options):
        return dict(
            type='mmkd.VOCFolderDataset', data_root=str(folder), pipeline=[],
            metainfo=dict(classes=('cat', 'dog')), serialize_data=False, **options,
        )  # fmt: skip

    def judged(self, folder, **options):
        """The data set, or what it says in refusing; and the linter's findings."""
        config = self.config(folder, **options)
        found = findings(*splits_of_config(Config(dict(train_dataloader=dict(dataset=config)))))
        try:
            return DATASETS.build(config), found
        except ValueError as error:
            return str(error), found

    def rewrite(self, folder, old, new):
        path = folder / 'Annotations/a.xml'
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    # What the file says of an object, or of the size, that has one right reading.
    @pytest.mark.parametrize('old, new', [
        ('<xmin>5</xmin>', '<xmin>5.0</xmin>'), ('<xmin>5</xmin>', '<xmin> 5.9\n</xmin>'),
        ('<name>cat</name>', '<name>\n cat </name>'),
        ('<difficult>0</difficult>', '<difficult></difficult>'),
        ('<difficult>0</difficult>', '<difficult> </difficult>'),
        ('<difficult>0</difficult>', '<difficult>0.0</difficult>'),
        ('<difficult>0</difficult>', ''),
        ('<width>64</width>', '<width>64.0</width>'),
        ('<width>64</width><height>48</height>', ''),
        ('<width>64</width><height>48</height>', '<width></width><height></height>'),
        ('<annotation>', '\ufeff<annotation>'),
        ('<annotation>', '<?xml version="1.0" encoding="UTF-8"?><annotation>'),
    ])  # fmt: skip
    def test_one_right_reading_is_taken(self, folder, old, new):
        self.rewrite(folder, old, new)
        dataset, found = self.judged(folder)
        info = dataset.get_data_info(0)
        assert [one['bbox'] for one in info['instances']] == [[4, 5, 29, 34], [19, 2, 63, 47]]
        assert [one['ignore_flag'] for one in info['instances']] == [0, 0]
        assert (info['width'], info['height'], found) == (64, 48, [])

    @pytest.mark.parametrize('old, new, detail', [
        ('<xmin>5</xmin>', '<xmin>inf</xmin>', "object 1 'cat': xmin is 'inf', not a number"),
        ('<xmin>5</xmin>', '<xmin>1e300</xmin>', "object 1 'cat': xmin is '1e300', not a number"),
        ('<xmin>5</xmin>', '<xmin>five</xmin>', "object 1 'cat': xmin is 'five', not a number"),
        ('<xmin>5</xmin>', '<xmin/>', "object 1 'cat': xmin is empty"),
        ('<xmin>5</xmin>', '', "object 1 'cat': xmin is empty"),
        ('<name>dog</name>', '<name/>', 'object 2 has no name'),
        ('<difficult>0</difficult>', '<difficult>no</difficult>',
         "object 1 'cat': difficult is 'no', not a number"),
        ('<width>64</width>', '<width>wide</width>', "size is 'wide', not a number"),
        ('<width>64</width>', '<width>64.5</width>', "size is '64.5', not a whole number"),
        ('<width>64</width>', '<width>-64</width>', 'size is -64x48'),
        ('<width>64</width>', '', 'size is empty'),
        ('</annotation>', '', 'not valid XML'),
        ('<annotation>', '<?xml version="1.0" encoding="no"?><annotation>', 'unknown encoding'),
        ('<annotation>', '<?xml version="1.0" encoding="gbk"?><annotation>', 'multi-byte'),
    ])  # fmt: skip
    def test_what_has_none_is_refused_and_found_alike(self, folder, old, new, detail):
        self.rewrite(folder, old, new)
        refusal, found = self.judged(folder)
        assert 'Annotations/a.xml: ' in refusal and detail in refusal
        assert [kind for kind, text in found if detail in text] == ['broken-annotation']

    @pytest.mark.parametrize('box', [
        (0.9, 1, 9, 9), (1.5, 1, 1.9, 9), (5, 5, 5, 9), (1, 1, 65, 9), (9, 9, 1, 1)
    ])  # fmt: skip
    @pytest.mark.parametrize('good', [(1.9, 1.9, 64.7, 48.9), (1, 1, 2, 2)])
    def test_fractions_are_cut_off_before_either_looks(self, folder, box, good):
        write_voc_folder(folder, {'a': [('cat', *good)]})
        dataset, found = self.judged(folder)
        assert isinstance(dataset, VOCFolderDataset) and not found
        write_voc_folder(folder, {'a': [('cat', *box)]})
        refusal, found = self.judged(folder)
        assert 'a.xml' in refusal and found[0][0] in ('degenerate-box', 'outside-image')

    def test_classes_that_are_ignored_are_looked_at_by_neither(self, folder):
        write_voc_folder(folder, {'a': [('cow', 'no', 'box', 5, 5), ('cow', 9, 9, 1, 1)]})
        dataset, found = self.judged(folder, ignore_classes=('cow',))
        assert dataset.get_data_info(0)['instances'] == [] and found == []

    @pytest.mark.parametrize('sizes', [('0', '0'), ('0', '48')])
    @pytest.mark.parametrize('bad_boxes', ['raise', 'clip', 'drop'])
    def test_a_size_of_zero_is_none_and_clips_nothing(self, folder, sizes, bad_boxes):
        self.rewrite(folder, '<width>64</width>', f'<width>{sizes[0]}</width>')
        self.rewrite(folder, '<height>48</height>', f'<height>{sizes[1]}</height>')
        info = self.judged(folder, bad_boxes=bad_boxes)[0].get_data_info(0)
        assert (info['width'], info['height'], len(info['instances'])) == (64, 48, 2)

    @pytest.mark.parametrize('bad_boxes', ['clip', 'drop'])
    def test_no_box_left_is_an_error(self, folder, bad_boxes):
        write_voc_folder(folder, {'a': [('cat', 70, 5, 90, 35)]})
        refusal, _ = self.judged(folder, bad_boxes=bad_boxes)
        assert f'No box of the split is left: correct the files, bad_boxes={bad_boxes!r}' in refusal

    @pytest.mark.parametrize('orientation', range(1, 9))
    def test_boxes_are_those_of_the_image_as_it_is_loaded(self, folder, orientation):
        image = str(folder / 'JPEGImages/a.jpg')
        noise(image, (64, 48), exif=turned(orientation))
        height, width = cv2.imread(image).shape[:2]
        write = dict(folder=folder, images={'b': [('cat', 1, 1, width, height)]})
        write_voc_folder(**write, size=(width, height))
        os.replace(image, folder / 'JPEGImages/b.jpg')
        assert findings(*splits_of_path(str(folder))) == []
        write_voc_folder(folder, {'b': [('cat', 1, 1, height, width)]}, size=(height, width))
        noise(folder / 'JPEGImages/b.jpg', (64, 48), exif=turned(orientation))
        kinds = [kind for kind, _ in findings(*splits_of_path(str(folder)))]
        assert kinds == ['wrong-size', 'outside-image']
        self.rewrite_size_away(folder)
        info, _ = self.judged(folder, bad_boxes='clip')
        assert (info.get_data_info(0)['width'], info.get_data_info(0)['height']) == (width, height)

    def rewrite_size_away(self, folder):
        path = folder / 'Annotations/b.xml'
        head, tail = path.read_text().split('<size>')
        path.write_text(head + tail.split('</size>')[1])

    def test_the_orientation_is_named_and_counted(self, folder):
        noise(folder / 'JPEGImages/a.jpg', (64, 48), exif=turned(6))
        report = check_splits(splits_of_path(str(folder)))
        assert report.turned == 1
        assert report.findings[0].detail == (
            'states 64x48, the image has 48x64 as EXIF orientation 6 turns it'
        )

    @pytest.mark.parametrize('suffix', ['.png', '.JPG', '.jpeg', '.bmp', '.webp'])
    def test_other_suffixes_are_the_images(self, folder, suffix):
        (folder / 'JPEGImages/a.jpg').unlink()
        noise(folder / f'JPEGImages/a{suffix}', (64, 48))
        (folder / 'JPEGImages/a.txt').write_text('labels of another format')
        assert findings(*splits_of_path(str(folder))) == []
        dataset, found = self.judged(folder, img_suffix=suffix)
        assert len(dataset) == 1 and found == []

    @pytest.mark.parametrize('name', ['my cat 1', 'a.b', 'Katze ä', '1  2'])
    @pytest.mark.parametrize('mark', ['', '\ufeff'])
    def test_ids_may_hold_blanks_and_points_behind_a_byte_order_mark(self, tmp_path, name, mark):
        write_voc_folder(tmp_path, {name: [CAT]})
        split = tmp_path / 'ImageSets/Main/train.txt'
        split.write_text(f'{mark}{name} \r\n\n', encoding='utf-8')
        dataset, found = self.judged(tmp_path)
        assert dataset.get_data_info(0)['img_id'] == name and found == []
        assert findings(*splits_of_path(str(tmp_path))) == []

    def test_images_above_the_limit_of_pillow_are_read(self, folder):
        size = (18_000, 10_001)
        write_voc_folder(folder, {'a': [CAT]}, size=(64, 48))
        Image.new('1', size).save(folder / 'JPEGImages/a.png')
        self.rewrite(folder, '<width>64</width><height>48</height>', '')
        dataset, found = self.judged(folder, img_suffix='.png')
        assert dataset.get_data_info(0)['width'] == size[0] and found == []

    @pytest.mark.parametrize('path, kind', [
        ('JPEGImages/a.jpg', 'missing-image'), ('Annotations/a.xml', 'missing-annotation'),
    ])  # fmt: skip
    def test_a_pipe_is_not_waited_for(self, folder, path, kind):
        (folder / path).unlink()
        os.mkfifo(folder / path)
        refusal, found = self.judged(folder)
        assert f'{path}: no such file' in refusal and found[0][0] == kind

    def test_a_split_that_is_a_pipe_is_refused(self, folder):
        (folder / 'ImageSets/Main/train.txt').unlink()
        os.mkfifo(folder / 'ImageSets/Main/train.txt')
        with pytest.raises(FileNotFoundError, match='ann_file.*train.txt'):
            DATASETS.build(self.config(folder))
        with pytest.raises(FileNotFoundError, match='train_dataloader.dataset.ann_file: .*train'):
            self.judged(folder)


class TestKITTI:
    @pytest.fixture
    def folder(self, tmp_path):
        return write_kitti_folder(tmp_path, {'000000': [CAR]})

    def judged(self, folder, **options):
        options.update(data_root=str(folder), pipeline=[], serialize_data=False)
        config = dict(type='mmkd.KITTIDataset', **options)
        found = findings(*splits_of_config(Config(dict(train_dataloader=dict(dataset=config)))))
        try:
            return KITTIDataset(**options), found
        except ValueError as error:
            return str(error), found

    @pytest.mark.parametrize('text', [
        '\ufeff' + kitti_line(*CAR), kitti_line(*CAR) + '\r\n\r\n',
        kitti_line(*CAR).replace('0.20 1 ', '0.20 1.0 '), kitti_line(*CAR).replace('40.00', '4e1'),
    ])  # fmt: skip
    def test_one_right_reading_is_taken(self, folder, text):
        (folder / 'training/label_2/000000.txt').write_text(text, encoding='utf-8')
        dataset, found = self.judged(folder)
        (car,) = dataset.get_data_info(0)['instances']
        assert (car['bbox'], car['occlusion'], found) == (list(CAR[3:]), 1, [])

    @pytest.mark.parametrize('content, detail', [
        (kitti_line(*CAR).replace('40.00', 'inf').encode(), "the box is 'inf', not a number"),
        (kitti_line(*CAR).replace('40.00', '1e39').encode(), "the box is '1e39', not a number"),
        (kitti_line(*CAR).replace('0.20 1 ', '0.20 1.5 ').encode(), "occlusion is '1.5', not a wh"),
        (kitti_line(*CAR).replace('0.20', 'x').encode(), "truncation is 'x', not a number"),
        (kitti_line(*CAR).encode('utf-16'), 'is not text in UTF-8'),
    ])  # fmt: skip
    def test_what_has_none_is_refused_and_found_alike(self, folder, content, detail):
        (folder / 'training/label_2/000000.txt').write_bytes(content)
        refusal, found = self.judged(folder)
        assert '000000.txt' in refusal and detail in refusal
        assert found[0][0] == 'broken-annotation' and detail in found[0][1]

    @pytest.mark.parametrize('orientation', range(1, 9))
    @pytest.mark.parametrize('suffix', ['.png', '.jpg'])
    def test_the_size_is_that_of_the_loaded_image(self, folder, orientation, suffix):
        (folder / 'training/image_2/000000.png').unlink()
        image = folder / f'training/image_2/000000{suffix}'
        noise(image, (124, 60), exif=turned(orientation))
        height, width = cv2.imread(str(image)).shape[:2]
        dataset, found = self.judged(folder, img_suffix=suffix)
        info = dataset.get_data_info(0)
        assert (info['width'], info['height'], found) == (width, height, [])
        assert findings(*splits_of_path(str(folder))) == []

    @pytest.mark.parametrize('path, kind', [
        ('image_2/000000.png', 'missing-image'), ('label_2/000000.txt', 'missing-annotation'),
    ])  # fmt: skip
    def test_a_pipe_is_not_waited_for(self, folder, path, kind):
        (folder / 'training' / path).unlink()
        os.mkfifo(folder / 'training' / path)
        refusal, found = self.judged(folder)
        assert f'{path}: no such file' in refusal and found[0][0] == kind


class TestCOCO:
    @pytest.fixture
    def file(self, tmp_path):
        return write_tiny_coco(tmp_path) / 'annotations.json'

    def judged(self, file, change=lambda content: None):
        """What a run says before it begins, None where it begins; and the linter's findings."""
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))
        dataset = dict(
            type='CocoDataset', ann_file=str(file), data_prefix=dict(img='images/'), pipeline=[],
            data_root=str(file.parent), metainfo=dict(classes=('class0', 'class1', 'class2')),
            serialize_data=False,
        )  # fmt: skip
        cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
        found = [kind for kind, _ in findings(*splits_of_config(cfg))]
        try:
            check_coco_files(cfg, ('train',))
            DATASETS.build(dataset)
        except ValueError as error:
            return str(error), found
        return None, found

    @pytest.mark.parametrize('change', [
        lambda c: [one.update(id=one['id'] - 1) for one in c['annotations']],
        lambda c: [one.update(id=str(one['id'])) for one in c['annotations']],
        lambda c: [one.update(id=float(one['id'])) for one in c['annotations']],
        lambda c: [one.pop('iscrowd') for one in c['annotations']],
        lambda c: c['annotations'][0].update(iscrowd=True, ignore=None),
        lambda c: c['annotations'][0].update(area=0.5),
        lambda c: c['images'][0].update(width=96.0),
    ])  # fmt: skip
    def test_what_training_reads_rightly_is_not_reported(self, file, change):
        assert self.judged(file, change) == (None, [])

    @pytest.mark.parametrize('change, detail', [
        (lambda c: c['annotations'][1].pop('area'), r'annotations[1] (id 2) has no area'),
        (lambda c: c['annotations'][1].update(area='9'), "area is '9', not a number"),
        (lambda c: c['annotations'][1].update(bbox=['1', 2, 3, 4]), 'not four numbers'),
        (lambda c: c['annotations'][1].update(bbox=[1, 2, float('inf'), 4]), 'not four numbers'),
        (lambda c: c['annotations'][1].update(bbox=[1, 2, 1e39, 4]), 'not four numbers'),
        (lambda c: c['annotations'][1].update(iscrowd='0'), "iscrowd is '0', not 0 or 1"),
        (lambda c: c['annotations'][1].update(iscrowd=[]), 'iscrowd is [], not 0 or 1'),
        (lambda c: c['annotations'][1].update(id=1), 'annotations[1] (id 1) has the id of'),
        (lambda c: c['categories'][1].update(id=0), 'categories[1] (id 0) has the id of'),
        (lambda c: c['images'][1].update(id=0), 'images[1] (id 0) has the id of'),
        (lambda c: c['images'][1].update(width=0, height=0), '(id 1) width is 0, not a number of'),
        (lambda c: c['images'][1].pop('width'), 'images[1] (id 1) has no width'),
        (lambda c: c['images'][1].update(file_name=None), 'file_name is None, not a text'),
    ])  # fmt: skip
    def test_what_it_cannot_read_is_refused_before_it_and_found(self, file, change, detail):
        refusal, found = self.judged(file, change)
        assert str(file) in refusal and detail in refusal and 'broken-annotation' in found

    @pytest.mark.parametrize('make', [lambda path: None, os.mkfifo, os.mkdir])
    def test_an_image_that_is_no_file_is_refused_before_training(self, file, make):
        (file.parent / 'images/3.png').unlink()
        make(file.parent / 'images/3.png')
        refusal, found = self.judged(file)
        assert 'images/3.png: no such file' in refusal and found == ['missing-image']

    def test_the_file_of_a_metric_is_looked_at(self, file):
        evaluator = [dict(type='mmkd.CocoMetric', ann_file=str(file))]
        check_coco_files(Config(dict(val_evaluator=evaluator)), ('val',))
        file.write_text('[' * 10**5)
        with pytest.raises(ValueError, match=r'annotations\.json is not valid JSON: .*recursion'):
            check_coco_files(Config(dict(val_evaluator=evaluator)), ('val',))

    def test_a_file_without_annotations_lists_images_to_test_on(self, file):
        assert self.judged(file, lambda c: c.pop('annotations')) == (None, [])

    @pytest.mark.parametrize('orientation', [1, 3, 6])
    def test_sizes_are_those_of_the_loaded_image(self, file, orientation):
        image = file.parent / 'images/0.jpg'
        noise(image, (96, 64), exif=turned(orientation))
        height, width = cv2.imread(str(image)).shape[:2]
        right = dict(file_name='0.jpg', width=width, height=height)
        boxes = dict(bbox=[0, 0, 50, 50], area=2500)
        assert self.judged(file, lambda c: [c['images'][0].update(right),
                                            c['annotations'][0].update(boxes),
                                            c['annotations'].pop(1)]) == (None, [])  # fmt: skip
        _, found = self.judged(file, lambda c: c['images'][0].update(width=height, height=width))
        assert found == ['wrong-size']


class TestNearDuplicates:
    def test_groups_are_those_of_all_pairs(self):
        rng = np.random.default_rng(0)
        for _ in range(20):
            one, count = int(rng.integers(2)), int(rng.integers(100))
            corners = rng.uniform(0, 30, (count, 2))
            table = np.hstack([corners, corners + rng.uniform(-1, 40, (count, 2))]).tolist()
            boxes = [Box(str(rng.choice(['a', 'b'])), tuple(row)) for row in table]
            groups = list(near_duplicates(boxes, one))
            before = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
            pairs = [(a, b) for a, b in before if iou(a, b, one) >= 0.9]
            assert bool(groups) == bool(pairs)
            for first, second, value, _ in groups:
                assert value == pytest.approx(iou(first, second, one)) and value >= 0.9
            # Every box of a near pair is in a group, unless its partner joined another one.
            members = sum(2 + more for *_, more in groups)
            assert members <= len({box for pair in pairs for box in pair})

    def test_many_that_coincide_are_one_group(self):
        boxes = [Box('a', (5, 5, 50 + i * 1e-5, 50)) for i in range(20_000)]
        ((first, second, value, more),) = near_duplicates(boxes, 0)
        assert (first, second, more) == (boxes[0], boxes[1], 19_998) and value > 0.99


def iou(first, second, one):
    if first.name != second.name:
        return 0
    (a, b, c, d), (e, f, g, h) = first.corners, second.corners
    sides = (c - a + one, d - b + one), (g - e + one, h - f + one)
    if min(*sides[0], *sides[1]) <= 0:
        return 0
    common = max(0, min(c, g) - max(a, e) + one) * max(0, min(d, h) - max(b, f) + one)
    return common / (sides[0][0] * sides[0][1] + sides[1][0] * sides[1][1] - common)
