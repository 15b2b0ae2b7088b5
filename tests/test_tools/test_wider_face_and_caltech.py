"""The very thin students on tiny sets in the benchmarks' own layouts, by ``tools/train.py``."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmkd.datasets import caltech_frames, caltech_to_coco
from mmkd.engine.commands.train_and_test import train_main
from mmkd.testing import in_process
from mmkd.testing.benchmarks import write_vbb, write_wider_face_truth
from mmkd.testing.distill import save_teacher

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
FACES = [(20, 20, 40, 40), (70, 30, 30, 30)]
NONE = (0, 0, 0, 0)


def write_image(path, size=(128, 96)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    cv2.imwrite(str(path), pixels)


def write_wider_face(root):
    """Four images of two faces, in MMDetection's layout, and the benchmark's ground truth."""
    names = [f'0_Parade_{i}' for i in range(4)]
    for split in ('train', 'val'):
        for name in names:
            write_image(root / f'WIDER_{split}/0--Parade/{name}.jpg')
            tree = ET.Element('annotation')
            ET.SubElement(tree, 'folder').text = '0--Parade'
            size = ET.SubElement(tree, 'size')
            ET.SubElement(size, 'width').text, ET.SubElement(size, 'height').text = '128', '96'
            for x, y, w, h in FACES:
                entry = ET.SubElement(tree, 'object')
                ET.SubElement(entry, 'name').text = 'face'
                box = ET.SubElement(entry, 'bndbox')
                for corner, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), (x, y, x + w, y + h)):
                    ET.SubElement(box, corner).text = str(value)
            folder = root / f'WIDER_{split}/Annotations'
            folder.mkdir(parents=True, exist_ok=True)
            ET.ElementTree(tree).write(folder / f'{name}.xml')
        (root / f'{split}.txt').write_text('\n'.join(names) + '\n')
    kept = {level: {name: [1, 2] for name in names} for level in ('easy', 'medium', 'hard')}
    write_wider_face_truth(root / 'ground_truth', {'0--Parade': {n: FACES for n in names}}, kept)


def write_caltech(root):
    """Four frames with one person each, converted."""
    person = (1, (101, 101, 40, 100), 0, NONE)
    write_vbb(root / 'annotations/set00/V000.vbb', ['person'], [[person]] * 4)
    frames = caltech_frames(root / 'annotations', [0], skip=1)
    for name in frames:
        write_image(root / 'images' / name, (640, 480))
    for split in ('train', 'test'):
        (root / f'{split}.json').write_text(json.dumps(caltech_to_coco(frames)))


def train(root, name, settings, *options):
    """One epoch at a fifth of the size, and the metric; the logged rows."""
    common = [
        'train_cfg.max_epochs=1', 'default_hooks.logger.interval=1',
        'train_dataloader.num_workers=0', 'val_dataloader.num_workers=0',
        'train_dataloader.dataset.pipeline.2.scale=(128,96)',
        'val_dataloader.dataset.pipeline.1.scale=(128,96)',
        *(f'{split}_dataloader.dataset.data_root={root}' for split in ('train', 'val', 'test')),
    ]  # fmt: skip
    log = root / 'log.txt'
    arguments = [str(CONFIGS / name), *options, '--work-dir', str(root / 'run'), '--cfg-options',
                 *common, *settings]  # fmt: skip
    assert in_process(train_main, arguments, log=log) == 0, log.read_text()[-3000:]
    (scalars,) = (root / 'run').glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in scalars.read_text().splitlines()]


@pytest.mark.slow
def test_quantization_mimic_on_wider_face(tmp_path):
    write_wider_face(tmp_path)
    teacher = Config.fromfile(CONFIGS / 'teachers/rfcn_vgg16_wider_face.py').model
    teacher.backbone.init_cfg = None
    rows = train(
        tmp_path,
        'quantization_mimic_rfcn_vgg16_32nd_wider_face.py',
        [f'{kind}_evaluator.ground_truth={tmp_path}/ground_truth' for kind in ('val', 'test')],
        '--teacher-checkpoint', save_teacher(teacher, tmp_path / 'teacher.pth'),
    )  # fmt: skip
    losses = [row['loss_quantization_mimic'] for row in rows if 'loss' in row]
    assert len(losses) == 2 and all(np.isfinite(losses))
    assert {f'wider_face/AP_{level}' for level in ('easy', 'medium', 'hard')} <= set(rows[-1])


@pytest.mark.slow
def test_the_student_on_caltech(tmp_path):
    write_caltech(tmp_path)
    rows = train(
        tmp_path,
        'students/faster_rcnn_vgg16_32nd_caltech.py',
        [f'{kind}_evaluator.ann_file={tmp_path}/test.json' for kind in ('val', 'test')],
    )
    losses = [row['loss'] for row in rows if 'loss' in row]
    assert len(losses) == 2 and all(np.isfinite(losses))
    assert rows[-1]['caltech/LAMR_reasonable'] <= 1
    assert list((tmp_path / 'run').glob('best_caltech_LAMR_reasonable_epoch_1.pth'))
