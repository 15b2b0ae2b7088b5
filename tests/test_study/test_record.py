"""A study goes on from the numbers of runs that were made elsewhere."""

import io
import json
from dataclasses import replace

import pytest
from mmengine.config import Config
from rich.console import Console

from mmkd.study import Record, write_outcome
from mmkd.study.jobs import Job
from mmkd.study.markers import config_hash
from mmkd.study.plan import Arm, Detector, Study


def entry(job, value, **changes):
    return {
        **dict(arm=job.arm, title=job.title, seed=job.seed, epochs=2, weights=f'{job.index}' * 64),
        **dict(fingerprint=dict(config=config_hash(job)), metrics={'coco/bbox_mAP': value}),
        **dict(curves={'coco/bbox_mAP': [[1, 2], [value / 2, value]]}, starts=1, versions={}),
        **dict(step_seconds=0.1, gpu_memory=None, process_memory=None, wall_seconds=9.0),
        **changes,
    }


def under(teacher, job):
    return dict(fingerprint=dict(config=config_hash(job), teacher=teacher))


@pytest.fixture
def study(tmp_path):
    arms = Arm('student', 'student alone', (), (0,)), Arm('hint', 'hint', (), (0,))
    place = dict(work_dir=tmp_path / 'work', record=tmp_path / 'docs' / 'record.json')
    return Study('s', Detector('t.py'), Detector('s.py'), arms, {}, None, 'auto', **place)


@pytest.fixture
def jobs(study):
    """A teacher that is trained, the student alone, and two distilled runs."""
    path = str(study.work_dir / 'runs' / 'teacher' / 'epoch_2.pth')
    given = [('teacher', 0, None), ('student', 0, None), ('hint', 0, 0), ('hint', 1, 0)]
    return [
        Job(
            index, arm, 'student alone' if arm == 'student' else arm, seed, 'train',
            cfg := Config(dict(arm=arm, seed=seed, teacher=path if needs == 0 else None)), cfg,
            study.work_dir / 'runs' / arm / str(seed), 2, None, path if needs == 0 else None, needs,
        )
        for index, (arm, seed, needs) in enumerate(given)
    ]  # fmt: skip


@pytest.fixture
def record(study, jobs):
    made = Record(study.record)
    teacher, alone, hint, _ = jobs
    made.write('s', [entry(teacher, 0.8), entry(alone, 0.5), entry(hint, 0.6, **under('a', hint))])
    return Record(study.record)


def test_a_recorded_run_is_done_and_the_teacher_is_trained_for_the_others_alone(record, jobs):
    assert record.without(jobs) == [jobs[0], jobs[3]]
    assert record.without(jobs[:3]) == []
    assert Record(None).without(jobs) == jobs


def test_the_place_of_the_teacher_and_the_order_of_settings_are_no_change(record, jobs):
    there = dict(reversed(jobs[2].config.to_dict().items()), teacher='/elsewhere/epoch_2.pth')
    moved = replace(jobs[2], config=Config(there), teacher='/elsewhere/epoch_2.pth')
    assert record.find(moved) and not record.changed([moved])


def test_a_changed_config_is_named_and_run_again(record, jobs):
    other = replace(jobs[1], config=Config(dict(jobs[1].config.to_dict(), lr=0.2)))
    assert record.changed([jobs[0], other, jobs[3]]) == ['student alone, seed 0']
    assert record.without([jobs[0], other]) == [other]


def test_a_run_replaces_its_own_line_and_a_new_teacher_stands_beside_the_former(record, jobs):
    record.write('s', [entry(jobs[1], 0.55), entry(jobs[0], 0.9, weights='b' * 64)])
    again = Record(record.path)
    assert again.find(jobs[1])['metrics'] == {'coco/bbox_mAP': 0.55}
    assert again.find(jobs[0])['weights'] == 'b' * 64 and len(again.runs) == 4
    text = record.path.read_text()
    assert len(text.splitlines()) == 6 and json.loads(text)['study'] == 's'


def test_recorded_runs_alone_give_the_table_and_say_what_is_missing(record, study, jobs):
    console = Console(file=io.StringIO(), width=200)
    outcome = write_outcome(study, jobs, console)
    text = console.file.getvalue()
    assert outcome['arms']['hint']['paired']['differences'] == pytest.approx((0.1,))
    assert outcome['missing'] == ['hint, seed 1']
    assert 'hint (seed 0): recorded, their weights are not here' in text
    assert 'teachers' not in text
    assert (study.work_dir / 'report.html').is_file()


def test_several_teachers_are_said_with_what_they_reach(record, study, jobs):
    late = entry(jobs[3], 0.7, **under('1' * 64, jobs[3]))
    record.write('s', [late, entry(jobs[0], 0.9, weights='1' * 64)])
    notes = write_outcome(study, jobs, Console(file=io.StringIO()))['warnings']
    assert any(
        'had 2 teachers: a (-) of hint (seed 0); 111111111111 (0.900) of hint (seed 1)' in note
        for note in notes
    )


@pytest.mark.parametrize('text', ['{', '[]', '{"runs": [{}]}', '{"runs": [1]}'])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / 'r.json').write_text(text)
    with pytest.raises(ValueError, match='r.json is not as tools/compare.py wrote it'):
        Record(tmp_path / 'r.json')
