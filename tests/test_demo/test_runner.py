import io
import textwrap
from pathlib import Path

import pytest
from rich.console import Console

from mmkd.datasets import draw_shapes
from mmkd.datasets.shapes import ShapesConfig
from mmkd.demo import Profile, StageFailedError, fingerprint, make_stages, run_stages

CONFIGS = Path(__file__).parents[2] / 'configs'
PROFILE = Profile(ShapesConfig(train=2, val=1), epochs=1, val_interval=1)

# Stands in for tools/train.py: notes when it begins and ends, and writes a checkpoint.
SCRIPT = """
import json, os, sys, time
from pathlib import Path
work_dir = Path(sys.argv[sys.argv.index('--work-dir') + 1])
def note(event):
    with open(work_dir.parent / 'events.txt', 'a') as file:
        file.write(f'{work_dir.name} {event}\\n')
note('begins')
if (work_dir.parent / f'fail_{work_dir.name}').exists():
    sys.exit('no room on the device')
end = time.time() + 10
if work_dir.name != 'distilled':  # the two that run side by side wait for each other
    while time.time() < end and (work_dir.parent / 'events.txt').read_text().count('begins') < 2:
        time.sleep(0.02)
log = work_dir / '20260101_000000' / 'vis_data' / 'scalars.json'
log.parent.mkdir(parents=True)
log.write_text(json.dumps(dict(lr=1, time=0.1, loss=1.0, iter=1, step=1)) + chr(10))
(work_dir / 'threads.txt').write_text(os.environ['OMP_NUM_THREADS'])
(work_dir / 'epoch_1.pth').write_text('weights')
note('ends')
"""


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Runs the stages of a demonstration in ``tmp_path``; returns what was reused, and the text."""
    monkeypatch.setattr(fingerprint, 'code_version', lambda: 'code')
    script = tmp_path / 'train.py'
    script.write_text(textwrap.dedent(SCRIPT))
    draw_shapes(tmp_path / 'data', PROFILE.data)

    def run(seed=0):
        console = Console(file=io.StringIO(), width=200)
        stages = make_stages(PROFILE, CONFIGS, tmp_path, seed)
        reused = run_stages(stages, script, console)
        return reused, console.file.getvalue()

    return run


def events(tmp_path):
    return (tmp_path / 'events.txt').read_text().splitlines()


def test_teacher_and_student_run_side_by_side_and_the_distilled_one_after_the_teacher(
    demo, tmp_path
):
    reused, _ = demo()
    assert reused == dict(teacher=False, student=False, distilled=False)
    lines = events(tmp_path)
    assert set(lines[:2]) == {'teacher begins', 'student begins'}
    assert lines.index('teacher ends') < lines.index('distilled begins')
    assert (tmp_path / 'teacher' / 'threads.txt').read_text() == '1'


def test_finished_stages_are_reused(demo, tmp_path):
    demo()
    before = events(tmp_path)
    reused, text = demo()
    assert reused == dict(teacher=True, student=True, distilled=True)
    assert events(tmp_path) == before and text.count('finished earlier, reused') == 3


def test_another_seed_is_another_config(demo):
    demo()
    reused, text = demo(seed=1)
    assert not any(reused.values())
    assert 'student alone: config changed since it was trained; training 1 epochs.' in text


def test_other_code_trains_everything_again(demo, monkeypatch):
    demo()
    monkeypatch.setattr(fingerprint, 'code_version', lambda: 'other code')
    reused, text = demo()
    assert not any(reused.values()) and 'code and teacher changed' in text


def test_a_lost_checkpoint_is_trained_again_alone(demo, tmp_path):
    demo()
    (tmp_path / 'student' / 'epoch_1.pth').unlink()
    reused, text = demo()
    assert reused == dict(teacher=True, student=False, distilled=True)
    assert 'student alone: epoch_1.pth is gone' in text


def test_a_failure_shows_the_end_of_the_output_and_ends_the_others(demo, tmp_path):
    (tmp_path / 'fail_teacher').touch()
    with pytest.raises(StageFailedError) as caught:
        demo()
    assert 'teacher failed with exit status 1' in str(caught.value)
    assert 'no room on the device' in str(caught.value)
    assert str(tmp_path / 'teacher' / 'output.txt') in str(caught.value)
    assert 'distilled begins' not in events(tmp_path)


def test_a_failed_stage_is_trained_again(demo, tmp_path):
    (tmp_path / 'fail_distilled').touch()
    with pytest.raises(StageFailedError):
        demo()
    (tmp_path / 'fail_distilled').unlink()
    reused, text = demo()
    assert reused == dict(teacher=True, student=True, distilled=False)
    assert 'distilled student: was not finished' in text


def test_foreign_files_in_a_stages_folder_are_not_deleted(demo, tmp_path):
    (tmp_path / 'teacher').mkdir()
    (tmp_path / 'teacher' / 'thesis.txt').write_text('mine')
    with pytest.raises(FileExistsError, match=r'teacher holds other files.*--work-dir'):
        demo()
    assert (tmp_path / 'teacher' / 'thesis.txt').read_text() == 'mine'
