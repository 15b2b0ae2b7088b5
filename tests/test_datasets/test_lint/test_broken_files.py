"""Files that are broken in every way: findings, or an error that names the file; no traceback."""

import copy
import importlib.util
import json
import random
import sys
from pathlib import Path

import pytest
from mmdet.registry import DATASETS
from rich.console import Console

from mmkd.datasets.lint import check_splits, splits_of_path
from mmkd.engine.readable_errors import run_readably
from mmkd.testing import write_tiny_coco
from mmkd.testing.kitti_folders import write_kitti_folder
from mmkd.testing.voc_folders import write_voc_folder

TOOL = Path(__file__).resolve().parents[3] / 'tools/check_dataset.py'
WRONG = [None, True, -1, 0, 1.5, 1e400, 10**400, '', 'x', '\ud800', '\0', [], [1], {}, {'id': 1}]
BOXES = [[1, 2, 3], [1, 2, 3, None], [1, 2, 3, float('nan')], [-1e308, -1e308, 1e308, 1e308]]


@pytest.fixture
def status(monkeypatch, capsys):
    """Runs the command; its exit status. What a user would see as a traceback is raised."""
    spec = importlib.util.spec_from_file_location('check_dataset_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
        ended = run_readably(lambda: tool.run(tool.parse_args(), Console()))
        out, err = capsys.readouterr()
        if ended == 2:
            assert str(arguments[0]) in err
        return ended

    return run


def positions(value, parent=None, key=None):
    """Every (container, key) of a JSON value, from the outermost on."""
    if parent is not None:
        yield parent, key
    if isinstance(value, (dict, list)):
        names = list(value) if isinstance(value, dict) else range(len(value))
    else:
        names = ()
    for name in names:
        yield from positions(value[name], value, name)


def spoil(content, rng):
    """Takes out or replaces one to three places of a JSON value."""
    for _ in range(rng.randint(1, 3)):
        parent, key = rng.choice(list(positions(content)))
        if rng.random() < 0.4:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(rng.choice(WRONG + BOXES))
        if not content:
            break


class TestCoco:
    @pytest.fixture
    def file(self, tmp_path):
        return write_tiny_coco(tmp_path) / 'annotations.json'

    def found(self, file, change):
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))
        report = check_splits(splits_of_path(str(file), images=str(file.parent / 'images')))
        return [(one.kind, one.detail) for one in report.findings]

    @pytest.mark.parametrize('key, lists, more', [
        ('file_name', 'images', []), ('width', 'images', []), ('height', 'images', []),
        ('bbox', 'annotations', []), ('image_id', 'annotations', []),
        ('category_id', 'annotations', []), ('area', 'annotations', []), ('id', 'annotations', []),
        ('name', 'categories', []),
        # Nothing says any more whose boxes and whose class these are.
        ('id', 'images', ['unknown-image']), ('id', 'categories', ['unknown-class']),
    ])  # fmt: skip
    @pytest.mark.parametrize('wrong', ['absent', {}])
    def test_an_entry_that_lacks_a_key_is_a_finding_that_names_it(
        self, file, key, lists, more, wrong
    ):
        def change(content):
            content[lists][1][key] = wrong
            if wrong == 'absent':
                del content[lists][1][key]

        found = self.found(file, change)
        first = next(one for one in found if one[1].startswith(f'{lists}[1]'))
        lack = f'has no {key}' if wrong == 'absent' else f'{key} is {{}}, not '
        assert first[0] == 'broken-annotation' and lack in first[1]
        assert {kind for kind, _ in found if (kind, _) != first} == set(more)

    @pytest.mark.parametrize('change', [
        lambda c: c['images'].append(3), lambda c: c['annotations'].append(None),
        lambda c: c['categories'].append([]),
    ])  # fmt: skip
    def test_an_entry_that_is_no_object_is_a_finding(self, file, change):
        ((kind, detail),) = self.found(file, change)
        assert kind == 'broken-annotation' and 'is not an object but' in detail

    def test_two_annotations_of_one_id_are_a_finding(self, file):
        def change(content):
            content['annotations'][2]['id'] = content['annotations'][0]['id']

        ((kind, detail),) = self.found(file, change)
        assert kind == 'broken-annotation'
        assert detail.startswith('annotations[2]') and 'has the id of annotations[0]' in detail

    def test_a_fault_of_an_image_listed_twice_is_kept(self, file):
        def change(content):
            content['images'].append({k: content['images'][0][k] for k in ('id', 'file_name')})

        assert sorted(kind for kind, _ in self.found(file, change)) == [
            'broken-annotation', 'duplicate-id']  # fmt: skip

    def test_images_without_any_name_are_findings(self, file, status):
        content = json.loads(file.read_text())
        for image in content['images']:
            del image['file_name']
        file.write_text(json.dumps(content))
        assert status(file) == 1

    @pytest.mark.parametrize('text', [
        '', '{', '3', '"images"', '[' * 100_000, '{"images": 1' + '0' * 5000 + '}', b'\xff\xfe\x00',
        '{"images": 3, "annotations": [], "categories": []}',
        '{"images": [1], "annotations": {}, "categories": []}',
    ])  # fmt: skip
    def test_what_is_no_coco_file_is_an_error_that_names_it(self, file, status, text):
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        assert status(file) == 2

    @pytest.mark.parametrize('seed', range(3))
    def test_spoilt_files_are_never_a_traceback(self, file, status, seed):
        rng, good = random.Random(seed), json.loads(file.read_text())
        for _ in range(60):
            content = copy.deepcopy(good)
            spoil(content, rng)
            file.write_text(json.dumps(content))
            assert status(file, '--images', file.parent / 'images') in (0, 1, 2), content

    def test_what_mmdetection_cannot_read_is_found(self, file, status, capsys):
        rng, good = random.Random(9), json.loads(file.read_text())
        refused = 0
        for _ in range(60):
            content = copy.deepcopy(good)
            spoil(content, rng)
            file.write_text(json.dumps(content))
            try:
                DATASETS.build(dict(
                    type='CocoDataset', ann_file=str(file), data_prefix=dict(img='images/'),
                    metainfo=dict(classes=('class0', 'class1', 'class2')), pipeline=[],
                ))  # fmt: skip
            except Exception:
                refused += 1
                assert status(file, '--images', file.parent / 'images') != 0, content
        assert refused > 20


def scratch(content, rng):
    """Bytes with some cut out, doubled or changed."""
    spoilt = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(spoilt) + 1), rng.randint(1, 30)
        piece = spoilt[at : at + length]
        spoilt[at : at + length] = rng.choice(
            [b'', piece * 2, rng.randbytes(2), piece[::-1], b'<!ENTITY', b'nan', b'encoding="x"']
        )
    return bytes(spoilt)


@pytest.mark.parametrize('file', [
    'Annotations/a.xml', 'ImageSets/Main/train.txt', 'JPEGImages/a.jpg',
])  # fmt: skip
def test_scratched_voc_folders_are_never_a_traceback(tmp_path, status, file):
    box = ('cat', 5, 5, 30, 30)
    path = write_voc_folder(tmp_path, {'a': [box, ('dog', 1, 1, 60, 40)], 'b': [box]}) / file
    rng, good = random.Random(0), path.read_bytes()
    for _ in range(80):
        path.write_bytes(scratch(good, rng))
        assert status(tmp_path) in (0, 1, 2)


@pytest.mark.parametrize('file', [
    'training/label_2/000000.txt', 'ImageSets/train.txt', 'training/image_2/000000.png',
])  # fmt: skip
def test_scratched_kitti_folders_are_never_a_traceback(tmp_path, status, file):
    rows = [('Car', 0.0, 0, 10.0, 5.0, 40.0, 30.0), ('Van', 0.5, 1, 10.0, 5.0, 20.0, 30.0)]
    write_kitti_folder(tmp_path, {'000000': rows, '000001': rows[:1]})
    path = tmp_path / file
    rng, good = random.Random(0), path.read_bytes()
    for _ in range(80):
        path.write_bytes(scratch(good, rng))
        assert status(tmp_path) in (0, 1, 2)


@pytest.mark.parametrize('text, detail', [
    ('<?xml version="1.0" encoding="no-such"?><annotation/>', 'unknown encoding'),
    ('<annotation><object><bndbox/></object></annotation>', 'object 1 has no name'),
    ('<annotation><object><name>cat</name></object></annotation>', "object 1 'cat': xmin is empty"),
])  # fmt: skip
def test_voc_objects_without_name_or_box_are_findings(tmp_path, text, detail):
    write_voc_folder(tmp_path, {'a': []})
    (tmp_path / 'Annotations/a.xml').write_text(text)
    (finding,) = check_splits(splits_of_path(str(tmp_path))).findings
    assert finding.kind == 'broken-annotation' and detail in finding.detail


def test_a_split_file_that_is_no_text_is_an_error_that_names_it(tmp_path):
    write_voc_folder(tmp_path, {'a': []})
    (tmp_path / 'ImageSets/Main/train.txt').write_bytes(b'\xff\n')
    with pytest.raises(ValueError, match=r'train.txt is not text in UTF-8'):
        splits_of_path(str(tmp_path))


def test_a_kitti_line_with_too_few_fields_is_a_finding(tmp_path):
    write_kitti_folder(tmp_path, {'000000': []})
    (tmp_path / 'training/label_2/000000.txt').write_text('Car 0.0 0 1.5 10 20\n')
    (finding,) = check_splits(splits_of_path(str(tmp_path))).findings
    assert finding.kind == 'broken-annotation' and 'line 1 has 6 columns' in finding.detail
