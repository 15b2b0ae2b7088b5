"""A checkpoint is data: what MMEngine writes loads, what runs code is refused by every road."""

import functools
import http.server
import os
import pickle
import pickletools
import threading
import zipfile

import numpy as np
import pytest
import torch

import mmkd.compat.checkpoints as checkpoints  # isort: skip  first
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader

from mmkd.compat import DamagedCheckpointError, UnsafeCheckpointError, load_checkpoint_file


class Malicious:
    """Unpickled without care, it leaves a file behind."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f'touch {self.mark}',)


class Getattr:
    """Pickles as ``getattr(owner, name)``."""

    def __init__(self, owner, name):
        self.reference = owner, name

    def __reduce__(self):
        return getattr, self.reference


@pytest.fixture
def malicious(tmp_path):
    """A checkpoint of the toy that wants to run a command too, and the mark that it would leave."""
    mark = tmp_path / 'it_ran'
    path = tmp_path / 'malicious.pth'
    state = {'linear.weight': torch.ones(1, 2)}
    torch.save(dict(state_dict=state, meta=Malicious(mark), optimizer={}), path)
    with pytest.raises(FileNotFoundError):
        mark.stat()
    return path, mark


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Serves tmp_path on this machine; gives the address. Downloads go to a folder of the test."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch_home'))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


class TestRefusal:
    def refused(self, path):
        return pytest.raises(
            UnsafeCheckpointError,
            match=f'{path.name} was refused: it contains pickled code.*system',
        )

    def test_the_file_would_run_without_compat(self, malicious):
        path, mark = malicious
        torch.load(path, weights_only=False)
        assert mark.exists()

    def test_by_path(self, malicious):
        path, mark = malicious
        with self.refused(path):
            load_checkpoint_file(path)
        assert not mark.exists()

    def test_by_path_in_the_old_format(self, malicious, tmp_path):
        _, mark = malicious
        path = tmp_path / 'old.pth'
        torch.save(dict(meta=Malicious(mark)), path, _use_new_zipfile_serialization=False)
        with self.refused(path):
            load_checkpoint_file(path)
        assert not mark.exists()

    @pytest.mark.parametrize('protocol', [2, 4])
    def test_a_bare_pickle(self, malicious, tmp_path, protocol):
        _, mark = malicious
        path = tmp_path / 'bare.pth'
        path.write_bytes(pickle.dumps(Malicious(mark), protocol=protocol))
        with pytest.raises((UnsafeCheckpointError, DamagedCheckpointError), match='bare.pth'):
            load_checkpoint_file(path)
        assert not mark.exists()

    def test_by_address(self, malicious, serve):
        path, mark = malicious
        with self.refused(path):
            load_checkpoint_file(f'{serve}/{path.name}')
        assert not mark.exists()

    def test_through_load_from(self, malicious, make_runner):
        path, mark = malicious
        runner = make_runner(load_from=str(path))
        with self.refused(path):
            runner.load_or_resume()
        assert not mark.exists()

    def test_through_resume(self, malicious, make_runner):
        path, mark = malicious
        runner = make_runner(load_from=str(path), resume=True)
        with self.refused(path):
            runner.load_or_resume()
        assert not mark.exists()

    @pytest.mark.parametrize('prefix', [None, 'linear'])
    def test_through_init_cfg(self, malicious, prefix):
        path, mark = malicious
        module = BaseModule(dict(type='Pretrained', checkpoint=str(path), prefix=prefix))
        with self.refused(path):
            module.init_weights()
        assert not mark.exists()

    def test_through_a_name_of_the_model_zoo(self, malicious, serve, monkeypatch):
        path, mark = malicious
        monkeypatch.setitem(
            checkpoints._ZOO, 'torchvision', lambda: {'resnet': f'{serve}/{path.name}'}
        )
        with self.refused(path):
            load_checkpoint_file('torchvision://resnet')
        assert not mark.exists()

    def test_torch_environment_variable_does_not_lift_it(self, malicious, monkeypatch):
        path, mark = malicious
        monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
        with self.refused(path):
            load_checkpoint_file(path)
        assert not mark.exists()

    @pytest.mark.parametrize(
        'owner, name',
        [
            (HistoryBuffer, '__init__'),
            (HistoryBuffer, 'register_statistics'),
            (torch.Tensor, 'mean'),
            (np.ndarray, 'tofile'),
        ],
    )
    def test_getattr_of_anything_but_a_statistic(self, tmp_path, owner, name):
        path = tmp_path / 'getattr.pth'
        torch.save(dict(meta=Getattr(owner, name)), path)
        with pytest.raises(UnsafeCheckpointError, match='getattr.pth was refused'):
            load_checkpoint_file(path)

    def test_no_scheme_of_the_host_is_left_to_the_host(self):
        for prefix, loader in CheckpointLoader._schemes.items():
            assert loader.__module__ == checkpoints.__name__, (
                f'{prefix!r} is loaded by {loader}: add it to LOADERS in {checkpoints.__file__}'
            )


class TestStockCheckpoints:
    @pytest.fixture
    def stock(self, make_runner):
        """A checkpoint after one epoch, by MMEngine's own hook, with a NumPy scalar added."""
        runner = make_runner()
        runner.message_hub.update_scalar('val/mAP', float(np.float32(0.5)))
        runner.message_hub.update_info('best', np.float64(0.25))
        runner.train()
        return os.path.join(runner.work_dir, 'epoch_1.pth'), runner

    def pickled_names(self, path):
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith('data.pkl'))
            return {
                arg for op, arg, _ in pickletools.genops(archive.read(name)) if op.name == 'GLOBAL'
            }

    def test_it_holds_what_torch_refuses_by_itself(self, stock):
        names = self.pickled_names(stock[0])
        assert 'mmengine.logging.history_buffer HistoryBuffer' in names
        assert '__builtin__ getattr' in names
        assert any('multiarray scalar' in name for name in names)

    def test_it_loads(self, stock):
        path, runner = stock
        checkpoint = load_checkpoint_file(path)
        torch.testing.assert_close(
            checkpoint['state_dict']['linear.weight'], runner.model.linear.weight.detach()
        )
        scalars = checkpoint['message_hub']['log_scalars']
        assert scalars['val/mAP'].mean() == 0.5
        assert checkpoint['message_hub']['runtime_info']['best'] == 0.25

    def test_a_file_with_the_names_of_numpy_1_loads(self, stock, tmp_path):
        path = tmp_path / 'numpy1.pth'
        with zipfile.ZipFile(stock[0]) as old, zipfile.ZipFile(path, 'w') as new:
            for info in old.infolist():
                # A GLOBAL opcode ends with a newline, so that its text may change length.
                content = old.read(info)
                if info.filename.endswith('data.pkl'):
                    assert b'numpy._core.' in content
                    content = content.replace(b'numpy._core.', b'numpy.core.')
                new.writestr(info.filename, content)
        checkpoint = load_checkpoint_file(path)
        assert checkpoint['message_hub']['log_scalars']['val/mAP'].mean() == 0.5

    def test_it_resumes_and_trains_on(self, stock, make_runner):
        path, first = stock
        runner = make_runner(epochs=2, load_from=path, resume=True)
        runner.load_or_resume()
        assert runner.epoch == 1 and runner.iter == 2
        torch.testing.assert_close(runner.model.linear.weight, first.model.linear.weight)
        runner.train()
        assert runner.epoch == 2
        assert isinstance(MessageHub.get_current_instance().get_scalar('train/loss'), HistoryBuffer)

    def test_it_initialises_a_model(self, stock, toy):
        path, runner = stock
        model = toy()
        model.init_cfg = dict(type='Pretrained', checkpoint=path)
        model.init_weights()
        torch.testing.assert_close(model.linear.weight, runner.model.linear.weight)


class TestPlainFiles:
    @pytest.fixture
    def weights(self, tmp_path):
        path = tmp_path / 'weights.pth'
        torch.save(
            dict(state_dict={'backbone.w': torch.arange(3.0), 'head.b': torch.ones(1)}), path
        )
        return path

    def test_an_address_is_downloaded_once(self, weights, serve):
        url = f'{serve}/{weights.name}'
        first = load_checkpoint_file(url)
        weights.unlink()
        second = load_checkpoint_file(url)
        assert first['state_dict']['backbone.w'].tolist() == [0, 1, 2]
        torch.testing.assert_close(second, first)

    def test_a_mmcls_name_gives_the_backbone(self, weights, serve, monkeypatch):
        monkeypatch.setitem(checkpoints._ZOO, 'mmcls', lambda: {'net': f'{serve}/weights.pth'})
        assert list(load_checkpoint_file('mmcls://net')['state_dict']) == ['w']

    def test_an_unknown_name_of_the_zoo_is_an_error(self):
        with pytest.raises(ValueError, match="torchvision has no model 'no_such'"):
            load_checkpoint_file('torchvision://no_such')

    def test_an_address_that_does_not_answer_is_named(self, serve):
        with pytest.raises(OSError, match='absent.pth cannot be fetched: HTTP Error 404'):
            load_checkpoint_file(f'{serve}/absent.pth')

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='no checkpoint file .*absent.pth'):
            load_checkpoint_file(tmp_path / 'absent.pth')

    @pytest.mark.parametrize('share', [0.02, 0.1, 0.5, 0.9])
    def test_a_file_that_is_cut_off_is_named(self, weights, share):
        content = weights.read_bytes()
        weights.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DamagedCheckpointError, match='weights.pth cannot be read'):
            load_checkpoint_file(weights)

    @pytest.mark.parametrize(
        'content',
        [b'', b'<html>404</html>', b'hello', b'\x00' * 100, b'\xff\xd8\xffJFIF', b'PK\x03\x04zip'],
    )
    def test_a_file_that_is_no_checkpoint_is_named(self, tmp_path, content):
        path = tmp_path / 'other.pth'
        path.write_bytes(content)
        with pytest.raises(DamagedCheckpointError, match='other.pth cannot be read'):
            load_checkpoint_file(path)

    def test_a_bare_tensor_is_refused_by_type(self, tmp_path):
        torch.save(torch.ones(2), tmp_path / 'tensor.pth')
        with pytest.raises(DamagedCheckpointError, match='holds a Tensor; expected a dictionary'):
            load_checkpoint_file(tmp_path / 'tensor.pth')
