import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from rich.console import Console

from mmkd.datasets.lint import KINDS, check_splits, render, splits_of_config, splits_of_path
from mmkd.engine.readable_errors import run_readably
from mmkd.testing import write_tiny_coco
from mmkd.testing.kitti_folders import kitti_line, write_kitti_folder
from mmkd.testing.voc_folders import shared_data, write_voc_folder

TOOL = Path(__file__).resolve().parents[3] / 'tools/check_dataset.py'
CAT = ('cat', 5, 5, 30, 30)


def check(path, **options):
    return check_splits(splits_of_path(str(path), **options))


def paint(path, value, size=(48, 64)):
    """An image of its own content, as plain grey ones would be found to be the same."""
    pixels = np.random.default_rng(value).integers(0, 255, (*size, 3), dtype=np.uint8)
    cv2.imwrite(str(path), pixels)


@pytest.fixture
def voc(tmp_path):
    """A folder in order; each test breaks one thing."""
    images = {'a': [CAT, ('dog', 1, 1, 64, 48)], 'b': [CAT], 'c': [('dog', 2, 2, 20, 20)]}
    write_voc_folder(tmp_path, images)
    for index, name in enumerate(images):
        paint(tmp_path / f'JPEGImages/{name}.jpg', index)
    return tmp_path


def rewrite(folder, objects, name='a', **options):
    """One annotation of the folder anew, its image left as it is."""
    image = folder / f'JPEGImages/{name}.jpg'
    before, split = image.read_bytes(), folder / 'ImageSets/Main/train.txt'
    listed = split.read_text()
    write_voc_folder(folder, {name: objects}, **options)
    image.write_bytes(before)
    split.write_text(listed)


class TestEachKind:
    def only(self, folder, kind, match='', **options):
        report = check(folder, **options)
        assert report.counts == {kind: 1}
        finding = report.findings[0]
        assert match in f'{finding.file} {finding.detail}'
        return finding

    def test_a_folder_in_order_has_no_finding(self, voc):
        report = check(voc, classes=('cat', 'dog'))
        assert report.findings == [] and report.splits == {'train': 3} and report.boxes == 4

    def test_missing_image(self, voc):
        (voc / 'JPEGImages/b.jpg').unlink()
        self.only(voc, 'missing-image', 'b.jpg')

    def test_unreadable_image(self, voc):
        (voc / 'JPEGImages/b.jpg').write_bytes(b'no image')
        self.only(voc, 'unreadable-image', 'b.jpg')

    def test_a_truncated_image_is_found_when_decoded(self, voc):
        path = voc / 'JPEGImages/b.jpg'
        path.write_bytes(path.read_bytes()[:-900])
        splits = splits_of_path(str(voc))
        assert check_splits(splits).findings == []
        assert check_splits(splits, decode=True).counts == {'unreadable-image': 1}

    def test_wrong_size(self, voc):
        rewrite(voc, [CAT], size=(48, 64))
        self.only(voc, 'wrong-size', 'states 48x64, the image has 64x48')

    def test_missing_annotation(self, voc):
        (voc / 'Annotations/b.xml').unlink()
        self.only(voc, 'missing-annotation', 'b.xml')

    @pytest.mark.parametrize('text', [
        '<annotation>', '<annotation><object><name>cat</name></object></annotation>',
        '<annotation><size><width>x</width><height>9</height></size></annotation>',
    ])  # fmt: skip
    def test_broken_annotation(self, voc, text):
        (voc / 'Annotations/b.xml').write_text(text)
        self.only(voc, 'broken-annotation', 'b.xml')

    def test_no_boxes(self, voc):
        rewrite(voc, [])
        self.only(voc, 'no-boxes', 'a.xml')

    @pytest.mark.parametrize('box', [(9, 9, 9, 20), (9, 9, 20, 9), (20, 9, 10, 20)])
    def test_degenerate_box(self, voc, box):
        rewrite(voc, [('cat', *box)])
        self.only(voc, 'degenerate-box', f'cat ({box[0]}')

    @pytest.mark.parametrize('box', [(0, 1, 9, 9), (1, 0, 9, 9), (1, 1, 65, 9), (1, 1, 9, 49)])
    def test_outside_image(self, voc, box):
        rewrite(voc, [('cat', *box)])
        self.only(voc, 'outside-image', 'in an image of 64x48')

    def test_the_image_itself_decides_what_is_outside(self, voc):
        rewrite(voc, [('cat', 1, 1, 60, 60)], size=(64, 99))
        assert check(voc).counts == {'wrong-size': 1, 'outside-image': 1}

    def test_unknown_class(self, voc):
        rewrite(voc, [('cow', 5, 5, 30, 30)])
        self.only(voc, 'unknown-class', "'cow'", classes=('cat', 'dog'))

    def test_duplicate_box(self, voc):
        rewrite(voc, [CAT, CAT, ('dog', *CAT[1:])])
        self.only(voc, 'duplicate-box', 'cat (5, 5, 30, 30), 2 times')

    def test_near_duplicate_box(self, voc):
        rewrite(voc, [CAT, ('cat', 5, 5, 30, 31), ('cat', 5, 5, 30, 40)])
        self.only(voc, 'near-duplicate-box', 'IoU 0.96')  # 26 * 26 / (26 * 27)

    def test_duplicate_id(self, voc):
        (voc / 'ImageSets/Main/train.txt').write_text('a\nb\nc\nb\n')
        self.only(voc, 'duplicate-id', '2 times')

    def test_duplicate_image(self, voc):
        (voc / 'JPEGImages/b.jpg').write_bytes((voc / 'JPEGImages/c.jpg').read_bytes())
        self.only(voc, 'duplicate-image', 'c.jpg (train)')

    def test_an_image_in_train_and_test_is_one_finding_but_trainval_holds_val_by_design(self, voc):
        splits = voc / 'ImageSets/Main'
        (splits / 'trainval.txt').write_text('a\nb\nc\n')
        (splits / 'train.txt').write_text('a\nb\n')
        (splits / 'val.txt').write_text('c\n')
        assert check(voc).findings == []
        (splits / 'val.txt').write_text('b\na\n')
        finding = self.only(voc, 'shared-image', '2 also in val: a.jpg, b.jpg')
        assert finding.split == 'train'

    def test_lists_of_single_classes_are_no_splits(self, voc):
        (voc / 'ImageSets/Main/cat_train.txt').write_text('a  1\nb -1\n')
        assert list(check(voc).splits) == ['train']

    def test_a_list_with_a_stray_column_is_still_a_split(self, voc):
        (voc / 'ImageSets/Main/train.txt').write_text('a extra\nb extra\nc extra\n')
        assert check(voc).splits == {'train': 3}


class TestCoco:
    @pytest.fixture
    def file(self, tmp_path):
        return write_tiny_coco(tmp_path) / 'annotations.json'

    def edit(self, file, change):
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))
        return check(file).counts

    def test_a_file_in_order(self, file):
        assert check(file).counts == {}

    @pytest.mark.parametrize('kind, change', [
        ('outside-image', lambda c: c['annotations'][0].update(bbox=[0, 0, 97, 5])),
        ('degenerate-box', lambda c: c['annotations'][0].update(bbox=[5, 5, 0, 5])),
        ('unknown-class', lambda c: c['annotations'][0].update(category_id=99)),
        ('unknown-image', lambda c: c['annotations'][0].update(image_id=99)),
        ('broken-annotation', lambda c: c['annotations'][0].pop('bbox')),
        ('broken-annotation', lambda c: c['annotations'][0].update(bbox=[0, 0, '9', 9])),
        ('missing-image', lambda c: c['images'][1].update(file_name='no.png')),
        ('wrong-size', lambda c: c['images'][0].update(width=97)),
        ('duplicate-id', lambda c: c['images'].append(c['images'][0])),
        ('duplicate-box', lambda c: c['annotations'].append(dict(c['annotations'][0], id=999))),
    ])  # fmt: skip
    def test_each_mistake_is_found(self, file, kind, change):
        assert self.edit(file, change) == {kind: 1}

    def test_an_image_without_boxes(self, file):
        counts = self.edit(file, lambda c: c.update(annotations=c['annotations'][2:]))
        assert counts == {'no-boxes': 1}

    @pytest.mark.parametrize('content, match', [
        ('{', 'is not valid JSON'), ('[]', 'is not a COCO'), ('{"images": []}', 'annotations'),
        ('{"images": [], "annotations": [], "categories": []}', 'lists no image'),
    ])  # fmt: skip
    def test_another_file_is_refused(self, file, content, match):
        file.write_text(content)
        with pytest.raises(ValueError, match=match):
            check(file)

    def test_images_that_are_not_found_name_the_option(self, file):
        (file.parent / 'images').rename(file.parent / 'pictures')
        with pytest.raises(FileNotFoundError, match='--images'):
            check(file)
        assert check(file, images=str(file.parent / 'pictures')).counts == {}

    def test_a_folder_of_images_that_is_not_there_is_refused(self, file):
        with pytest.raises(FileNotFoundError, match='--images no/such: there is no such folder'):
            check(file, images='no/such')


class TestKitti:
    def test_classes_are_refused(self, tmp_path):
        write_kitti_folder(tmp_path, {'000000': []})
        with pytest.raises(ValueError, match='whose types are fixed'):
            check(tmp_path, classes=('Car',))

    def test_the_test_set_of_a_config_has_no_labels_to_miss(self, tmp_path):
        write_kitti_folder(tmp_path, {'000000': []})
        (tmp_path / 'training/label_2/000000.txt').unlink()
        dataset = dict(type='mmkd.KITTIDataset', data_root=str(tmp_path), with_labels=False)
        splits = splits_of_config(Config(dict(test_dataloader=dict(dataset=dataset))))
        assert not check_splits(splits).findings

    def test_faults_of_label_files(self, tmp_path):
        good = ('Car', 0.0, 0, 10.0, 2.0, 40.0, 30.0)
        frames = {name: [good] for name in ('0', '1', '2', '3')}
        write_kitti_folder(tmp_path, frames)
        for index, name in enumerate(frames):
            paint(tmp_path / f'training/image_2/{name}.png', index, (37, 124))
        assert check(tmp_path).counts == {}
        labels = tmp_path / 'training/label_2'
        (labels / '0.txt').write_text(kitti_line(*good).replace('Car', 'Bus'))
        (labels / '1.txt').write_text(kitti_line(*good) + ' 0.5')
        (labels / '2.txt').unlink()
        (labels / '3.txt').write_text(kitti_line('Car', 0, 0, 10, 2, 125, 30))
        assert check(tmp_path).counts == {
            'missing-annotation': 1, 'broken-annotation': 1, 'outside-image': 1, 'unknown-class': 1
        }  # fmt: skip


class TestConfigs:
    def loaders(self, folder, **more):
        dataset = dict(
            type='mmkd.VOCFolderDataset', data_root=str(folder), pipeline=[],
            metainfo=dict(classes=('cat', 'dog')), ann_file='ImageSets/Main/train.txt', **more,
        )  # fmt: skip
        return Config(dict(train_dataloader=dict(dataset=dict(
            type='RepeatDataset', times=2, dataset=dataset)), val_dataloader=dict(dataset=dict(
                dataset, ann_file='ImageSets/Main/val.txt'))))  # fmt: skip

    @pytest.fixture
    def two(self, voc):
        (voc / 'ImageSets/Main/train.txt').write_text('a\nb\n')
        (voc / 'ImageSets/Main/val.txt').write_text('c\n')
        return voc

    def test_wrapped_loaders_are_read_from_their_files(self, two):
        report = check_splits(splits_of_config(self.loaders(two)))
        assert report.splits == {'train': 2, 'val': 1} and report.findings == []

    def test_classes_and_ignored_ones_are_the_configs(self, two):
        rewrite(two, [('cow', 5, 5, 30, 30), ('pig', 8, 8, 40, 40)])
        splits = splits_of_config(self.loaders(two, ignore_classes=('pig',)))
        assert check_splits(splits).counts == {'unknown-class': 1}

    def test_parts_of_one_split_count_together_and_training_on_val_is_found(self, two):
        cfg = self.loaders(two)
        part = cfg.val_dataloader.dataset
        cfg.train_dataloader.dataset = dict(
            type='ConcatDataset', datasets=[cfg.train_dataloader.dataset, part]
        )
        report = check_splits(splits_of_config(cfg))
        assert report.splits == {'train': 3, 'val': 1}
        assert report.counts == {'shared-image': 1}

    @pytest.mark.parametrize('classes, detail', [
        (('class0', 'class1', 'class2'), None),
        (('class0', 'class2'), None),  # the others are left out
        (('class0', 'class2', 'class1'), "label 1 is called 'class2', it is 'class1'"),
        (('cat', 'class0', 'class1'), "label 0 is called 'cat', it is 'class0'"),
        (('class0', 'class1', 'cat'), "label 2 is called 'cat', it is nothing"),
    ])  # fmt: skip
    def test_classes_that_coco_numbers_otherwise_are_found(self, tmp_path, classes, detail):
        write_tiny_coco(tmp_path)
        dataset = dict(
            type='CocoDataset', data_root=str(tmp_path), ann_file='annotations.json',
            data_prefix=dict(img='images/'), metainfo=dict(classes=classes), pipeline=[],
        )  # fmt: skip
        report = check_splits(splits_of_config(Config(dict(val_dataloader=dict(dataset=dataset)))))
        assert [(one.kind, one.detail) for one in report.findings] == (
            [] if detail is None else [('class-order', detail)]
        )
        if detail:  # what MMDetection makes of it
            built = DATASETS.build(dataset)
            assert [f'class{i}' for i in built.cat_ids] != list(built.metainfo['classes'])

    def test_equal_val_and_test_are_read_once(self, two):
        cfg = self.loaders(two)
        cfg.test_dataloader = cfg.val_dataloader
        assert [split.name for split in splits_of_config(cfg)] == ['train', 'val']

    def test_another_layout_is_read_through_its_data_set(self, two, monkeypatch):
        from mmkd.datasets.lint import configs

        monkeypatch.setattr(configs.XMLDataset, 'load_data_list', lambda self: None)
        monkeypatch.setattr(
            configs.VOCFolderDataset, 'load_data_list', lambda self: [dict(
                img_path=str(two / 'JPEGImages/a.jpg'), width=64, height=48,
                instances=[dict(bbox=[0, 0, 0, 9], bbox_label=1)])])  # fmt: skip
        cfg = self.loaders(two)
        readers = configs._any(cfg.val_dataloader.dataset, 'val')
        assert check_splits([readers]).counts == {'degenerate-box': 1}

    def test_a_config_without_data_is_refused(self):
        with pytest.raises(ValueError, match='no data set under'):
            splits_of_config(Config(dict(model=1)))


class TestReport:
    def test_kinds_may_be_left_out_but_not_mistyped(self, voc):
        rewrite(voc, [])
        report = check(voc)
        assert report.without(['no-boxes']).findings == []
        with pytest.raises(ValueError, match="no findings of kind .'no-box'"):
            report.without(['no-box'])

    def test_every_kind_has_a_sentence_and_the_table_says_it(self, voc):
        from rich.console import Console

        rewrite(voc, [CAT] * 2)
        console = Console(record=True, width=200)
        console.print(render(check(voc), 'mine'))
        text = console.export_text()
        assert 'duplicate-box' in text and KINDS['duplicate-box'] in text and '1 findings' in text


class TestTheTool:
    @pytest.fixture
    def run(self, monkeypatch, capsys):
        """Calls its main: status, what it printed, and its errors."""
        spec = importlib.util.spec_from_file_location('check_dataset_tool', TOOL)
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)

        def run(*arguments):
            monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
            return run_readably(
                lambda: tool.run(tool.parse_args(), Console())
            ), *capsys.readouterr()

        return run

    def test_status_json_and_no_overwriting(self, run, voc, tmp_path):
        out = tmp_path / 'findings.json'
        assert run(voc)[0] == 0
        rewrite(voc, [('cat', 0, 1, 9, 9)])
        status, printed, _ = run(voc, '--json', out)
        assert status == 1 and 'outside-image' in printed
        content = json.loads(out.read_text())
        assert content['counts'] == {'outside-image': 1} and content['boxes'] == 3
        assert content['findings'][0]['file'].endswith('a.xml')
        status, _, errors = run(voc, '--json', out)
        assert status == 2 and '--force' in errors
        assert run(voc, '--ignore', 'outside-image')[0] == 0

    @pytest.mark.parametrize('options, match', [
        (('--ignore', 'no-boxs'), 'invalid choice'),
        (('--splits', 'train'), '--splits does nothing for'),
        (('--images', 'somewhere'), '--images does nothing for'),
        (('--cfg-options', 'a=1'), '--cfg-options does nothing for'),
        (('--workers', '0'), '--workers must be >= 1'),
    ])  # fmt: skip
    def test_an_option_that_would_do_nothing_is_refused(self, run, voc, capsys, options, match):
        with pytest.raises(SystemExit) as ended:
            run(voc, *options)
        assert ended.value.code == 2 and match in capsys.readouterr().err

    def test_a_report_that_could_not_be_written_is_refused_before_looking(self, run, voc, tmp_path):
        (tmp_path / 'there.json').write_text('mine')
        status, printed, errors = run(voc, '--json', tmp_path / 'there.json')
        assert status == 2 and '--force' in errors and 'images:' not in printed
        assert (tmp_path / 'there.json').read_text() == 'mine'

    def test_a_folder_is_looked_at_in_the_parts_that_training_takes(
        self, run, voc, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.chdir(tmp_path)
        own = ('--data', voc, '--format', 'voc')
        status, printed, _ = run(*own)
        assert status == 0 and 'train' in printed and 'val' in printed
        for words, match in (((*own, voc), 'name the data'), ((*own, '--classes', 'a'), 'nothing')):
            with pytest.raises(SystemExit):
                run(*words)
            assert match in capsys.readouterr().err

    def test_what_is_no_data_set_is_status_two(self, run, tmp_path):
        status, _, errors = run(tmp_path)
        assert status == 2 and 'is not a folder in VOC layout' in errors
        assert run(tmp_path / 'no.py')[0] == 2


def test_bccd_has_two_boxes_without_area():
    report = check(shared_data('BCCD'), classes=('RBC', 'WBC', 'Platelets'))
    degenerate = [one for one in report.findings if one.kind == 'degenerate-box']
    names = sorted(Path(one.file).stem for one in degenerate)
    assert names == ['BloodImage_00338', 'BloodImage_00343']


def test_the_kitti_sample_is_clean():
    assert check(shared_data('kitti_sample')).counts == {}
