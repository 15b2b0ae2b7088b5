"""NumPy's parts of a checkpoint are numbers and strings; nothing else of NumPy can be reached."""

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmkd.compat import DamagedCheckpointError, UnsafeCheckpointError, load_checkpoint_file


class Calls:
    """Pickles as ``function(*arguments)``, then ``__setstate__(state)``."""

    def __init__(self, function, arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


@pytest.fixture
def load(tmp_path):
    def saved(value):
        torch.save(dict(meta=dict(value=value)), tmp_path / 'file.pth')
        return load_checkpoint_file(tmp_path / 'file.pth')['meta']['value']

    return saved


@pytest.mark.parametrize(
    'array',
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6).reshape(2, 3).T,
        np.array(True),
        np.zeros((0, 4)),
        np.array(['a', 'bcd']),
        np.array([b'a']),
        np.array([1 + 2j]),
        np.arange(3, dtype='>i4'),
        np.array([], 'f4'),
        np.zeros(2, 'f2'),
    ],
)
def test_arrays_load_as_they_were(load, array):
    got = load([array])[0]
    assert type(got) is np.ndarray and got.dtype == array.dtype and got.shape == array.shape
    assert np.array_equal(got, array) and got.flags.owndata and got.flags.writeable


@pytest.mark.parametrize(
    'value',
    [np.float64(0.5), np.int64(-3), np.bool_(True), np.str_('ab'), np.str_(''), np.float16(2)],
)
def test_scalars_load_as_they_were(load, value):
    got = load(value)
    assert got == value and type(got) is type(value)


def test_a_log_history_loads_without_touching_the_class(load, monkeypatch):
    got = load(HistoryBuffer([1, 2.5], [1, 2], max_length=7))
    before = dict(HistoryBuffer._statistics_methods)
    assert [part.tolist() for part in got.data] == [[1, 2.5], [1, 2]] and got.max_length == 7
    state = dict(
        _log_history=np.ones(1),
        _count_history=np.ones(1),
        max_length=3,
        statistics_methods=dict(mean=torch.Size),
        mean=torch.Size,
    )
    monkeypatch.setattr(HistoryBuffer, '__getstate__', lambda self: state)
    assert load(HistoryBuffer()).statistics('mean') == 1
    assert HistoryBuffer._statistics_methods == before


def test_a_type_enlarged_after_the_fact_writes_to_no_memory(load):
    """NumPy alone would write 64 bytes into fields of 8, over a pointer."""
    small = np.dtype('S8')
    enlarged = Calls(np.dtype, ('S8', False, True), (3, '|', None, None, None, 64, 1, 0))
    assert small.itemsize == 8 and load(enlarged) == small
    structured = Calls(
        np.dtype,
        ('V16', False, True),
        (3, '|', None, ('a', 'b'), {'a': (small, 0), 'b': (small, 8)}, 16, 1, 0),
    )
    with pytest.raises(UnsafeCheckpointError, match="asks for numpy.dtype of 'V16'"):
        load(structured)


@pytest.mark.parametrize('name', ['O', 'O8', 'V8', 'M8', 'm8', 'T', 'i3', 'f8,f8', '2i4', 'S', 8])
def test_only_plain_types_are_known(load, name):
    with pytest.raises(UnsafeCheckpointError, match='file.pth was refused: .* numpy.dtype of'):
        load(Calls(np.dtype, (name, False, True)))


_RECONSTRUCT = np.zeros(1).__reduce__()[0]
_SCALAR = np.float64(1).__reduce__()[0]
_F8 = np.dtype('f8')


@pytest.mark.parametrize(
    'value',
    [
        Calls(_RECONSTRUCT, (np.dtype, (0,), b'b')),
        Calls(_RECONSTRUCT, (np.ndarray, (0,), b'b')),
        Calls(_RECONSTRUCT, (np.ndarray, (0,), b'b'), (1, (2**40,), _F8, False, b'12345678')),
        Calls(_RECONSTRUCT, (np.ndarray, (0,), b'b'), (1, (-1, -1), _F8, False, b'12345678')),
        Calls(_RECONSTRUCT, (np.ndarray, (0,), b'b'), (1, (1,), np.ndarray, False, b'12345678')),
        Calls(_RECONSTRUCT, (np.ndarray, (0,), b'b'), (1, (1,), _F8, False, [None])),
        Calls(_RECONSTRUCT, (np.ndarray, (0,), b'b'), 'state'),
        Calls(_SCALAR, (_F8, b'1234')),
        Calls(_SCALAR, (_F8, 'text')),
        Calls(_SCALAR, (np.ndarray,)),
        np.ndarray,
        torch.Size,
        {np.dtype: 1},
        Calls(bytes, (2**40,)),
        [_RECONSTRUCT],
    ],
)
def test_what_is_malformed_or_left_over_is_refused(load, value):
    with pytest.raises((UnsafeCheckpointError, DamagedCheckpointError), match='file.pth'):
        load(value)


@pytest.mark.parametrize(
    'state',
    [
        dict(max_length=3),
        [1],
        dict(_log_history=1, _count_history=2, max_length=3),
        dict(_log_history=np.ones((1, 1)), _count_history=np.ones(1), max_length=3),
        dict(_log_history=np.ones(2), _count_history=np.ones(1), max_length=3),
        dict(_log_history=np.array(['a']), _count_history=np.ones(1), max_length=3),
        dict(_log_history=np.ones(1), _count_history=np.ones(1), max_length='3'),
    ],
)
def test_a_malformed_log_history_is_refused(load, monkeypatch, state):
    monkeypatch.setattr(HistoryBuffer, '__getstate__', lambda self: state)
    with pytest.raises(DamagedCheckpointError, match='file.pth'):
        load(HistoryBuffer())


def test_what_holds_itself_or_grows_without_end_is_refused(load):
    loop = []
    loop.append(loop)
    bomb = ['x']
    for _ in range(40):
        bomb = [bomb, bomb]
    for value in (loop, bomb):
        with pytest.raises(DamagedCheckpointError, match='nested deeper than'):
            load(value)


@pytest.mark.parametrize('name', ['copy', '_metadata'])
def test_attributes_that_hide_methods_are_refused(load, name):
    state = OrderedDict(w=torch.ones(1))
    setattr(state, name, 'hidden')
    with pytest.raises(DamagedCheckpointError, match='attributes that a state_dict lacks'):
        load(state)


def test_versions_of_layers_are_kept(load):
    state = torch.nn.BatchNorm2d(2).state_dict()
    assert load(state)._metadata == state._metadata


@pytest.mark.parametrize('tensor', [torch.empty(3, device='meta'), torch.eye(3).to_sparse()])
def test_a_tensor_without_plain_data_is_refused(load, tensor):
    with pytest.raises(DamagedCheckpointError, match=r"the tensor at \['meta'\]\['value'\] is"):
        load(tensor)


def test_outside_of_a_checkpoint_torchs_allow_list_is_the_users(load):
    try:
        torch.serialization.add_safe_globals([np.dtype, pickle.Pickler])
        before = torch.serialization.get_safe_globals()
        with pytest.raises(UnsafeCheckpointError):  # ours answer, whoever allowed NumPy's
            load(np.dtype([('a', 'O')]))
        assert set(torch.serialization.get_safe_globals()) == set(before)
    finally:
        torch.serialization.clear_safe_globals()
    file = io.BytesIO()
    torch.save(np.float64(1), file)
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=True)
