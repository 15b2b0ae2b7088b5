"""Messages for users' mistakes, tracebacks for ours."""

from pathlib import Path

import pytest

from mmkd.engine.commands.export import export_student
from mmkd.engine.readable_errors import run_readably, writing_into
from mmkd.utils.atomic import write_atomically


def test_success_is_status_zero():
    assert run_readably(lambda: None) == 0


def test_an_error_that_mmkd_raises_is_one_message(capsys, tmp_path):
    (tmp_path / 'out').mkdir()
    assert run_readably(lambda: export_student('a', tmp_path / 'out')) == 2
    assert capsys.readouterr().err == f'error: {tmp_path}/out is a folder: name a file in it.\n'


def test_an_error_of_the_system_that_mmkd_explains_is_one_message(capsys, tmp_path):
    (tmp_path / 'file').write_text('')
    assert run_readably(lambda: write_atomically(b'', tmp_path / 'file' / 'a')) == 2
    assert capsys.readouterr().err.startswith('error: could not write 0 bytes to ')


def test_what_a_disk_refuses_is_one_message_whoever_wrote(capsys):
    def full():
        with writing_into('runs/a'), open('/dev/full', 'w') as file:
            file.write('x')

    assert run_readably(full) == 2
    assert capsys.readouterr().err.startswith('error: runs/a: No space left on device. Free space')


def test_an_interrupt_is_one_message_and_the_status_of_shells(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert run_readably(interrupted, 'interrupted: go on with --resume') == 130
    assert capsys.readouterr().err == 'interrupted: go on with --resume\n'


def unexpected_in_a_library(folder: Path) -> None:
    int('x')


def unexpected_below_our_line(folder: Path) -> None:
    write_atomically(None, folder / 'unused')  # a TypeError of the interpreter's


@pytest.mark.parametrize('function', [unexpected_in_a_library, unexpected_below_our_line])
def test_other_errors_keep_their_traceback(function, tmp_path):
    with pytest.raises((ValueError, TypeError)):
        run_readably(lambda: function(tmp_path))
