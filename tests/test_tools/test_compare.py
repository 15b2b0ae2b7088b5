"""``tools/compare.py`` as a user runs it: killed, restarted, collected."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmkd.testing import tiny_faster_rcnn_cfg, tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import save_teacher

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'compare.py'
WIDE = dict(base_channels=16, out_channels=24)
SECONDS = 300


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    """A study of two runs on six images: the student alone and with a hint."""
    root = tmp_path_factory.mktemp('study')
    write_tiny_coco(root / 'data')
    for name, model in (('teacher', tiny_faster_rcnn_cfg(**WIDE)),
                        ('student', tiny_faster_rcnn_cfg())):  # fmt: skip
        cfg = tiny_run_cfg(root / 'data', root / 'unused', model, 2, num_workers=0, validate=True)
        cfg.dump(root / f'{name}.py')
    save_teacher(tiny_faster_rcnn_cfg(**WIDE), root / 'teacher.pth')
    (root / 'study.yaml').write_text(
        'name: tiny\nteacher: {config: teacher.py, checkpoint: teacher.pth}\nstudent: student.py\n'
        f'methods: {{hint: mmkd.Hint}}\nseeds: [0]\nwork_dir: {root}/work\n'
    )
    return root / 'study.yaml'


def compare(*args, **kw):
    command = [sys.executable, '-W', 'ignore', str(TOOL), *map(str, args)]
    kw = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True, **kw}
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'COLUMNS': '200'}
    return subprocess.Popen(command, env=env, cwd=TOOL.parents[1], **kw)


@pytest.fixture
def in_this_process(monkeypatch, capsys):
    """The command without an interpreter of its own: its exit status, and what it printed."""

    def call(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        monkeypatch.setenv('COLUMNS', '200')
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(TOOL), run_name='__main__')
        return end.value.code, ''.join(capsys.readouterr())

    before = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, before)


def marker(study, run):
    path = study.parent / 'work' / 'runs' / run / 'run.json'
    return json.loads(path.read_text()) if path.is_file() else {}


@pytest.mark.slow
def test_killed_and_restarted_it_repeats_no_finished_run(study, in_this_process):
    first = compare(study, '--jobs', 1, '--max-epochs', 2)
    end = time.monotonic() + SECONDS
    log = study.parent / 'work' / 'runs' / 'hint' / 'seed_0'
    # The hint is killed within its training, when its first checkpoint is written.
    while not list(log.glob('epoch_1.pth')) and first.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert marker(study, 'student/seed_0')['finished']
    assert not marker(study, 'hint/seed_0')['finished']

    same = ('--max-epochs', 2, '--record', study.parent / 'record.json')
    status, text = in_this_process(study, '--jobs', 1, *same)
    assert status == 0, text
    assert 'teacher: reused' in text and 'student alone, seed 0: reused' in text
    assert 'hint, seed 0: resumed' in text and 'hint, seed 0: finished' in text
    assert marker(study, 'student/seed_0')['starts'] == 1
    assert marker(study, 'hint/seed_0')['starts'] == 2
    outcome = json.loads((study.parent / 'work' / 'study.json').read_text())
    assert outcome['metric'] == 'coco/bbox_mAP' and outcome['missing'] == []
    assert outcome['arms']['teacher']['flops'] > outcome['arms']['hint']['flops'] > 0
    assert (study.parent / 'work' / 'report.html').stat().st_size > 50_000
    figures = [file.name for file in (study.parent / 'work' / 'figures').iterdir()]
    assert {'seeds_and_intervals.png', 'learning_curves.png'} <= set(figures)
    assert 'one seed' in (study.parent / 'work' / 'table.md').read_text()

    elsewhere = ('--work-dir', study.parent / 'elsewhere')
    status, text = in_this_process(study, '--collect', *same, *elsewhere)
    assert status == 0 and 'their weights are not here' in text, text
    assert json.loads((study.parent / 'elsewhere' / 'study.json').read_text())['missing'] == []


def test_a_job_array_runs_one_job_a_task(study, in_this_process, tmp_path):
    script = tmp_path / 'array.sh'
    status, text = in_this_process(study, '--write-job-array', script)
    assert status == 0 and '3 jobs in' in text
    content = script.read_text()
    assert '#SBATCH --array=0-2' in content and '--write-job-array' not in content
    assert f'{TOOL} {study} --only "${{SLURM_ARRAY_TASK_ID:' in content
    done = subprocess.run(['bash', '-n', script], check=False)
    assert done.returncode == 0


def test_a_folder_takes_the_place_of_the_data_and_its_runs_are_apart(study, in_this_process):
    folder = study.parent / 'data'
    words = '--data', folder, '--format', 'coco'
    status, text = in_this_process(study, *words, '--list')
    assert status == 0 and f'--data: {folder} as coco, 3 classes' in text
    assert str(study.parent / 'work_data' / 'runs' / 'hint' / 'seed_0') in text
    status, text = in_this_process(study, *words, '--test', 'val', '--list')
    assert status == 2 and '--val names' in text
    status, text = in_this_process(study, '--format', 'coco', '--list')
    assert status == 2 and '--format coco needs --data' in text


def test_a_mistake_ends_in_a_message_without_a_traceback(study, in_this_process):
    status, text = in_this_process(study, '--only', 7)
    assert status == 2 and 'error: --only=7: the jobs are 0 to 2' in text
    assert 'Traceback' not in text
