"""``--data``: heads, data sets, pipelines and metrics of any config follow a folder."""

import argparse

import pytest
from mmdet.registry import MODELS
from mmengine.config import Config

from mmkd.engine.commands.data import add_data_options, read_data, use_data
from mmkd.engine.commands.tool_options import config_of
from mmkd.testing import tiny_faster_rcnn_cfg, write_tiny_coco
from mmkd.testing.distill import save_teacher
from mmkd.utils.config_walk import configs_in


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Options of the data, on a folder of three classes."""
    write_tiny_coco(tmp_path / 'data', num_images=5)
    monkeypatch.chdir(tmp_path)

    def arguments(*words):
        parser = argparse.ArgumentParser()
        add_data_options(parser, unlabelled=True)
        return parser.parse_args(words or ('--data', 'data', '--format', 'coco'))

    return arguments


@pytest.fixture
def data(arguments):
    return read_data(arguments())


LOADER = dict(
    dataset=dict(
        type='RepeatDataset',
        times=3,
        dataset=dict(
            type='ConcatDataset',
            datasets=[dict(type='VOCDataset', pipeline=[dict(type='PackDetInputs')])],
        ),
    )
)
PLAIN = dict(train_dataloader=LOADER, val_dataloader=LOADER, model=dict(type='FasterRCNN'))


def head_counts(model):
    return [part['num_classes'] for _, part in configs_in(model, '', None) if 'num_classes' in part]


@pytest.mark.parametrize(
    'name',
    [
        'mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
        'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
        'mmdet::cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
        'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py',
        'rfcn_r50_voc',
        'faster_rcnn_r18_16th_bccd',
    ],
)
def test_heads_of_every_kind_have_the_number_of_classes(data, name):
    cfg = config_of(name)
    use_data(cfg, data)
    assert set(head_counts(cfg.model)) == {3}
    assert cfg.val_evaluator['type'] == 'mmkd.CocoMetric'
    leaves = [part for _, part in configs_in(cfg.train_dataloader.dataset, '', ('dataset',))]
    assert leaves[-1]['metainfo']['classes'] == data.classes and leaves[-1]['pipeline']
    if 'yolox' in name:  # mixing images is a part of its pipeline
        assert len(leaves) == 2 and leaves[0]['type'] == 'MultiImageMixDataset'


def test_repeated_and_concatenated_data_become_the_folder_once(data):
    cfg = Config(PLAIN)
    use_data(cfg, data)
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    assert train.type == val.type == cfg.test_dataloader.dataset.type == 'CocoDataset'
    assert train.filter_cfg == dict(filter_empty_gt=True) and val.test_mode
    assert [step.type for step in train.pipeline] == ['PackDetInputs']
    assert [step.type for step in val.pipeline] == ['LoadAnnotations', 'PackDetInputs']
    assert cfg.test_cfg == dict(type='TestLoop')


def test_the_best_checkpoint_is_that_of_the_folders_metric(data):
    saving = dict(type='CheckpointHook', save_best='caltech/LAMR_reasonable', rule='less')
    cfg = Config(dict(PLAIN, default_hooks=dict(checkpoint=saving)))
    use_data(cfg, data)
    saved = cfg.default_hooks.checkpoint
    assert (saved.save_best, saved.rule) == ('auto', 'greater')


def test_student_and_teacher_are_written_out_with_their_heads(data, tmp_path):
    model = tiny_faster_rcnn_cfg(num_classes=7)
    Config(dict(model=model)).dump(tmp_path / 'large.py')
    distillation = dict(
        type='mmkd.DistillDetector',
        student=model,
        teacher=dict(config='large.py', checkpoint=save_teacher(model, tmp_path / 'l.pth')),
        methods=[dict(type='mmkd.FGFI')],
    )
    cfg = Config(dict(PLAIN, model=distillation))
    use_data(cfg, data)
    assert head_counts(cfg.model.student) == head_counts(cfg.model.teacher.config) == [3]
    assert cfg.model.teacher.checkpoint.endswith('l.pth')
    assert MODELS.build(cfg.model).teacher.model.roi_head.bbox_head.num_classes == 3


def test_a_teacher_of_some_of_the_classes_keeps_its_head(data):
    def specialist(name):
        return dict(config=tiny_faster_rcnn_cfg(num_classes=1), checkpoint='t.pth', classes=[name])

    teachers = dict(a=specialist(data.classes[0]), b=specialist(data.classes[1]))
    pair = dict(type='mmkd.DistillDetector', student=tiny_faster_rcnn_cfg(), teacher=teachers)
    cfg = Config(dict(PLAIN, model=pair))
    use_data(cfg, data)
    assert head_counts(cfg.model.student) == [3]
    assert [head_counts(one.config) for one in cfg.model.teacher.values()] == [[1], [1]]


def test_masks_are_refused(data):
    cfg = config_of('mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')
    with pytest.raises(ValueError, match='the detector MaskRCNN has a mask_head and learns masks'):
        use_data(cfg, data)


def test_unlabelled_images_need_a_teacher(data):
    with pytest.raises(ValueError, match='--unlabelled data needs a teacher'):
        use_data(Config(PLAIN), data, 'data')


def test_unlabelled_images_come_beside_the_labelled(data, tmp_path):
    model = tiny_faster_rcnn_cfg()
    pair = dict(type='mmkd.DistillDetector', student=model, teacher=dict(config=model))
    cfg = Config(dict(PLAIN, model=pair))
    use_data(cfg, data, 'data/images')
    mixed = cfg.train_dataloader.dataset
    assert mixed.type == 'mmkd.WithUnlabelled' and mixed.unlabelled.data_prefix.img == 'data/images'
    assert mixed.unlabelled.pipeline == mixed.labelled.pipeline
    assert cfg.model.unlabelled == dict(score_thr=0.5, task_weight=1.0)


@pytest.mark.parametrize(
    'words, message',
    [
        (['--data', 'data'], r'--data data needs its layout: add --format voc\|coco\|kitti'),
        (['--train', 'train'], '--train train needs --data'),
        (['--data', 'gone', '--format', 'voc'], '--data gone is no folder'),
    ],
)
def test_half_of_the_options_is_refused(arguments, words, message):
    with pytest.raises(ValueError, match=message):
        read_data(arguments(*words))
