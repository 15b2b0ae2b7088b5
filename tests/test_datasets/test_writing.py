"""A file that a command writes is whole, and goes where it is named and nowhere else."""

import os

import pytest

from mmkd.datasets import write_new
from mmkd.datasets.writing import whole_file


@pytest.mark.parametrize('link', [os.symlink, os.link])
def test_a_planted_link_is_not_followed(tmp_path, link):
    victim = tmp_path / 'victim'
    victim.write_text('precious')
    link(victim, tmp_path / 'a.json.part')
    write_new(tmp_path / 'a.json', '{}')
    assert victim.read_text() == 'precious' and (tmp_path / 'a.json').read_text() == '{}'


def test_an_error_leaves_nothing_behind_and_the_old_file_as_it_was(tmp_path):
    (tmp_path / 'a').write_text('old')
    with pytest.raises(KeyboardInterrupt):
        with whole_file(tmp_path / 'a') as file:
            file.write(b'half')
            raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ['a'] and (tmp_path / 'a').read_text() == 'old'
