from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from mmkd.datasets.folder import read_folder
from mmkd.study import make_jobs, read_study
from mmkd.study.jobs import set_epochs
from mmkd.testing import write_tiny_coco
from mmkd.utils.config_walk import configs_in


def config(**train_cfg):
    return Config(
        dict(
            train_cfg=dict(max_epochs=12, val_interval=4, **train_cfg),
            param_scheduler=[
                dict(type='LinearLR', by_epoch=False, begin=0, end=500),
                dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 11]),
                dict(type='CosineAnnealingLR', T_max=12, begin=1, end=12),
            ],
        )
    )


def test_what_counts_in_epochs_is_scaled_and_a_warm_up_in_steps_is_kept():
    cfg = config()
    assert set_epochs(cfg, 24) == 24 == cfg.train_cfg.max_epochs
    warm_up, steps, cosine = cfg.param_scheduler
    assert warm_up.end == 500
    assert (steps.end, steps.milestones) == (24, [16, 22])
    assert (cosine.T_max, cosine.begin, cosine.end) == (24, 2, 24)


def test_what_a_method_and_a_hook_count_in_epochs_is_scaled_too():
    cfg = config()
    stop = dict(type='stop', begin=8)
    steps = dict(type='warmup', value=1.0, end=500, by_epoch=False)
    methods = [
        dict(type='mmkd.FGFI', loss_weight=[steps, stop]),
        dict(type='mmkd.FSP', alone_epochs=4),
        dict(type='mmkd.FitNets', alone_epochs=0),
    ]
    cfg.model = dict(methods=methods)
    cfg.custom_hooks = [dict(type='YOLOXModeSwitchHook', num_last_epochs=6)]
    set_epochs(cfg, 6)
    first, fsp, fitnets = cfg.model.methods
    assert (first.loss_weight[0].end, first.loss_weight[1].begin) == (500, 4)
    assert (fsp.alone_epochs, fitnets.alone_epochs) == (2, 0)
    assert cfg.custom_hooks[0].num_last_epochs == 3


def test_the_ends_of_stages_are_scaled_and_each_keeps_an_epoch():
    cfg = config()
    cfg.model = dict(stages=[dict(epochs=1), dict(epochs=7), dict(epochs=4)])
    set_epochs(cfg, 6)
    assert [stage.epochs for stage in cfg.model.stages] == [1, 3, 2]
    del cfg.model.stages[2]['epochs']
    set_epochs(cfg, 3)
    assert [stage.get('epochs') for stage in cfg.model.stages] == [1, 1, None]


def test_stages_never_outlast_a_shortened_training():
    cfg = config()
    cfg.model = dict(stages=[dict(epochs=10), dict(epochs=1), dict(epochs=1)])
    set_epochs(cfg, 3)
    assert [stage.epochs for stage in cfg.model.stages] == [1, 1, 1]
    with pytest.raises(ValueError, match='2 epochs .*3 parts of model.stages'):
        set_epochs(cfg, 2)


def test_a_methods_schedule_keeps_an_epoch():
    cfg = config()
    weight = dict(type='linear', start=1.0, stop=0.0, begin=8, end=12)
    cfg.model = dict(methods=[dict(type='mmkd.FGFI', loss_weight=weight)])
    set_epochs(cfg, 1)
    scaled = cfg.model.methods[0].loss_weight
    assert (scaled.begin, scaled.end) == (0, 1)


def test_none_keeps_the_schedule():
    cfg = config()
    assert set_epochs(cfg, None) == 12
    assert cfg.to_dict() == config().to_dict()


def test_a_short_run_is_validated():
    cfg = config()
    set_epochs(cfg, 2)
    assert cfg.train_cfg.val_interval == 2 and cfg.param_scheduler[1].milestones == [1, 2]


def test_a_last_part_of_the_schedule_keeps_an_epoch():
    cfg = config()
    cfg.param_scheduler.append(dict(type='ConstantLR', factor=1, begin=11, end=12))
    set_epochs(cfg, 2)
    assert [(part['begin'], part['end']) for part in cfg.param_scheduler[1:]] == [
        (0, 2),
        (0, 2),
        (1, 2),
    ]


def test_where_validation_begins_and_quickens_is_scaled():
    cfg = config(val_begin=9, dynamic_intervals=[(10, 1)])
    set_epochs(cfg, 4)
    assert cfg.train_cfg.val_begin == 3 and cfg.train_cfg.dynamic_intervals == [(3, 1)]


def test_a_config_without_epochs_is_refused():
    with pytest.raises(ValueError, match='has no train_cfg.max_epochs'):
        set_epochs(Config(dict(train_cfg=dict(max_iters=10))), 2)


def test_a_folder_takes_the_place_of_the_data_of_teacher_and_students(tmp_path):
    write_tiny_coco(tmp_path / 'data', num_images=5)
    given = dict.fromkeys(('train', 'val', 'test'))
    data = read_folder(tmp_path / 'data', 'coco', given, tmp_path / 'cuts')
    path = Path(__file__).parents[2] / 'configs/pairs/faster_rcnn_r18_16th_shapes.py'
    study = read_study(path, dict(methods={'fgfi': 'mmkd.FGFI'}, seeds=[0]))
    for job in make_jobs(replace(study, data=data)):
        heads = [part for _, part in configs_in(job.plain.model, '', None) if 'num_classes' in part]
        assert [head['num_classes'] for head in heads] == [3]
        assert job.config.val_evaluator == job.config.test_evaluator == data.metrics['val']
        assert job.config.train_dataloader.dataset.ann_file == data.datasets['train']['ann_file']
