import copy
import re
from functools import cache
from pathlib import Path

import mmdet
import pytest
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmkd.datasets import SHAPES_CLASSES
from mmkd.datasets.shapes import ShapesConfig, draw_shapes
from mmkd.registry import METRICS
from mmkd.testing.voc_folders import shared_data, write_voc_folder

ROOT = Path(__file__).parents[1] / 'configs'
PLAIN = [
    p.relative_to(ROOT).as_posix()
    for p in sorted([*ROOT.glob('students/*.py'), *ROOT.glob('teachers/*.py')])
]
THIN = [name for name in PLAIN if 'r18' in name]


read = cache(Config.fromfile)  # a config of mmdet takes a second


def load(name):
    init_default_scope('mmdet')
    return copy.deepcopy(read(ROOT / name))


def count(model):
    return sum(p.numel() for p in model.parameters())


def plain(value):
    """Nested dicts and lists without the scopes that MMEngine adds to a foreign base."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != '_scope_'}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


@pytest.mark.parametrize('name', PLAIN)
def test_a_plain_config_has_no_distillation_in_it(name):
    cfg = load(name)
    assert 'DistillDetector' not in cfg.model.type
    assert not cfg.train_dataloader.persistent_workers  # ReproducibleHook's condition


@pytest.mark.parametrize('data', ['bccd', 'shapes'])
def test_the_thin_pair_has_the_sizes_that_its_names_promise(data):
    student, teacher = (
        load(name).model
        for name in (
            f'students/faster_rcnn_r18_16th_{data}.py',
            f'teachers/faster_rcnn_r18_half_{data}.py',
        )
    )
    assert count(MODELS.build(student)) <= 500_000
    assert 3_300_000 < count(MODELS.build(teacher)) < 3_600_000
    for part in ('anchor_generator', 'bbox_coder'):
        assert student.rpn_head[part] == teacher.rpn_head[part]
    assert student.data_preprocessor == teacher.data_preprocessor


@pytest.mark.parametrize(
    'name, host',
    [
        ('students/faster_rcnn_r50_voc.py', 'pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py'),
        ('students/faster_rcnn_r50_coco.py', 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'),
        ('teachers/faster_rcnn_r101_coco.py', 'faster_rcnn/faster-rcnn_r101_fpn_1x_coco.py'),
        ('students/retinanet_r50_coco.py', 'retinanet/retinanet_r50_fpn_1x_coco.py'),
        ('teachers/retinanet_r101_coco.py', 'retinanet/retinanet_r101_fpn_1x_coco.py'),
        (
            'students/deformable_detr_r50_coco.py',
            'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
        ),
    ],
)
def test_a_benchmark_config_is_the_hosts_but_for_the_runtime(name, host):
    ours, theirs = load(name), read(Path(mmdet.__file__).parent / '.mim' / 'configs' / host)
    same = 'model optim_wrapper param_scheduler train_cfg train_pipeline'
    for key in same.split():
        assert plain(ours[key]) == plain(theirs[key]), key
    assert plain(ours.train_dataloader.dataset) == plain(theirs.train_dataloader.dataset)
    assert plain(ours.test_dataloader.dataset) == plain(theirs.test_dataloader.dataset)
    if 'coco' in name:  # the same settings of a metric that names more numbers
        theirs = copy.deepcopy(theirs)
        theirs.test_evaluator.type = 'mmkd.CocoMetric'
        assert plain(ours.test_evaluator) == plain(theirs.test_evaluator)


@pytest.mark.parametrize('name, mode', [
    ('students/faster_rcnn_r50_voc.py', '11points'),
    ('teachers/faster_rcnn_r101_voc.py', '11points'),
    ('students/faster_rcnn_r50_voc07.py', '11points'),
    ('students/faster_rcnn_r50_voc12.py', 'area'),
])  # fmt: skip
def test_voc_is_evaluated_at_half_overlap_by_the_rule_of_its_year(name, mode):
    metric = METRICS.build(load(name).test_evaluator)
    assert (metric.iou_thr, metric.eval_mode) == (0.5, mode)


@pytest.mark.parametrize('year, splits', [('07', ('trainval', 'test')), ('12', ('train', 'val'))])
def test_one_year_of_voc_reads_its_own_splits(year, splits):
    cfg = load(f'students/faster_rcnn_r50_voc{year}.py')
    files = [cfg.train_dataloader.dataset.dataset.ann_file, cfg.test_dataloader.dataset.ann_file]
    assert files == [f'VOC20{year}/ImageSets/Main/{split}.txt' for split in splits]


def test_two_lines_read_any_folder_in_voc_layout(tmp_path):
    objects = {'a': [('cat', 5, 5, 30, 30)], 'b': [('dog', 5, 5, 30, 30)]}
    for split in ('train', 'val'):
        write_voc_folder(tmp_path / 'mine', objects, split=split)
    config = tmp_path / 'mine.py'
    config.write_text(
        f"_base_ = '{ROOT}/_base_/datasets/voc_folder_256x192.py'\n"
        'train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict('
        f"data_root='{tmp_path}/mine', metainfo=dict(classes=('cat', 'dog'))))\n"
    )
    cfg = load(config)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        sample = DATASETS.build(loader.dataset)[1]['data_samples']
        assert sample.gt_instances.labels.tolist() == [1]
    assert 'train.txt' in cfg.train_dataloader.dataset.ann_file
    assert 'val.txt' in cfg.val_dataloader.dataset.ann_file


PAIRS = sorted(path.name for path in ROOT.glob('pairs/*.py'))


@pytest.mark.parametrize('name', PAIRS)
def test_a_pair_is_a_student_and_a_teacher_of_the_same_data(name):
    cfg = load(f'pairs/{name}')
    assert cfg.model.type == 'mmkd.DistillDetector' and 'methods' not in cfg.model
    # A teacher of another kind is named between student and data.
    crossed = re.search(r'r18_16th_((rfcn|faster_rcnn|quantized)_)', name)
    student = name.replace(crossed[1], '') if crossed else name
    own = plain(cfg.model.student)
    if name.endswith('_half_size.py'):  # begins with the weights of the same detector at full size
        assert own.pop('init_cfg')['checkpoint'] == cfg.model.teacher.checkpoint
        student = name.replace('_half_size', '')
    assert own == plain(load(f'students/{student}').model)
    teacher = load(cfg.model.teacher.config)
    kind = re.match('faster_rcnn|rfcn|retinanet|gfl|deformable_detr', name)[0]
    called = Path(cfg.model.teacher.config).stem
    if crossed and crossed[2] == 'quantized':
        assert 'quantized' in called
    elif crossed:
        kind = crossed[2]
    assert called.startswith(kind)
    assert teacher.train_dataloader == cfg.train_dataloader


@pytest.mark.parametrize('method', [
    'fgfi', 'chen2017', 'proposal_mimic', 'two_stage_mimic', 'quantization_mimic',
])  # fmt: skip
def test_every_method_has_voc_kitti_and_coco_by_one_line(method):
    texts = []
    for data in ('voc', 'kitti', 'coco'):
        text = (ROOT / f'{method}_faster_rcnn_r50_{data}.py').read_text()
        docstring, rest = text.split('\n', 1)
        assert f"_base_ = './pairs/faster_rcnn_r50_{data}.py'" in rest
        texts.append(rest.replace(f'r50_{data}.py', 'r50_DATA.py'))
    assert len(set(texts)) == 1


IMAGES = dict(
    tiny_coco=(480, 50),  # two images have no box
    bccd=(292, 72),
    bccd_128x96=(292, 72),
    hit_uav=(991, 290),  # nine images have no box
    face_mask=(541, 136),
    shapes=(8, 4),
)
"""Of each data set, those that are trained and validated on."""


def data_of(name):
    """The data set of a thin config, by the end of its name."""
    return max((data for data in IMAGES if name.endswith(f'_{data}.py')), key=len)


@pytest.mark.parametrize('data', IMAGES)
def test_a_batch_of_the_real_data_goes_through_the_thin_detectors(data, tmp_path):
    if data == 'shapes':
        root = tmp_path / 'shapes'
        draw_shapes(root, ShapesConfig(train=8, val=4))
    else:
        root = shared_data('BCCD' if 'bccd' in data else data)
    names, batches = [name for name in THIN if data_of(name) == data], {}
    for name in names:
        cfg = load(name)
        loaders = [cfg.train_dataloader, cfg.val_dataloader]
        key = str(plain(loaders))
        if key not in batches:  # most detectors of a data set load it alike
            for loader, images in zip(loaders, IMAGES[data], strict=True):
                loader.dataset.get('dataset', loader.dataset).data_root = str(root)
                assert len(DATASETS.build(loader.dataset)) == images
            batches[key] = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
        if data == 'shapes':
            assert tuple(cfg.train_dataloader.dataset.metainfo.classes) == SHAPES_CLASSES
        model = MODELS.build(cfg.model)
        losses = model(**model.data_preprocessor(copy.deepcopy(batches[key]), True), mode='loss')
        dense = {'gfl': {'loss_dfl'}, 'retinanet': set()}
        own = dense.get(Path(name).name.split('_')[0], {'loss_rpn_cls', 'loss_rpn_bbox', 'acc'})
        assert set(losses) == {'loss_cls', 'loss_bbox', *own}, name
        assert model.parse_losses(losses)[0].item() > 0, name
    assert names
