import json
import os

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from scipy.io import savemat

from mmkd.datasets import (
    CaltechObject,
    caltech_frames,
    caltech_to_coco,
    extract_frames,
    read_seq,
    read_vbb,
)
from mmkd.registry import METRICS
from mmkd.testing.benchmarks import write_vbb

LABELS = ('person', 'people', 'person-fa')
NONE = (0, 0, 0, 0)
# Frame 0: a person in full view and a group; frame 1 nothing; frame 2 a person half hidden, a low
# person, and something that the benchmark does not look at.
FRAMES = [
    [(1, (101, 101, 40, 100), 0, NONE), (2, (301, 101, 80, 90), 0, NONE)],
    [],
    [(1, (101, 101, 40, 100), 1, (101, 101, 40, 50)), (1, (201, 101, 20, 49), 0, NONE),
     (3, (401, 101, 40, 100), 0, NONE)],
]  # fmt: skip


@pytest.fixture
def annotations(tmp_path):
    write_vbb(tmp_path / 'annotations/set06/V000.vbb', LABELS, FRAMES)
    write_vbb(tmp_path / 'annotations/set06/V001.vbb', LABELS, FRAMES[:1])
    write_vbb(tmp_path / 'annotations/set07/V000.vbb', LABELS, FRAMES[1:])
    return tmp_path / 'annotations'


def seq(frames, gap):
    """A video: a header, then length, JPEG and time stamp of each frame."""
    body = b''.join((len(f) + 4).to_bytes(4, 'little') + f + b'\x07' * gap for f in frames)
    return bytes(1024) + body


def jpeg(number):
    return b'\xff\xd8\xff' + bytes([number]) * (20 + number)


class TestVbb:
    def test_boxes_count_from_zero_and_labels_from_one(self, annotations):
        frames = read_vbb(annotations / 'set06/V000.vbb')
        assert [len(frame) for frame in frames] == [2, 0, 3]
        assert frames[0][0] == CaltechObject('person', (100, 100, 40, 100), None)
        assert frames[0][1].label == 'people'
        assert frames[2][0].visible == (100, 100, 40, 50)

    @pytest.mark.parametrize('write', [
        lambda path: path.write_text('no annotation'),
        lambda path: savemat(str(path), {'B': 1}, appendmat=False),
    ])  # fmt: skip
    def test_another_file_is_refused(self, tmp_path, write):
        write(tmp_path / 'V000.vbb')
        with pytest.raises(ValueError, match='V000.vbb is no .vbb annotation'):
            read_vbb(tmp_path / 'V000.vbb')


class TestSeq:
    @pytest.mark.parametrize('gap', [8, 12, 16])
    def test_frames_are_found_whatever_the_length_of_the_time_stamp(self, tmp_path, gap):
        frames = [jpeg(n) for n in range(5)]
        (tmp_path / 'V000.seq').write_bytes(seq(frames, gap))
        assert list(read_seq(tmp_path / 'V000.seq')) == frames

    @pytest.mark.parametrize('content, complaint', [
        (bytes(2000), 'no whole JPEG at byte 1024'),
        # The first frame is 4 + 23 bytes long and ends at 1051; the second begins 8 later.
        (seq([jpeg(0), jpeg(1)], 8)[:-20], 'no whole JPEG at byte 1059'),
        (seq([jpeg(0), jpeg(1)], 9), 'no frame follows the one that ends at byte 1051'),
    ])  # fmt: skip
    def test_what_is_no_video_is_refused(self, tmp_path, content, complaint):
        (tmp_path / 'V000.seq').write_bytes(content)
        with pytest.raises(ValueError, match=complaint):
            list(read_seq(tmp_path / 'V000.seq'))

    def test_the_frames_of_the_annotation_are_written(self, tmp_path):
        (tmp_path / 'videos/set06').mkdir(parents=True)
        (tmp_path / 'videos/set06/V000.seq').write_bytes(seq([jpeg(n) for n in range(4)], 8))
        names = ['set06/V000/I00001.jpg', 'set06/V000/I00003.jpg']
        assert extract_frames(tmp_path / 'videos', names, tmp_path / 'images') == {'written': 2}
        assert (tmp_path / 'images' / names[1]).read_bytes() == jpeg(3)
        with pytest.raises(ValueError, match='has no frame 9'):
            extract_frames(tmp_path / 'videos', ['set06/V000/I00009.jpg'], tmp_path / 'images')
        with pytest.raises(FileNotFoundError, match='no video .*set09.V000.seq'):
            extract_frames(tmp_path / 'videos', ['set09/V000/I00009.jpg'], tmp_path / 'images')


class TestAnInterruptedExtraction:
    NAMES = [f'set06/V000/I{n:05d}.jpg' for n in range(4)]

    @pytest.fixture
    def extract(self, tmp_path):
        (tmp_path / 'videos/set06').mkdir(parents=True)
        (tmp_path / 'videos/set06/V000.seq').write_bytes(seq([jpeg(n) for n in range(4)], 8))
        return lambda **more: extract_frames(
            tmp_path / 'videos', self.NAMES, tmp_path / 'images', **more
        )

    def test_goes_on_where_it_stopped(self, extract, tmp_path):
        seen = []

        def stop_after_two():
            seen.append(1)
            if len(seen) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            extract(on_frame=stop_after_two)
        first = tmp_path / 'images' / self.NAMES[0]
        before = first.stat().st_mtime_ns
        assert extract() == {'there': 2, 'written': 2}
        assert first.stat().st_mtime_ns == before
        assert [(tmp_path / 'images' / n).read_bytes() for n in self.NAMES] == [
            jpeg(n) for n in range(4)]  # fmt: skip

    def test_a_frame_cut_while_it_was_written_has_no_name(self, extract, tmp_path, monkeypatch):
        def full(*names):
            raise OSError('no space left')

        with monkeypatch.context() as patch:
            patch.setattr(os, 'replace', full)
            with pytest.raises(OSError, match='no space'):
                extract()
        assert not list((tmp_path / 'images').rglob('*.jpg'))
        assert extract() == {'written': 4}
        assert len([p for p in (tmp_path / 'images').rglob('*') if p.is_file()]) == 4

    def test_a_file_of_another_content_is_replaced_only_on_demand(self, extract, tmp_path):
        mine = tmp_path / 'images' / self.NAMES[1]
        mine.parent.mkdir(parents=True)
        mine.write_bytes(jpeg(1)[:-1])
        with pytest.raises(FileExistsError, match='I00001.jpg exists with another content'):
            extract()
        assert mine.read_bytes() == jpeg(1)[:-1]
        assert extract(force=True) == {'there': 1, 'replaced': 1, 'written': 2}


class TestToCoco:
    def test_every_skipth_frame_of_each_video_from_the_skipth_on(self, annotations):
        assert list(caltech_frames(annotations, [6, 7], skip=1)) == [
            'set06/V000/I00000.jpg', 'set06/V000/I00001.jpg', 'set06/V000/I00002.jpg',
            'set06/V001/I00000.jpg', 'set07/V000/I00000.jpg', 'set07/V000/I00001.jpg',
        ]  # fmt: skip
        assert list(caltech_frames(annotations, [6, 7], skip=2)) == [
            'set06/V000/I00001.jpg', 'set07/V000/I00001.jpg']  # fmt: skip
        with pytest.raises(ValueError, match='skip=30 have no frame'):
            caltech_frames(annotations, [6], skip=30)

    def test_what_training_ignores_is_a_crowd_and_what_the_metric_needs_is_kept(self, annotations):
        content = caltech_to_coco(caltech_frames(annotations, [6], skip=1))
        kept = [(a['image_id'], a['label'], a['iscrowd'], a['vis_ratio'], a['occluded'])
                for a in content['annotations']]  # fmt: skip
        assert kept == [
            (1, 'person', 0, 1.0, 0), (1, 'people', 1, 1.0, 0),
            (3, 'person', 1, 0.5, 1), (3, 'person', 1, 1.0, 0),
            (4, 'person', 0, 1.0, 0), (4, 'people', 1, 1.0, 0),
        ]  # fmt: skip
        assert content['annotations'][0]['bbox'] == [100, 100, 40, 100]
        wider = caltech_to_coco(caltech_frames(annotations, [6], skip=1), 40, 0.5)
        assert [a['iscrowd'] for a in wider['annotations'][2:4]] == [0, 0]

    def test_a_set_without_annotations_and_a_wrong_distance_are_refused(self, annotations):
        with pytest.raises(FileNotFoundError, match='set09 has no .vbb file'):
            caltech_frames(annotations, [9])
        with pytest.raises(ValueError, match='skip must be >= 1, got 0'):
            caltech_frames(annotations, [6], skip=0)

    def test_mmdetections_data_set_and_our_metric_read_the_file(self, annotations, tmp_path):
        content = caltech_to_coco(caltech_frames(annotations, [6], skip=1))
        (tmp_path / 'test.json').write_text(json.dumps(content))
        dataset = DATASETS.build(dict(
            type='CocoDataset', data_root=str(tmp_path), ann_file='test.json',
            data_prefix=dict(img='images/'), metainfo=dict(classes=('person',)), test_mode=True,
        ))  # fmt: skip
        flags = [[i['ignore_flag'] for i in info['instances']] for info in dataset]
        assert flags == [[0, 1], [], [1, 1], [0, 1]]
        metric = METRICS.build(
            dict(type='mmkd.CaltechMetric', ann_file=str(tmp_path / 'test.json'))
        )
        metric.dataset_meta = dataset.metainfo
        for info in dataset:
            boxes = torch.tensor([i['bbox'] for i in info['instances']]).reshape(-1, 4)
            sample = DetDataSample(metainfo=dict(img_id=info['img_id']))
            sample.pred_instances = InstanceData(
                bboxes=boxes, scores=torch.ones(len(boxes)), labels=torch.zeros(len(boxes)).long()
            )
            metric.process({}, [sample.to_dict()])
        # Every person and every group is detected: nothing is missed, no error counts.
        result = metric.evaluate(len(dataset))
        assert np.array(list(result.values())) == pytest.approx([0, 0], abs=1e-9)
