from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from mmkd.study import check_fit, make_jobs, read_study
from mmkd.study.jobs import select

CONFIGS = Path(__file__).parents[2] / 'configs'
SHAPES = dict(
    teacher=dict(config=str(CONFIGS / 'teachers' / 'faster_rcnn_r18_half_shapes.py')),
    student=dict(config=str(CONFIGS / 'students' / 'faster_rcnn_r18_16th_shapes.py')),
    methods={'hint': 'mmkd.Hint', 'fgfi': [dict(type='mmkd.FGFI', loss_weight=0.02)]},
)


def study(tmp_path, **settings):
    return read_study(None, {**SHAPES, 'work_dir': str(tmp_path), **settings})


@pytest.mark.parametrize('path', sorted((CONFIGS / 'studies').glob('*.py')), ids=lambda p: p.stem)
def test_the_ready_studies_have_their_configs(path):
    read = read_study(path, {})
    assert read.arms[0].name == 'student' and len(read.arms) > 1
    jobs = make_jobs(read)
    assert [job.index for job in jobs] == list(range(len(jobs)))
    assert jobs[0].arm == 'teacher' and jobs[1].arm == 'student'


def test_yaml_and_overrides(tmp_path):
    teacher, student = SHAPES['teacher']['config'], SHAPES['student']['config']
    (tmp_path / 's.yaml').write_text(
        f'teacher: {{config: {teacher}}}\nstudent: {student}\nmethods: {{fgfi: mmkd.FGFI}}\n'
    )
    (tmp_path / 't.pth').touch()
    read = read_study(
        tmp_path / 's.yaml', dict(teacher=dict(checkpoint='t.pth'), seeds=[7], max_epochs=None)
    )
    assert read.name == 's' and read.arms[1].seeds == (7,) and read.arms[1].title == 'fgfi'
    assert read.teacher.checkpoint == str(tmp_path / 't.pth')
    assert read.teacher.config == teacher


def test_the_student_alone_runs_with_every_seed_of_any_method(tmp_path):
    methods = {'fgfi': dict(methods=[dict(type='mmkd.FGFI')], seeds=[0, 5]), 'hint': 'mmkd.Hint'}
    read = study(tmp_path, methods=methods, seeds=[0, 1])
    assert [arm.seeds for arm in read.arms] == [(0, 1, 5), (0, 5), (0, 1)]
    pairs = [(job.arm, job.seed) for job in make_jobs(read)[1:]]
    assert pairs == [
        ('student', 0), ('fgfi', 0), ('hint', 0), ('student', 1), ('hint', 1), ('student', 5),
        ('fgfi', 5),
    ]  # fmt: skip


def test_runs_of_a_seed_differ_in_the_model_alone(tmp_path):
    jobs = make_jobs(study(tmp_path, max_epochs=6, seeds=[3]))
    alone, hint = jobs[1].config.to_dict(), jobs[2].config.to_dict()
    assert alone.pop('model') == hint['model']['student'] == jobs[2].plain.model.to_dict()
    assert hint.pop('model')['methods'] == [dict(type='mmkd.Hint')]
    assert alone == hint
    assert alone['randomness'] == dict(seed=3)
    assert alone['train_cfg']['max_epochs'] == 6 == jobs[1].epochs
    assert alone['default_hooks']['checkpoint']['max_keep_ckpts'] == 1


def test_the_teacher_is_tested_on_the_images_that_students_are_validated_on(tmp_path):
    (tmp_path / 't.pth').touch()
    teacher = dict(SHAPES['teacher'], checkpoint=str(tmp_path / 't.pth'))
    options = {'val_dataloader.dataset.ann_file': 'other.txt'}
    jobs = make_jobs(study(tmp_path, teacher=teacher, cfg_options=options))
    assert jobs[0].kind == 'test' and jobs[1].needs is None
    assert jobs[0].config.test_dataloader.dataset.ann_file == 'other.txt'
    assert jobs[1].config.val_dataloader.dataset.ann_file == 'other.txt'
    assert jobs[2].config.model.teacher.checkpoint == str(tmp_path / 't.pth')


def test_a_pair_is_the_study_of_its_student_and_teacher(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pair = CONFIGS / 'pairs' / 'faster_rcnn_r18_16th_shapes.py'
    settings = dict(methods={'fgfi': 'fgfi'}, seeds=[0], work_dir=str(tmp_path))
    read = read_study(pair, settings)
    plain = study(tmp_path, methods={'fgfi': 'mmkd.FGFI'}, seeds=[0])
    assert read.teacher.checkpoint is None
    for mine, same in zip(make_jobs(read), make_jobs(plain), strict=True):
        assert mine.config.to_dict() == same.config.to_dict()
    checkpoint = tmp_path / 'work_dirs' / 'faster_rcnn_r18_half_shapes' / 'epoch_7.pth'
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert read_study(pair, settings).teacher.checkpoint == str(checkpoint)
    with pytest.raises(ValueError, match="'fgfy' is not registered. Did you mean 'mmkd.FGFI'"):
        make_jobs(read_study(pair, dict(settings, methods={'fgfy': 'fgfy'})))


def test_what_is_no_pair_or_has_two_sizes_is_refused():
    methods = dict(methods={'hint': 'hint'})
    with pytest.raises(ValueError, match='is not a pair of a student and one teacher'):
        read_study(CONFIGS / 'students' / 'faster_rcnn_r18_16th_shapes.py', methods)
    with pytest.raises(ValueError, match='sets student_scale: name the config of the student'):
        read_study(CONFIGS / 'pairs' / 'faster_rcnn_r18_16th_bccd_128x96.py', methods)


def test_jobs_are_chosen_by_index_or_arm(tmp_path):
    jobs = make_jobs(study(tmp_path, seeds=[0]))
    assert [job.arm for job in select(jobs, only=2)] == ['hint']
    assert [job.arm for job in select(jobs, arms=['student'])] == ['teacher', 'student']
    with pytest.raises(ValueError, match='--only=4: the jobs are 0 to 3'):
        select(jobs, only=4)
    with pytest.raises(ValueError, match=r"no \['fgfy'\]; the study has .*'fgfi'"):
        select(jobs, arms=['fgfy'])


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(methods={}), 'methods is empty'),
        (dict(methods={'student': 'mmkd.FGFI'}), "may not be named 'student'"),
        (dict(methods={'a/b': 'mmkd.FGFI'}), "may not be named 'a/b'"),
        (dict(methods={'a': dict(weight=1)}), r"methods\['a'\] must be a list"),
        (dict(seeds=[1, 1]), r'seeds must be distinct integers >= 0, got \[1, 1\]'),
        (dict(max_epochs=0), 'max_epochs must be an integer >= 1, got 0'),
        (dict(student=None), 'student must be a config file'),
        (dict(budget=3), r"unknown settings \['budget'\]"),
        (dict(student=dict(config='x', weights=1)), r"student has unknown settings \['weights'\]"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, change, message):
    settings = {key: value for key, value in {**SHAPES, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        read_study(None, settings)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"teacher.checkpoint='no.pth' does not exist"):
        study(tmp_path, teacher=dict(SHAPES['teacher'], checkpoint='no.pth'))
    with pytest.raises(FileNotFoundError, match='there is no study file no.py'):
        read_study('no.py', {})


def test_a_teacher_on_large_images_has_its_own_loading(tmp_path):
    teacher, student = (CONFIGS / role / f'faster_rcnn_{name}.py' for role, name in (
        ('teachers', 'r18_half_bccd'), ('students', 'r18_16th_bccd_128x96')
    ))  # fmt: skip
    scales = dict(methods='mmkd.ProposalMimic', student_scale=0.5, pairing='upsample')
    settings = dict(teacher=str(teacher), student=str(student), methods=dict(scales=scales))
    _, alone, job = make_jobs(study(tmp_path, **settings, seeds=[0]))
    model = job.config.model
    assert (model.student_scale, model.pairing) == (0.5, 'upsample')

    def sizes(config):
        loaders = (config[f'{split}_dataloader'] for split in ('train', 'val', 'test'))
        return {
            step.scale
            for loader in loaders
            for step in loader.dataset.pipeline
            if step.type == 'Resize'
        }

    assert sizes(job.config) == {(256, 192)}
    assert sizes(job.plain) == sizes(alone.config) == {(128, 96)}
    assert job.config.train_dataloader.batch_size == alone.config.train_dataloader.batch_size

    scales['cfg_options'] = {
        'train_dataloader': dict(batch_size=3, dataset=dict(indices=20)),
        'val_dataloader.dataset.indices': 5,
    }
    few = make_jobs(study(tmp_path, **settings, seeds=[0]))[-1]
    loaders = [few.config[f'{split}_dataloader'] for split in ('train', 'val', 'test')]
    assert [loader.dataset.indices for loader in loaders] == [20, 5, 5]
    assert loaders[0].batch_size == 3 and sizes(few.config) == {(256, 192)}
    assert few.plain.train_dataloader.dataset.indices == 20 and sizes(few.plain) == {(128, 96)}


def test_a_teacher_that_does_not_fit_is_refused_before_the_first_run(tmp_path):
    file = tmp_path / 'teacher.pth'
    given = dict(SHAPES['teacher'], checkpoint=str(file))
    weights = MODELS.build(Config.fromfile(given['config']).model).state_dict()
    classes = make_jobs(study(tmp_path))[-1].config.train_dataloader.dataset.metainfo.classes

    def check(classes, weights=weights, **methods):
        meta = dict(dataset_meta=dict(classes=tuple(classes)))
        torch.save(dict(state_dict=weights, meta=meta), file)
        check_fit(
            make_jobs(study(tmp_path, teacher=given, methods=methods or {'hint': 'mmkd.Hint'}))
        )

    check(classes, kd='mmkd.KD')
    check(classes[::-1])  # of features alone
    with pytest.raises(ValueError, match=r'study: kd cannot be built .*teacher.pth was trained'):
        check(classes[::-1], hint='mmkd.Hint', kd='mmkd.KD')
    with pytest.raises(ValueError, match=r'hint cannot be built .*teacher.pth does not fit'):
        check(classes, dict(list(weights.items())[1:]))


def test_a_method_that_does_not_fit_the_pair_is_refused_before_any_run(tmp_path):
    methods = dict(hint='mmkd.Hint', pairs=dict(title='matrices', methods='mmkd.FSP'))
    jobs = make_jobs(study(tmp_path, methods=methods))
    check_fit([job for job in jobs if job.arm != 'pairs'])
    with pytest.raises(
        ValueError, match='study: matrices cannot be built .*fsp needs equal channels'
    ):
        check_fit(jobs)


def test_an_arm_says_how_it_learns_from_unlabelled_images(tmp_path):
    part = dict(type='mmkd.VOCFolderDataset', data_root='data/shapes', ann_file='train.txt')
    images = dict(_delete_=True, type='mmkd.WithUnlabelled', labelled=part, unlabelled=part)
    options = {
        'train_dataloader.sampler': dict(_delete_=True, type='mmkd.UnlabelledSampler'),
        'train_dataloader.dataset': images,
    }
    arm = dict(methods='mmkd.Hint', unlabelled=dict(score_thr=0.4), cfg_options=options)
    jobs = make_jobs(study(tmp_path, methods=dict(hint=arm)))
    check_fit(jobs)
    assert jobs[-1].config.model.unlabelled == dict(score_thr=0.4)
    with pytest.raises(ValueError, match='both student_scale.* and unlabelled'):
        study(tmp_path, methods=dict(hint=dict(arm, student_scale=0.5)))
    mistakes = [
        (dict(arm, unlabelled=dict(score=0.4)), "unlabelled.*'score'"),
        (dict(arm, cfg_options={}), 'hint cannot be built .*unlabelled'),
        (dict(arm, cfg_options={'train_dataloader.dataset.ann_fil': 'a.txt'}), 'ann_fil'),
    ]
    for wrong, message in mistakes:
        with pytest.raises(ValueError, match=message):
            check_fit(make_jobs(study(tmp_path, methods=dict(hint=wrong))))


def test_stages_of_an_arm_are_those_of_its_detector(tmp_path):
    stages = [dict(methods=['hint'], epochs=1, task=False), dict(methods=[])]
    jobs = make_jobs(study(tmp_path, methods=dict(hint=dict(methods='mmkd.Hint', stages=stages))))
    check_fit(jobs)
    assert jobs[-1].config.model.stages == stages
    hint = dict(methods='mmkd.Hint', stages=[dict(methods=['hint'], epochs=2), dict(methods=[])])
    shorter = make_jobs(study(tmp_path, methods=dict(hint=hint), max_epochs=14))[-1]
    longer = make_jobs(study(tmp_path, methods=dict(hint=hint), max_epochs=7))[-1]
    assert shorter.config.model.stages[0].epochs == 2 * longer.config.model.stages[0].epochs
    stages[0]['methods'] = ['hnt']
    jobs = make_jobs(study(tmp_path, methods=dict(hint=dict(methods='mmkd.Hint', stages=stages))))
    with pytest.raises(ValueError, match='hnt'):
        check_fit(jobs)
