"""Files in any state are read rightly, or refused at once in a sentence that names them."""

import os

import pytest

from mmkd.datasets.reading import (
    read_bytes,
    read_json,
    read_lines,
    read_number,
    read_text,
    read_whole,
)  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    path = tmp_path / 'train.txt'
    path.write_text('\ufeffa b\r\n\n  c\n', encoding='utf-8')
    assert read_lines(path) == ['a b', 'c']


@pytest.mark.parametrize('reader', [read_bytes, read_text, read_lines, read_json])
@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir, lambda path: None])
def test_what_is_no_file_is_not_waited_for(tmp_path, reader, make):
    make(tmp_path / 'a')
    with pytest.raises(FileNotFoundError, match=r'there is no file .*/a\.'):
        reader(tmp_path / 'a')


@pytest.mark.parametrize('content, match', [
    (b'', 'Expecting value'), (b'{"a": 1', 'delimiter'), (b'[' * 10**6, 'recursion'),
    (b'\xef\xbb\xbf{}', 'BOM'), (b'1' * 5000, 'digits'),
    (b'\xff\xfe{\x00}\x00', 'in UTF-8'), (b'\xff', 'in UTF-8'),
])  # fmt: skip
def test_what_is_not_json_is_refused_by_name(tmp_path, content, match):
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(ValueError, match=rf'a\.json is not .*{match}'):
        read_json(tmp_path / 'a.json')


@pytest.mark.parametrize('text, number', [('64.0', 64), (' 7 ', 7), ('-1e3', -1000), ('0', 0)])
def test_whole_numbers_may_be_written_with_a_point(text, number):
    assert read_whole(text, 'xmin') == read_number(text, 'xmin') == number


@pytest.mark.parametrize('text', [None, '', ' ', 'x', 'nan', 'inf', '-inf', '1e300', '1,5', '0x1'])
def test_what_is_no_number_of_pixels_is_refused_with_its_place(text):
    for reader in (read_number, read_whole):
        with pytest.raises(ValueError, match='^line 3: xmin is .*not a number between'):
            reader(text, 'line 3: xmin')


def test_a_fraction_is_no_whole_number():
    assert read_number('1.5', 'xmin') == 1.5
    with pytest.raises(ValueError, match="xmin is '1.5', not a whole number"):
        read_whole('1.5', 'xmin')
