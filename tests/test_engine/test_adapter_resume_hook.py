"""Resuming needs the model's adapters; load_from does not."""

import pytest
import torch
from mmengine.runner import Runner

from mmkd.detectors import checkpoint_keys
from mmkd.engine.commands.export import export_student
from mmkd.registry import MODELS
from mmkd.testing import tiny_retinanet_cfg, tiny_run_cfg, train, write_tiny_coco

RetinaNet = MODELS.get('mmdet.RetinaNet')


@MODELS.register_module(force=True)
class WithAdapter(RetinaNet):
    """A detector with a module that is no part of the plain one."""

    adapter_prefix = 'distill.'

    def __init__(self, width: int = 2, **kw) -> None:
        super().__init__(**kw)
        self.distill = torch.nn.Linear(width, 3)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_tiny_coco(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def plain_checkpoint(data_root, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('plain')
    train(tiny_run_cfg(data_root, work_dir, tiny_retinanet_cfg(), epochs=1, num_workers=0))
    return str(work_dir / 'epoch_1.pth')


def runner(data_root, work_dir, width=2, **kw) -> Runner:
    model = tiny_retinanet_cfg(type='mmkd.WithAdapter', width=width)
    return Runner.from_cfg(tiny_run_cfg(data_root, work_dir, model, num_workers=0, **kw))


def test_resuming_without_the_adapters_names_keys_file_and_remedy(
    data_root, plain_checkpoint, tmp_path
):
    run = runner(data_root, tmp_path, load_from=plain_checkpoint, resume=True)
    with pytest.raises(ValueError) as error:
        run.train()
    message = str(error.value)
    assert plain_checkpoint in message and 'load_from instead of resume' in message
    assert 'distill.weight (3, 2): missing' in message and 'distill.bias (3,): missing' in message


def test_resuming_with_adapters_of_another_shape_is_refused(data_root, tmp_path):
    runner(data_root, tmp_path, epochs=1).train()
    with pytest.raises(ValueError, match=r'distill.weight \(3, 4\): \(3, 2\) there'):
        runner(data_root, tmp_path, width=4, epochs=2, resume=True).train()


def test_resuming_from_weights_alone_says_what_is_missing(data_root, plain_checkpoint, tmp_path):
    export_student(plain_checkpoint, tmp_path / 'student.pth')
    run = runner(data_root, tmp_path, load_from=str(tmp_path / 'student.pth'), resume=True)
    with pytest.raises(ValueError, match='student.pth: it has no message_hub.log_scalars, .*load_'):
        run.train()


def test_load_from_needs_no_adapters(data_root, plain_checkpoint, tmp_path):
    runner(data_root, tmp_path, epochs=1, load_from=plain_checkpoint).train()
    assert (tmp_path / 'epoch_1.pth').exists()


def test_resuming_with_the_adapters_goes_on(data_root, tmp_path):
    runner(data_root, tmp_path, epochs=1).train()
    runner(data_root, tmp_path, epochs=2, resume=True).train()
    assert (tmp_path / 'epoch_2.pth').exists()


def test_an_optimizer_finds_the_state_of_its_adapters_by_their_order():
    names = ['near', 'far']
    checkpoint_keys._check_methods(names, names)
    checkpoint_keys._check_methods(names, None)
    with pytest.raises(ValueError, match=r"methods \['far', 'near'\].* in their order"):
        checkpoint_keys._check_methods(names, names[::-1])
