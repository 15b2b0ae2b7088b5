"""Promise 5: two processes see the gradient of one process with both batches."""

import os
import socket
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from mmkd.testing import demo_batch
from mmkd.testing.distill import build_distill

SIZES = ((64, 96), (64, 96))
# The second half of the batch has fewer boxes, so that the two counts differ.
NUM_BOXES = ((3, 2), (1, 0))


def batch(ranks):
    """The images of the given ranks, as one batch."""
    parts = [demo_batch(SIZES, NUM_BOXES[rank], seed=rank) for rank in ranks]
    return {key: [item for part in parts for item in part[key]] for key in parts[0]}


def gradients(model, data, name='loss_fgfi'):
    inner = getattr(model, 'module', model)
    # Batch norm by running statistics: batch statistics are per process by their nature.
    inner.eval()
    data = inner.data_preprocessor(data, True)
    model(data['inputs'].double(), data['data_samples'], mode='loss')[name].backward()
    # Heads take no part in this loss; DDP gives them zeros, one process nothing.
    return {n: p.grad.clone() for n, p in inner.named_parameters() if p.grad is not None}


def worker(rank: int, folder: Path, port: int) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    distributed.init_process_group('gloo', rank=rank, world_size=2)
    own = folder / str(rank)
    own.mkdir()
    model = DistributedDataParallel(build_distill(own).double(), find_unused_parameters=True)
    data = batch([rank])
    torch.save(gradients(model, data), folder / f'grad{rank}.pth')
    buckets = sum(p.numel() for p in model.parameters())
    assert buckets == sum(p.numel() for p in model.module.parameters())
    distributed.destroy_process_group()


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_see_the_gradient_of_one_with_both_batches(tmp_path, free_port):
    multiprocessing.spawn(worker, args=(tmp_path, free_port), nprocs=2)
    first, second = (torch.load(tmp_path / f'grad{rank}.pth', weights_only=True) for rank in (0, 1))
    whole = gradients(build_distill(tmp_path).double(), batch([0, 1]))
    assert any(key.startswith('backbone') for key in whole)
    for key, expected in whole.items():
        torch.testing.assert_close(first[key], expected, rtol=1e-6, atol=1e-9)
        assert torch.equal(first[key], second[key])
