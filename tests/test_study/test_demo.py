"""The demonstration: its three runs, against a stand-in for tools/train.py, and its table."""

import io
import textwrap
from pathlib import Path

import pytest
from mmengine.config import Config
from rich.console import Console

from mmkd.datasets import draw_shapes
from mmkd.datasets.shapes import ShapesConfig
from mmkd.study import demo, launch, make_jobs
from mmkd.study.demo import PROFILES, Profile

STUDY = Path(__file__).parents[2] / 'configs' / 'studies' / 'shapes.py'
TINY = Profile(ShapesConfig(train=2, val=1), epochs=1, val_interval=1)

SCRIPT = """
import json, os, sys, time
from pathlib import Path
work_dir = Path(sys.argv[sys.argv.index('--work-dir') + 1])
name, root = str(work_dir).split('/runs/')[1].split('/')[0], Path('{root}')
def note(event):
    with open(root / 'events.txt', 'a') as file:
        file.write(f'{name} {event}\\n')
note('begins')
if (root / f'fail_{name}').exists():
    sys.exit('no room on the device')
end = time.time() + 10
if name != 'distilled':  # the two that run side by side wait for each other
    while time.time() < end and (root / 'events.txt').read_text().count('begins') < 2:
        time.sleep(0.02)
log = work_dir / '20260101_000000' / 'vis_data' / 'scalars.json'
log.parent.mkdir(parents=True)
log.write_text(json.dumps({'pascal_voc/mAP': 0.5, 'step': 1}) + chr(10))
(work_dir / 'threads.txt').write_text(os.environ['OMP_NUM_THREADS'])
(work_dir / 'epoch_1.pth').write_text('weights')
note('ends')
"""


@pytest.fixture
def jobs_of(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, 'code_version', lambda: 'code')
    return lambda profile, seed=3: {
        job.arm: job for job in make_jobs(demo.demo_study(profile, STUDY, tmp_path, seed))
    }


def test_the_standard_demo_trains_the_configs_as_they_are(jobs_of, tmp_path):
    jobs = jobs_of(PROFILES['standard'])
    study = demo.demo_study(PROFILES['standard'], STUDY, tmp_path, 3)
    assert study.teacher.checkpoint is None and jobs['teacher'].kind == 'train'
    for job in jobs.values():
        given = Config.fromfile((study.teacher if job.arm == 'teacher' else study.student).config)
        assert job.epochs == given.train_cfg.max_epochs == job.config.train_cfg.max_epochs
        assert job.config.param_scheduler == given.param_scheduler
        assert job.config.optim_wrapper == given.optim_wrapper
    assert jobs['distilled'].config.model.methods == [dict(type='mmkd.FGFI')]


def test_student_and_distilled_student_differ_in_the_model_alone(jobs_of):
    for profile in PROFILES.values():
        alone, distilled = (
            jobs_of(profile)[arm].config.to_dict() for arm in ('student', 'distilled')
        )
        assert distilled.pop('model')['student'] == alone.pop('model')
        assert distilled == alone and alone['randomness']['seed'] == 3


def test_the_distilled_student_learns_from_the_teachers_last_checkpoint(jobs_of):
    jobs = jobs_of(PROFILES['quick'])
    assert jobs['teacher'].checkpoint.name == 'epoch_2.pth'
    assert jobs['distilled'].config.model.teacher.checkpoint == str(jobs['teacher'].checkpoint)
    assert (jobs['distilled'].needs, jobs['student'].needs) == (0, None)


def test_a_short_run_shortens_the_schedule_with_it(jobs_of):
    profile = Profile(ShapesConfig(train=19, val=4), epochs=2, val_interval=1)
    for job in jobs_of(profile).values():
        assert job.config.train_dataloader.batch_size == 2
        warm_up, decay = job.config.param_scheduler
        assert (warm_up.end, decay.end) == (2, 2)  # of twenty steps: the last batch is of one image
    standard, full = (jobs_of(PROFILES[name])['student'].config for name in ('standard', 'full'))
    assert full.param_scheduler[0] == standard.param_scheduler[0]


def test_a_folder_without_configs_is_named(tmp_path):
    (tmp_path / 'data').mkdir()
    with pytest.raises(FileNotFoundError, match='there is no study file .*shapes.py'):
        demo.demo_study(PROFILES['quick'], tmp_path / 'shapes.py', tmp_path, 0)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the demonstration in ``tmp_path``; returns what was reused, and the text."""
    monkeypatch.setattr(demo, 'code_version', lambda: 'code')
    monkeypatch.setattr(launch, 'TOOLS', tmp_path)
    monkeypatch.setattr(
        demo, '_report', lambda study, jobs, reused, console: [jobs[i].arm for i in sorted(reused)]
    )
    (tmp_path / 'train.py').write_text(
        textwrap.dedent(SCRIPT.replace("'{root}'", repr(str(tmp_path))))
    )

    def run(seed=0, data=TINY.data):
        draw_shapes(tmp_path / 'data', data, force=True)
        console = Console(file=io.StringIO(), width=200)
        reused = demo.run_demo(demo.demo_study(TINY, STUDY, tmp_path, seed), console, 2)
        return reused, console.file.getvalue()

    return run


def events(tmp_path):
    return (tmp_path / 'events.txt').read_text().splitlines()


def test_teacher_and_student_run_side_by_side_and_finished_runs_are_reused(run, tmp_path):
    assert run()[0] == []
    lines = events(tmp_path)
    assert set(lines[:2]) == {'teacher begins', 'student begins'}
    assert lines.index('teacher ends') < lines.index('distilled begins')
    assert (tmp_path / 'runs' / 'teacher' / 'threads.txt').read_text() == '1'
    reused, text = run()
    assert reused == ['teacher', 'student', 'distilled'] and text.count('reused') == 3
    assert events(tmp_path) == lines


def test_what_changed_is_trained_again_and_said(run, tmp_path, monkeypatch):
    run()
    reused, text = run(data=ShapesConfig(train=3, val=1))
    assert reused == [] and text.count('its config changed (- drawn_images') == 3
    monkeypatch.setattr(demo, 'code_version', lambda: 'other code')
    reused, text = run(data=ShapesConfig(train=3, val=1))
    assert reused == [] and "(- code = 'code'; + code = 'other code')" in text
    (tmp_path / 'runs' / 'student' / 'seed_0' / 'epoch_1.pth').unlink()
    reused, text = run(data=ShapesConfig(train=3, val=1))
    assert reused == ['teacher', 'distilled'] and 'student alone, seed 0: epoch_1.pth is' in text


def test_another_seed_is_another_run(run):
    run()
    assert run(seed=1)[0] == []


def test_a_failure_shows_the_end_of_the_output_and_is_tried_again(run, tmp_path):
    (tmp_path / 'fail_teacher').touch()
    with pytest.raises(ChildProcessError) as caught:
        run()
    assert 'teacher, seed 0: exit status 1; the end of' in str(caught.value)
    assert 'no room on the device' in str(caught.value)
    assert str(tmp_path / 'runs' / 'teacher' / 'output.txt') in str(caught.value)
    assert 'distilled begins' not in events(tmp_path)
    (tmp_path / 'fail_teacher').unlink()
    assert run()[0] == ['student']


def test_foreign_files_are_not_deleted(run, tmp_path):
    folder = tmp_path / 'runs' / 'teacher'
    folder.mkdir(parents=True)
    (folder / 'thesis.txt').write_text('mine')
    with pytest.raises(FileExistsError, match=r'teacher holds other files.*--work-dir'):
        run()
    assert (folder / 'thesis.txt').read_text() == 'mine'


def test_the_code_of_a_method_counts_and_that_of_a_figure_does_not(tmp_path, monkeypatch):
    for name in ('methods', 'visualization'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'a.py').write_text('x = 1')
    monkeypatch.setattr(demo.mmkd, '__file__', str(tmp_path / '__init__.py'))
    first = demo.code_version()
    (tmp_path / 'visualization' / 'a.py').write_text('x = 2')
    assert demo.code_version() == first
    (tmp_path / 'methods' / 'a.py').write_text('x = 2')
    assert demo.code_version() != first


@pytest.mark.parametrize(
    'gap, caption',
    [(0.17, 'Gap closed: 17% of the difference'), (None, 'there is no gap to close')],
)
def test_the_table(gap, caption):
    row = dict(title='teacher', map=0.5234, params=3_440_000, flops=880_000_000)
    console = Console(file=io.StringIO(), width=120)
    console.print(demo._table(dict(teacher=dict(row, step_seconds=1.05, train_seconds=90)), gap))
    text = ' '.join(console.file.getvalue().split())
    assert '│ teacher │ 0.523 │ 3.44 M │ 0.88 G │ 1050 ms │ 1.5 min │' in text
    assert caption in text
