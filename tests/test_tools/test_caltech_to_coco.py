"""The command: what it writes, and its exit status."""

import importlib.util
import json
from pathlib import Path

import pytest
from rich.console import Console

from mmkd.engine.readable_errors import run_readably
from mmkd.testing.benchmarks import write_vbb

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    path = ROOT / 'tools' / 'dataset_converters' / 'caltech_to_coco.py'
    spec = importlib.util.spec_from_file_location('caltech_to_coco_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('sets', ['10-6', '6-'])
def test_sets_that_are_no_range_are_refused(tool, capsys, sets):
    with pytest.raises(SystemExit) as ended:
        tool.parse_args(['in', 'out.json', '--sets', sets])
    assert ended.value.code == 2 and '--sets' in capsys.readouterr().err


@pytest.mark.parametrize('option, message', [
    (('--skip', '30'), 'have no frame'), (('--min-visible', '65'), 'min_visible must lie in'),
])  # fmt: skip
def test_nothing_is_written_of_no_frame_or_a_wrong_share(tool, tmp_path, capsys, option, message):
    write_vbb(tmp_path / 'annotations/set06/V000.vbb', ['person'], [[], []])
    argv = [str(tmp_path), str(tmp_path / 'out.json'), '--sets', '6', '--skip', '1', *option]
    assert run_readably(lambda: tool.run(tool.parse_args(argv), Console())) == 2
    assert message in capsys.readouterr().err and not (tmp_path / 'out.json').exists()


def test_it_writes_annotations_and_frames_and_goes_on_when_called_again(tool, tmp_path, capsys):
    frames = [[(1, (101, 101, 40, 100), 0, (0, 0, 0, 0))], []]
    write_vbb(tmp_path / 'annotations/set06/V000.vbb', ['person'], frames)
    image = b'\xff\xd8\xff' + bytes(40)
    video = bytes(1024) + ((len(image) + 4).to_bytes(4, 'little') + image + bytes(8)) * 2
    (tmp_path / 'videos/set06').mkdir(parents=True)
    (tmp_path / 'videos/set06/V000.seq').write_bytes(video)
    argv = [str(tmp_path), str(tmp_path / 'out.json'), '--sets', '6', '--skip', '1', '--extract']

    tool.run(tool.parse_args(argv), Console())
    content = json.loads((tmp_path / 'out.json').read_text())
    assert len(content['images']) == 2 and len(content['annotations']) == 1
    for entry in content['images']:
        assert (tmp_path / 'images' / entry['file_name']).read_bytes() == image
    printed = ' '.join(capsys.readouterr().out.split())
    assert '2 frames, 1 boxes, 1 to train on; written.' in printed
    assert 'images: 2 frames; 2 written.' in printed

    (tmp_path / 'images/set06/V000/I00001.jpg').unlink()
    tool.run(tool.parse_args(argv), Console())
    printed = ' '.join(capsys.readouterr().out.split())
    assert '1 to train on; there already.' in printed
    assert 'images: 2 frames; 1 there already, 1 written.' in printed

    other = [*argv, '--min-height', '120']
    assert run_readably(lambda: tool.run(tool.parse_args(other), Console())) == 2
    assert 'out.json exists with another content' in capsys.readouterr().err
    assert run_readably(lambda: tool.run(tool.parse_args([*other, '--force']), Console())) == 0
    assert '0 to train on; replaced.' in ' '.join(capsys.readouterr().out.split())
