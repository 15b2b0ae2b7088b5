"""The command ``mmkd``: every sub-command reaches its tool, in this process."""

import re
import sys
from pathlib import Path

import pytest

from mmkd.__main__ import COMMANDS, main

TOOLS = Path(__file__).resolve().parents[1] / 'tools'
# Of this repository itself.
UNREACHED = {'methods_table.py', 'support_table.py', 'benchmark_coco_eval.py'}


@pytest.fixture(autouse=True)
def whole_process(monkeypatch):
    """The process's arguments and search path, put back afterwards."""
    monkeypatch.setattr(sys, 'argv', ['mmkd'])
    monkeypatch.setattr(sys, 'path', list(sys.path))


def test_every_tool_has_a_command():
    scripts = {command.script for command in COMMANDS.values()}
    assert scripts == {file.name for file in TOOLS.glob('*.py')} - UNREACHED


@pytest.mark.parametrize('name', COMMANDS)
def test_its_help_begins_with_an_example_and_goes_on_with_the_tool(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, '--help'])
    text = capsys.readouterr().out
    assert not ended.value.code and text.startswith(f'example: mmkd {name} ')
    assert f'usage: {COMMANDS[name].script} ' in text


def test_the_help_names_every_command(capsys):
    for words in ([], ['--help']):
        assert main(words) == 0
        text = capsys.readouterr().out
        assert text.startswith('example: mmkd distill ')
        assert re.findall(r'^  (\w+) ', text, re.M) == list(COMMANDS)


def test_an_unknown_command_says_the_nearest(capsys):
    assert main(['trian', 'small.py']) == 2
    expected = "error: there is no command 'trian'. Did you mean 'train'? See mmkd --help.\n"
    assert capsys.readouterr().err == expected


def test_errors_and_exit_statuses_are_the_tools(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['train', 'gone.py'])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith('error: there is no config gone.py')


@pytest.mark.parametrize(
    'what, lines',
    [
        ('methods', ['  fgfi: Fine-grained', '      needs feature levels; any detectors']),
        (
            'pairs',
            [
                '  mmkd::pairs/retinanet_r50_coco.py: ',
                '      needs data set coco; teacher retinanet_r101_coco from https://',
            ],
        ),
        (
            'datasets',
            ['  mmkd::_base_/datasets/kitti.py: ', '      needs data/kitti/ (not there)\n']
            + ['  voc2007: Pascal VOC 2007', '      needs mmkd download voc2007 --unpack\n'],
        ),
    ],
)
def test_lists_say_what_each_needs(what, lines, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(['list', what])
    text = capsys.readouterr().out
    assert not ended.value.code and text.startswith(f'{what}:\n')
    for line in lines:
        assert line in text
