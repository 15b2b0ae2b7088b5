"""Order, reuse and failure, against a stand-in for tools/train.py and tools/test.py."""

import io
import json
import os
import signal
import textwrap
import time
from dataclasses import replace

import pytest
from mmengine.config import Config
from rich.console import Console

from mmkd.study import Launcher, Runner, find_slots, launch
from mmkd.study.jobs import Job
from mmkd.study.markers import read_marker
from mmkd.testing import start_process
from mmkd.utils.locks import hold

SCRIPT = """
import json, os, sys, time
from pathlib import Path
work_dir = Path(sys.argv[sys.argv.index('--work-dir') + 1])
start = work_dir / f'start_{len(list(work_dir.glob("start_*")))}'
if (work_dir.parent / f'hang_{work_dir.name}').exists():
    print('Epoch(train)  [1][1/2]  eta: 0:00:10', flush=True)
    (work_dir / 'epoch_1.pth').write_text('half')
    (work_dir / 'pid').write_text(str(os.getpid()))
    time.sleep(60)
if (work_dir.parent / f'fail_{work_dir.name}').exists():
    sys.exit('no room on the device')
log = start / 'vis_data' / 'scalars.json'
log.parent.mkdir(parents=True)
(start / 'argv.txt').write_text(' '.join(sys.argv))
(start / 'threads.txt').write_text(os.environ.get('OMP_NUM_THREADS', ''))
log.write_text(json.dumps({'pascal_voc/mAP': 0.5, 'step': 2}) + chr(10))
(work_dir / 'epoch_1.pth').write_text('old')
(work_dir / 'epoch_2.pth').write_text('weights')
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    folder = tmp_path / 'tools'
    folder.mkdir()
    for name in ('train.py', 'test.py'):
        (folder / name).write_text(textwrap.dedent(SCRIPT))
    monkeypatch.setattr(launch, 'TOOLS', folder)
    return folder


def make(tmp_path, count=3, teacher_trained=False, **config):
    """A teacher and runs that need it."""
    jobs = []
    for index in range(count):
        cfg = Config(dict(index=index, **config))
        first = index == 0
        jobs.append(
            Job(
                index, f'arm{index}', f'arm{index}', 0, 'train', cfg, cfg, tmp_path / f'run{index}',
                epochs=2, teacher=None if first else str(tmp_path / 'run0' / 'epoch_2.pth'),
                needs=None if first else 0,
            )
        )  # fmt: skip
    return jobs


def run(jobs, slots=2, selected=None):
    console = Console(file=io.StringIO(), width=200)
    runner = Runner(jobs, console, find_slots(slots, Launcher()), Launcher())
    failed = runner.run(jobs if selected is None else selected)
    return failed, console.file.getvalue()


def starts(job):
    return len(list(job.work_dir.glob('start_*')))


def test_runs_wait_for_the_teacher_and_keep_the_last_checkpoint_alone(tools, tmp_path):
    jobs = make(tmp_path)
    failed, text = run(jobs)
    assert not failed
    assert text.index('arm0, seed 0: finished') < text.index('arm1, seed 0: running')
    for job in jobs:
        assert [path.name for path in job.work_dir.glob('*.pth')] == ['epoch_2.pth']
        assert (job.work_dir / 'start_0' / 'threads.txt').read_text() == '1'
        marker = read_marker(job.work_dir)
        assert marker.finished and marker.seconds > 0 and marker.peak_memory > 2**20
        assert marker.versions['torch']


def test_a_run_that_found_nothing_is_finished_and_one_without_evaluation_is_not(tools, tmp_path):
    script = (tools / 'train.py').read_text()
    (tools / 'train.py').write_text(script.replace("'pascal_voc/mAP': 0.5", "'time': 0.1"))
    job = make(tmp_path, 1)[0]
    assert not run([job])[0]
    (tools / 'train.py').write_text(script.replace("'step': 2", "'step': 1"))
    (tmp_path / 'other').mkdir()
    job = make(tmp_path / 'other', 1)[0]
    assert 'was not evaluated' in run([job])[0][0]


def test_finished_runs_are_not_repeated(tools, tmp_path):
    run(make(tmp_path))
    failed, text = run(make(tmp_path))
    assert text.count('reused') == 3 and not failed
    assert [starts(job) for job in make(tmp_path)] == [1, 1, 1]


def test_a_changed_config_is_run_again_and_said(tools, tmp_path):
    run(make(tmp_path, lr=0.1))
    jobs = make(tmp_path, lr=0.1)
    jobs[1] = replace(jobs[1], config=Config(dict(index=1, lr=0.2)))
    _, text = run(jobs)
    assert 'arm1, seed 0: its config changed (- lr = 0.1; + lr = 0.2); it is run again.' in text
    assert text.count('reused') == 2


def test_a_config_that_is_only_written_differently_is_the_same(tools, tmp_path):
    jobs = make(tmp_path, lr=0.1)
    run(jobs)
    text = jobs[1].work_dir / 'fingerprint.txt'
    text.write_text('lr = 0.10\nindex = (\n    1)\n')
    marker = jobs[1].work_dir / 'run.json'
    content = json.loads(marker.read_text())
    content['fingerprint']['config'] = 'of the other text'
    marker.write_text(json.dumps(content))
    assert run(jobs)[1].count('reused') == 3
    text.write_text('lr = 0.2\nindex = 1\n')
    assert 'arm1, seed 0: its config changed (- lr = 0.2; + lr = 0.1)' in run(jobs)[1]


def test_the_text_of_a_config_in_a_study_folder_is_data(tools, tmp_path):
    run(make(tmp_path, lr=0.1))
    jobs, mark = make(tmp_path, lr=0.2), tmp_path / 'it_ran'
    for job, text in zip(jobs, [f'x = open({str(mark)!r}, "w")', 'no python', '\xff']):
        (job.work_dir / 'fingerprint.txt').write_bytes(text.encode('latin1'))
    assert run(jobs)[1].count('its config changed') == 3 and not mark.exists()


def test_another_teacher_trains_its_students_again(tools, tmp_path):
    jobs = make(tmp_path)
    run(jobs)
    jobs[0].checkpoint.write_text('better weights')
    _, text = run(jobs)
    assert text.count('teacher changed; it is run again') == 2 and text.count('reused') == 1


def test_a_lost_checkpoint_is_trained_again(tools, tmp_path):
    jobs = make(tmp_path)
    run(jobs)
    jobs[2].checkpoint.unlink()
    assert 'arm2, seed 0: epoch_2.pth is gone; it is run again.' in run(jobs)[1]


@pytest.mark.parametrize('text', ['{', '[]', '{"fingerprint": {}, "seconds": "1"}'])
def test_a_damaged_marker_is_named_and_its_run_kept(tools, tmp_path, text):
    job = make(tmp_path, 1)[0]
    run([job])
    (job.work_dir / 'run.json').write_text(text)
    with pytest.raises(ValueError, match=r'run0/run.json is not as mmkd wrote it \(.*restore it'):
        run([job])
    assert job.checkpoint.read_text() == 'weights'


def test_a_failure_is_told_and_the_others_go_on(tools, tmp_path):
    (tmp_path / 'fail_run1').touch()
    jobs = make(tmp_path)
    failed, _ = run(jobs)
    assert list(failed) == [1] and 'no room on the device' in failed[1]
    assert read_marker(jobs[2].work_dir).finished and not read_marker(jobs[1].work_dir).finished
    (tmp_path / 'fail_run1').unlink()
    failed, text = run(jobs)
    assert not failed and text.count('reused') == 2 and 'arm1, seed 0: resumed' in text


def test_a_run_of_another_process_is_left_alone_and_named(tools, tmp_path):
    teacher, *_ = make(tmp_path, count=1)
    lock = hold(teacher.lock_file)
    failed, _ = run([teacher])
    assert 'another process runs it now' in failed[0] and not teacher.work_dir.exists()
    lock.release()
    failed, _ = run([teacher])
    assert not failed and starts(teacher) == 1
    assert hold(teacher.lock_file) is not None  # given back


def test_what_needs_a_failed_teacher_is_not_started(tools, tmp_path):
    (tmp_path / 'fail_run0').touch()
    jobs = make(tmp_path)
    failed, _ = run(jobs)
    assert list(failed) == [0, 1, 2] and 'needs arm0, seed 0 (job 0)' in failed[1]
    assert not jobs[1].work_dir.exists()
    assert list(run(jobs, selected=[jobs[2]])[0]) == [2]


def test_training_resumes_and_only_the_test_is_left_once_the_last_epoch_is_written(tools, tmp_path):
    job = make(tmp_path, 1)[0]
    assert launch.command(job, Launcher())[-1] == '--resume'
    job.work_dir.mkdir()
    job.checkpoint.write_text('weights')
    command = launch.command(job, Launcher())
    assert command[3].endswith('test.py') and command[5] == str(job.checkpoint)


@pytest.mark.parametrize(
    'launcher, parts',
    [
        (Launcher('pytorch', 4), ['torch.distributed.run', '--nproc-per-node 4', 'pytorch']),
        (Launcher('slurm', 8, '-p fast'), ['srun --ntasks 8', '-p fast', '--launcher slurm']),
    ],
)
def test_launchers(tmp_path, launcher, parts):
    command = ' '.join(launch.command(make(tmp_path, 1)[0], launcher))
    assert all(part in command for part in parts)


def test_every_gpu_gets_a_run(monkeypatch):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 4)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '1,3,5,7')
    assert [s['CUDA_VISIBLE_DEVICES'] for s in find_slots(None, Launcher())] == list('1357')
    pairs = find_slots(None, Launcher('pytorch', 2))
    assert [slot['CUDA_VISIBLE_DEVICES'] for slot in pairs] == ['1,3', '5,7']


def test_foreign_files_are_not_deleted(tools, tmp_path):
    job = make(tmp_path, 1)[0]
    job.work_dir.mkdir()
    (job.work_dir / 'thesis.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='holds other files'):
        run([job])
    assert (job.work_dir / 'thesis.txt').read_text() == 'mine'


def run_one(tools, folder):
    """As :func:`run`, of one job, in a process of its own."""
    launch.TOOLS = tools
    run(make(folder, 1))


@pytest.mark.parametrize('sign', [signal.SIGINT, signal.SIGKILL])
def test_children_end_with_the_parent(tools, tmp_path, sign):
    (tmp_path / 'hang_run0').touch()
    process = start_process(run_one, tools, tmp_path)
    pid_file = tmp_path / 'run0' / 'pid'
    end = time.monotonic() + 120
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < end:
        time.sleep(0.1)
    child = int(pid_file.read_text())
    os.kill(process.pid, sign)
    process.join(timeout=30)
    end = time.monotonic() + 10
    while _alive(child) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _alive(child)
    if sign == signal.SIGINT:
        assert read_marker(tmp_path / 'run0').seconds > 0


def _alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().split(')')[-1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_the_marker_is_json(tools, tmp_path):
    job = make(tmp_path, 1)[0]
    run([job])
    content = json.loads((job.work_dir / 'run.json').read_text())
    assert content['starts'] == 1 and set(content['fingerprint']) == {'config'}
    assert os.path.isfile(job.work_dir / 'output.txt')
