"""Our files load under plain torch's ``weights_only=True``; the log history survives the trip."""

import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from mmkd.engine import PlainCheckpointHook
from mmkd.testing import in_process, tiny_retinanet_cfg, tiny_run_cfg, train, write_tiny_coco
from mmkd.utils.serialization import NotPlainError, from_plain, to_plain


def test_a_fresh_process_with_torch_alone_loads_a_runs_checkpoint(tmp_path):
    data = write_tiny_coco(tmp_path / 'data')
    hooks = (dict(type='EMAHook'),)
    cfg = tiny_run_cfg(data, tmp_path, tiny_retinanet_cfg(), epochs=1, validate=True, hooks=hooks)
    assert in_process(train, cfg, log=tmp_path / 'log') == 0
    code = (
        'import sys, torch; c = torch.load(sys.argv[1], weights_only=True); '
        "print(len(c['state_dict']), 'mmengine' in sys.modules)"
    )
    command = [sys.executable, '-c', code, str(tmp_path / 'epoch_1.pth')]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, host = done.stdout.split()
    assert int(count) > 50 and host == 'False'


def test_history_buffers_come_back_with_values_types_and_statistics():
    buffer = HistoryBuffer([1, 2.5, 4], [1, 1, 2], max_length=3)
    again = from_plain(to_plain(OrderedDict(a=buffer, b=HistoryBuffer())))
    assert isinstance(again, OrderedDict)
    for mine, yours in zip(again['a'].data, buffer.data, strict=True):
        assert np.array_equal(mine, yours) and mine.dtype == yours.dtype
    assert again['a'].max_length == 3 and again['a'].statistics('mean') == 7.5 / 4
    again['a'].update(9.0)
    assert again['a'].current() == 9.0 and len(again['b'].data[0]) == 0


@pytest.mark.parametrize(
    'value, plain',
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (ConfigDict(a=[np.bool_(True)]), {'a': [True]}),
        (Path('a') / 'b', 'a/b'),
        ((1, (np.uint8(2), 'c')), (1, (2, 'c'))),
        ({1, 2}, {1, 2}),
        (None, None),
    ],
)
def test_values_become_plain(value, plain):
    got = to_plain(value)
    assert got == plain and type(got) is type(plain)


@pytest.mark.parametrize('array', [np.arange(6.0).reshape(2, 3), np.array(['a', 'b'])])
def test_arrays_come_back(array):
    again = from_plain(to_plain([array]))[0]
    assert np.array_equal(again, array) and again.dtype == array.dtype


def test_what_has_no_plain_form_is_named():
    with pytest.raises(NotPlainError, match='SimpleNamespace'):
        to_plain({'a': [SimpleNamespace()]})


def test_an_object_in_the_message_hub_is_left_out_with_one_warning(tmp_path):
    warnings = []
    runner = SimpleNamespace(logger=SimpleNamespace(warning=warnings.append))
    hook, weight = PlainCheckpointHook(), torch.ones(2)
    for _ in range(2):
        info = dict(iter=3, odd=SimpleNamespace())
        checkpoint = dict(
            message_hub=dict(runtime_info=info), state_dict=dict(w=weight), meta=dict(epoch=1)
        )
        hook.before_save_checkpoint(runner, checkpoint)
    assert checkpoint['message_hub'] == dict(runtime_info=dict(iter=3))
    assert checkpoint['state_dict']['w'] is weight
    assert len(warnings) == 1 and 'message_hub.runtime_info.odd is left out' in warnings[0]


@pytest.mark.parametrize('stored', [3, [1], [torch.ones(2), torch.ones(1), 5]])
def test_a_damaged_history_names_the_checkpoint(stored):
    runner = SimpleNamespace(_load_from='run/epoch_1.pth')
    checkpoint = dict(message_hub=dict(log_scalars=dict(a={'__mmkd_history_buffer__': stored})))
    with pytest.raises(ValueError, match='run/epoch_1.pth: its message_hub is damaged'):
        PlainCheckpointHook().after_load_checkpoint(runner, checkpoint)


def test_a_checkpoint_of_the_host_passes_through_loading_unchanged():
    buffer = HistoryBuffer([1], [1])
    checkpoint = dict(message_hub=dict(log_scalars=dict(a=buffer)), meta=dict(epoch=1))
    PlainCheckpointHook().after_load_checkpoint(None, checkpoint)
    assert checkpoint == dict(message_hub=dict(log_scalars=dict(a=buffer)), meta=dict(epoch=1))
