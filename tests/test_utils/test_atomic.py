"""A file is the old one or the new one, whoever writes it and however that ends."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmkd.testing import in_process
from mmkd.utils.atomic import write_atomically


def test_writers_of_one_path_do_not_meet(tmp_path):
    path, contents = tmp_path / 'epoch_1.pth', {bytes([who]) * 400_000 for who in range(4)}

    def write(content):
        for _ in range(10):
            write_atomically(content, path)
            assert path.read_bytes() in contents

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, contents))
    assert list(tmp_path.iterdir()) == [path]


def killed(path):
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    write_atomically(b'new', path)


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    path = tmp_path / 'epoch_[1].pth'
    assert in_process(killed, path) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.endswith('.tmp') and left.read_bytes() == b'new'
    process = left.name.split('.')[-3]
    living = left.with_name(left.name.replace(process, str(os.getppid())))
    foreign = left.with_name(left.name.replace(process, 'x'))
    for other in (living, foreign):
        other.write_text('')
    write_atomically(b'newer', path)
    assert set(tmp_path.iterdir()) == {path, living, foreign}


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError(28, 'No space left on device')])
def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch, error):
    path = tmp_path / 'epoch_1.pth'
    write_atomically(b'old', path)

    def fails(*_):
        raise error

    monkeypatch.setattr(os, 'fsync', fails)
    with pytest.raises((KeyboardInterrupt, OSError)):
        write_atomically(b'new', path)
    assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]
