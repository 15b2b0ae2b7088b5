"""Shared by the tests of compat: the devices, and a model that MMEngine trains in a moment."""

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn


@pytest.fixture(params=['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
def device(request):
    if request.param == 'cuda' and not torch.cuda.is_available():
        pytest.skip('no GPU here')
    return torch.device(request.param)


class Toy(BaseModel):
    """y = w x, trained towards 0."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1, bias=False)

    def forward(self, inputs, mode):
        return dict(loss=self.linear(torch.stack(inputs)).square().mean())


@pytest.fixture
def toy():
    return Toy


@pytest.fixture
def make_runner(tmp_path):
    """Runners of MMEngine's own with its default hooks; each is a new experiment."""
    count = iter(range(10))

    def make(epochs=1, **kwargs):
        index = next(count)
        return Runner(
            model=Toy(),
            work_dir=str(tmp_path / f'run{index}'),
            train_dataloader=dict(
                dataset=[dict(inputs=torch.ones(2))] * 4,
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
            param_scheduler=dict(type='StepLR', step_size=1),
            default_scope='mmengine',
            experiment_name=f'{tmp_path.name}_{index}',
            **kwargs,
        )

    return make
