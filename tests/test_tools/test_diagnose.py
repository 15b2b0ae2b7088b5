"""The command: its exit status and its table."""

import importlib.util
from pathlib import Path

import pytest
from mmengine.config import Config
from rich.console import Console
from rich.table import Table

from mmkd.engine.diagnose import Check, State
from mmkd.engine.readable_errors import run_readably
from mmkd.study.after import FinishedRun, Outcome
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_run_cfg, write_tiny_coco
from mmkd.testing.oracle import oracle_cfg, save_oracle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    """The script as a module: a process of its own for each call would take seconds."""
    spec = importlib.util.spec_from_file_location('diagnose', ROOT / 'tools' / 'diagnose.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """File of a config without a trap."""
    root = tmp_path_factory.mktemp('diagnose')
    data = write_tiny_coco(root / 'data')
    methods = [dict(type='mmkd.FGFI', loss_weight=0.02)]
    model = dict(
        type='mmkd.DistillDetector', student=tiny_faster_rcnn_cfg(), teacher=None, methods=methods
    )
    cfg = tiny_run_cfg(data, root / 'run', model, num_workers=0, validate=True)
    classes = cfg.train_dataloader.dataset.metainfo.classes
    path = save_oracle(oracle_cfg(), root / 'oracle.pth', cfg.train_dataloader, classes)
    cfg.model.teacher = dict(config=oracle_cfg(), checkpoint=path)
    cfg.dump(root / 'distill.py')
    return root / 'distill.py'


@pytest.fixture
def call(tool, monkeypatch, capfd):
    """Calls it with options; returns exit status, stdout and stderr."""

    def call(*args):
        monkeypatch.setattr('sys.argv', ['diagnose.py', *map(str, args)])
        monkeypatch.setenv('COLUMNS', '200')
        try:
            status = run_readably(lambda: tool.run(tool.parse_args(), Console()))
        except SystemExit as error:  # argparse
            status = error.code
        return status, *capfd.readouterr()

    return call


def test_status_is_0_where_nothing_is_found(call, config):
    status, out, err = call(config, '--num', 6)
    assert status == 0, out + err
    assert 'teacher is worth it' in out and 'nothing found' in out


def test_status_is_1_and_the_remedy_is_shown_where_something_is(call, config):
    status, out, _ = call(
        config, '--num', 2, '--target', 1.0, '--fraction', 0.3, '--cfg-options',
        'model.methods.0.loss_weight=1000',
    )  # fmt: skip
    assert status == 1
    assert '2 findings' in out and 'train the teacher longer' in out
    assert 'auto_scale=dict(fraction=0.3)' in out


@pytest.mark.parametrize('args, message', [
    ([ROOT / 'configs/students/faster_rcnn_r18_16th_shapes.py', '--cfg-options',
      'train_dataloader.dataset.data_root=.', 'val_dataloader.dataset.data_root=.',
      'train_dataloader.dataset.ann_file=', 'val_dataloader.dataset.ann_file='],
     'has no teacher'),
    (['absent.py'], 'there is no config absent.py'),
    (['CONFIG', '--num', '0'], '--num must be >= 1, got 0'),
    (['CONFIG', '--student-checkpoint', 'absent.pth', '--num', '1'], 'absent.pth'),
    (['CONFIG', '--cfg-options', 'train_dataloader.dataset.data_root=absent'], 'absent'),
    ([], 'give either a config to look at before training, or --after WORK_DIR'),
    (['CONFIG', '--after', 'run'], 'give either a config'),
    (['CONFIG', '--alone', 'run'], '--alone is compared with a finished distillation'),
    (['--after', 'run', '--target', '0.5'], '--after takes no --target'),
    (['--after', 'run', '--data', 'd', '--format', 'coco'], '--after takes no --data: the run'),
    (['--after', 'run', '--unlabelled', 'd'], '--after takes no --unlabelled'),
    (['--after', 'run', '--teacher', 't.py'], '--after takes no --teacher'),
    (['--after', 'run', '--method', 'fgfi'], '--after takes no --method: the run'),
    (['--after', 'absent'], '--after absent has no log, */vis_data/scalars.json: give the work'),
])  # fmt: skip
def test_a_mistake_in_the_command_is_status_2_without_a_traceback(call, config, args, message):
    status, _, err = call(*[config if arg == 'CONFIG' else arg for arg in args])
    assert status == 2, err
    assert message in err and 'Traceback' not in err


def test_finished_runs_are_read_and_their_findings_shown(call, tool, monkeypatch, tmp_path):
    seen = []

    def look(run, alone, num, fraction, device, progress):
        seen.append((run, alone, num, fraction))
        findings = [Check('gain', State.FINDING, 'within the noise', 'six seeds')]
        return Outcome([Table(title='a table')], findings, [tmp_path / 'losses.png'])

    def read(folder, option, changes):
        return FinishedRun(folder, Config(dict(option=option, **changes or {})), None, [folder])

    monkeypatch.setattr(tool, 'diagnose_after', look)
    monkeypatch.setattr(tool, 'read_finished', read)
    status, out, _ = call('--after', 'a', '--alone', 'b', '--cfg-options', 'root=elsewhere')
    assert status == 1 and '1 findings' in out
    assert 'within the noise' in out and 'six seeds' in out and 'losses.png in' in out
    ((run, alone, num, fraction),) = seen
    assert (run.config.option, run.config.root, num, fraction) == ('--after', 'elsewhere', 500, 0.5)
    assert (alone.config.option, alone.config.root) == ('--alone', 'elsewhere')
