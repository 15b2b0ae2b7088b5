import importlib.util
from pathlib import Path

import pytest
from rich.console import Console

from mmkd.datasets import draw_shapes
from mmkd.datasets.shapes import ShapesConfig
from mmkd.engine.readable_errors import run_readably

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'fgfi_faster_rcnn_r18_16th_shapes.py'


@pytest.fixture(scope='module')
def tool():
    """The script as a module: a process of its own for each call would take seconds."""
    file = ROOT / 'tools' / 'visualize_imitation.py'
    spec = importlib.util.spec_from_file_location('visualize_imitation', file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def call(tool, monkeypatch, capfd):
    """Calls it with options; returns exit status, stdout and stderr."""

    def call(*args):
        monkeypatch.setattr('sys.argv', ['visualize_imitation.py', *map(str, args)])
        monkeypatch.setenv('COLUMNS', '200')
        try:
            status = run_readably(lambda: tool.run(tool.parse_args(), Console()))
        except SystemExit as error:  # argparse
            status = error.code
        return status, *capfd.readouterr()

    return call


def test_pictures_and_table_are_made_once_and_replaced_only_by_force(call, tmp_path):
    draw_shapes(tmp_path / 'set', ShapesConfig(train=2, val=1))
    args = [CONFIG, '--num', 5, '--out', tmp_path / 'out', '--cfg-options']
    args.append(f'train_dataloader.dataset.data_root={tmp_path / "set"}')
    status, out, err = call(*args)
    assert status == 0, err
    pictures = sorted((tmp_path / 'out').iterdir())
    assert [path.name for path in pictures] == [
        'train_0000_train_00000.png',
        'train_0001_train_00001.png',
    ]
    assert 'imitated cells, 2 images of train' in out
    pictures[0].write_text('mine')
    status, _, err = call(*args)
    assert status == 2 and 'train_0000_train_00000.png and 1 more exist' in err
    assert pictures[0].read_text() == 'mine'
    assert call('--force', *args)[0] == 0
    assert pictures[0].read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
    'args, message',
    [
        ([ROOT / 'configs/students/faster_rcnn_r18_16th_shapes.py'], 'which has no teacher: name'),
        (['absent.py'], 'there is no config absent.py'),
        ([CONFIG, '--cfg-options', 'train_dataloader.dataset.data_root=absent'], 'absent'),
        ([CONFIG, '--num', '0'], '--num must be >= 1, got 0'),
    ],
)
def test_a_mistake_ends_in_a_message_without_a_traceback(call, args, message):
    status, _, err = call(*args)
    assert status == 2
    assert message in err and 'Traceback' not in err
