"""Damaged and hostile checkpoints end in a checkpoint or in one explained refusal.

``pytest tests/test_compat/test_fuzz.py --fuzz-examples 5000`` looks longer.
"""

import io
import pickletools
import string
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.logging import HistoryBuffer

from mmkd.compat import DamagedCheckpointError, UnsafeCheckpointError
from mmkd.compat.checkpoints import read_checkpoint
from mmkd.compat.config_text import harmless_config_text


def content():
    """What MMEngine writes: weights with versions, NumPy values, log histories, an optimizer."""
    state = OrderedDict(w=torch.ones(3, 2), n=torch.zeros(2, dtype=torch.int64), e=torch.zeros(0))
    state._metadata = OrderedDict({'': dict(version=1), 'bn': dict(version=2)})
    info = dict(
        best=np.float64(0.5),
        name=np.str_('x'),
        grid=np.zeros((2, 2), order='F'),
        words=np.array(['a', 'bc']),
        best_ckpt='best_x.pth',
        keep_ckpt_ids=[1, 2],
    )
    return dict(
        state_dict=state,
        meta=dict(
            epoch=1,
            iter=2,
            cfg="model = dict(type='X')\n",
            dataset_meta=dict(classes=('a', 'b'), palette=[(1, 2, 3)]),
        ),
        message_hub=dict(
            log_scalars=OrderedDict(loss=HistoryBuffer([1, 2.5], [1, 1])),
            runtime_info=info,
            resumed_keys=dict(best=True),
        ),
        optimizer=dict(
            state={0: dict(momentum_buffer=torch.ones(2))}, param_groups=[dict(lr=0.1, params=[0])]
        ),
    )


def saved(**kwargs):
    file = io.BytesIO()
    torch.save(content(), file, **kwargs)
    return file.getvalue()


ARCHIVE, OLD_FORMAT = saved(), saved(_use_new_zipfile_serialization=False)
with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as archive:
    PARTS = {name: archive.read(name) for name in archive.namelist()}
PICKLE = next(name for name in PARTS if name.endswith('data.pkl'))
STARTS = [start for _, _, start in pickletools.genops(PARTS[PICKLE])] + [len(PARTS[PICKLE])]
OPERATIONS = [PARTS[PICKLE][a:b] for a, b in zip(STARTS, STARTS[1:])]

GLOBALS = [
    f'c{module}\n{name}\n'.encode()
    for module, names in {
        'numpy': 'dtype ndarray',
        'numpy._core.multiarray': '_reconstruct scalar',
        'numpy.core.multiarray': '_reconstruct scalar',
        '__builtin__': 'getattr bytes bytearray set',
        'mmengine.logging.history_buffer': 'HistoryBuffer',
        '_codecs': 'encode',
        'os': 'system',
        'torch': 'FloatStorage Tensor Size device float32',
        'torch.nn.parameter': 'Parameter',
        'torch.storage': 'UntypedStorage TypedStorage',
        'collections': 'OrderedDict Counter',
        'torch._tensor': '_rebuild_from_type_v2',
        'torch._utils': '_rebuild_tensor_v2 _rebuild_sparse_tensor _rebuild_qtensor '
        '_rebuild_meta_tensor_no_storage _rebuild_nested_tensor '
        '_rebuild_parameter_with_state _rebuild_device_tensor_from_numpy '
        '_rebuild_wrapper_subclass',
    }.items()
    for name in names.split()
]
VALUES = [
    b'K\x00',
    b'K\x01',
    b'J\xff\xff\xff\xff',
    b'J\xff\xff\xff\x7f',
    b'N',
    b'\x88',
    b')',
    b'}',
    b']',
    b'\x8a\x08' + struct.pack('<q', 2**62),
    b'G' + struct.pack('>d', float('nan')),
    *(
        b'X' + struct.pack('<I', len(word)) + word
        for word in (b'f8', b'O8', b'V9', b'cpu', b'meta', b'<', b'state_dict')
    ),
]
STEPS = [bytes([code]) for code in b'Rb\x81sa\x85\x86\x87t(Que.'] + [b'h\x00', b'h\x05', b'q\x07']
PIECES = st.one_of(*map(st.sampled_from, (OPERATIONS, GLOBALS, VALUES, STEPS)))


def packed(pickled):
    """An archive whose checksums are right, around another pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        for name, part in PARTS.items():
            archive.writestr(name, pickled if name == PICKLE else part)
    return file.getvalue()


def check(data):
    """Loads, or refuses in one line that names the file; what loads can be worked with."""
    try:
        got = read_checkpoint(io.BytesIO(data), 'cpu', 'fuzz.pth')
    except (DamagedCheckpointError, UnsafeCheckpointError) as error:
        text = str(error)
        assert 'checkpoint fuzz.pth' in text and text.isprintable() and len(text) < 1000
        return
    for value in got.get('state_dict', {}).values():
        value.clone()
    for value in got.get('message_hub', {}).get('log_scalars', {}).values():
        if isinstance(value, HistoryBuffer) and len(value.data[0]):
            value.mean()


def test_what_is_not_damaged_loads():
    for data in (ARCHIVE, OLD_FORMAT, packed(PARTS[PICKLE])):
        got = read_checkpoint(io.BytesIO(data), 'cpu', 'fuzz.pth')
        assert set(got) == set(content())


@pytest.mark.parametrize('whole', [ARCHIVE, OLD_FORMAT], ids=['archive', 'old format'])
@given(data=st.data())
def test_changed_and_missing_bytes(whole, data):
    damaged = bytearray(whole)
    place = st.integers(0, len(whole) - 1)
    for index, byte in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=8)):
        damaged[index] = byte
    check(bytes(damaged[: data.draw(st.just(len(whole)) | place)]))


@given(
    st.lists(
        st.tuples(st.integers(0, len(OPERATIONS) - 1), st.booleans(), st.lists(PIECES, max_size=3)),
        min_size=1,
        max_size=3,
    )
)
def test_operations_replaced_added_and_left_out(edits):
    operations = list(OPERATIONS)
    for index, keep, pieces in edits:
        operations[index] = b''.join(pieces) + (operations[index] if keep else b'')
    check(packed(b''.join(operations)))


@given(st.lists(PIECES, min_size=2, max_size=30))
def test_any_operations(pieces):
    start = b'\x80\x02}X\x0a\x00\x00\x00state_dict'
    check(packed(start + b''.join(pieces) + b's.'))


@given(st.binary(max_size=200))
def test_any_pickle_and_any_file(data):
    check(data)
    check(packed(data))
    check(b'PK\x03\x04' + data)


_WORDS = st.text(string.printable + '\0\x1b\x85é∞')
_LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _WORDS
    | st.sampled_from(['FPN', 'os.system', 'x.py', 'f(1)', '{{ fileDirname }}']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(['type', 'a', '_scope_', 'config', 'x-y']), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(_WORDS | _LITERALS.map(lambda value: f'model = {value!r}'))
def test_any_text_of_a_config(text):
    try:
        harmless = harmless_config_text(text)
    except ValueError:
        return
    assert harmless_config_text(harmless) == harmless and '{{' not in harmless
