"""What mmkd noted is read back, or refused where something else stands there."""

from dataclasses import dataclass, field

import pytest

from mmkd.utils.records import read_record, write_record


@dataclass
class Note:
    parts: dict[str, str]
    finished: bool = False
    seconds: float = 0.0
    starts: int = 0
    more: dict[str, str] = field(default_factory=dict)


def test_what_is_written_is_read(tmp_path):
    note = Note({'a': 'b'}, True, 1, 2)
    write_record(tmp_path / 'note.json', note)
    assert read_record(tmp_path / 'note.json', Note) == note


def test_no_file_is_no_record(tmp_path):
    (tmp_path / 'file').touch()
    assert read_record(tmp_path / 'note.json', Note) is None
    assert read_record(tmp_path / 'file' / 'note.json', Note) is None


@pytest.mark.parametrize(
    'text, why',
    [
        (b'', 'Expecting value'),
        (b'\xff', 'decode'),
        (b'[' * 100_000, 'recursion'),
        (b'null', 'mapping'),
        (b'[{}]', 'mapping'),
        (b'{}', 'parts'),
        (b'{"parts": {}, "part": 1}', 'part'),
        (b'{"parts": []}', 'parts is []'),
        (b'{"parts": {"a": 1}}', "parts is {'a': 1}"),
        (b'{"parts": {}, "finished": "no"}', "finished is 'no'"),
        (b'{"parts": {}, "finished": 1}', 'finished is 1'),
        (b'{"parts": {}, "seconds": null}', 'seconds is None'),
        (b'{"parts": {}, "seconds": true}', 'seconds is True'),
        (b'{"parts": {}, "starts": 1.5}', 'starts is 1.5'),
    ],
)
def test_anything_else_is_refused_with_the_file(tmp_path, text, why):
    file = tmp_path / 'note.json'
    file.write_bytes(text)
    with pytest.raises(ValueError) as refused:
        read_record(file, Note)
    message = str(refused.value)
    assert message.startswith(f'{file} is not as mmkd wrote it (') and why in message
