"""A training in stages: which methods speak, whether the task counts, what stays as it is."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub, MMLogger
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from mmkd.observation import Batch
from mmkd.settings import check_entries, check_flag, check_number, nearest
from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries

Losses = dict[str, Tensor]
_KEYS = ('methods', 'epochs', 'task', 'lr_factor')
_REMEDY = "write stages=[dict(methods=['fitnets'], epochs=4, task=False), dict(methods=['kd'])]"


@dataclass(frozen=True)
class Stage:
    """A part of the training.

    Attributes:
        methods: Names of the methods that speak; None: all. Others are logged as 0, and no teacher
            is run for them.
        task: Whether the student's own losses count.
        lr_factor: Factor on every learning rate, which the log shows without it.
        epochs: How long it lasts; None: the rest of the training.
    """

    methods: Sequence[str] | None = None
    task: bool = True
    lr_factor: float = 1.0
    epochs: int | None = None

    def speaks(self, method: str) -> bool:
        """Whether a method is heard in it."""
        return self.methods is None or method in self.methods

    def task_losses(self, losses: Entries, methods: Mapping[str, Any], batch: Batch) -> Entries:
        """The student's losses as they count: scaled by the methods, or 0 without the task.

        Args:
            losses: As the student gives them, with numbers to watch.
            methods: The active methods, by name.
            batch: The batch, for their schedules.
        """
        # One that still chooses its weight counts 0, so the student trains as if alone.
        scaling = [m for name, m in methods.items() if self.speaks(name) and not m.calibrating]

        def counted(name: str, value: Any) -> Any:
            if isinstance(value, list):
                return [counted(name, one) for one in value]
            if not self.task and 'loss' in name:
                return torch.zeros_like(value.detach())
            factor = math.prod(method.task_loss_scale(name, batch) for method in scaling)
            return value if factor == 1 else value * factor

        return {name: counted(name, value) for name, value in losses.items()}

    def __str__(self) -> str:
        names = 'all methods' if self.methods is None else ', '.join(self.methods) or 'no method'
        alone = 'and the task' if self.task else 'without the task'
        return f'{names}, {alone}, learning rates times {self.lr_factor:g}'


class Stages:
    """Stages one after the other over the epochs of a training.

    What no loss of a stage trains stays as it is, to the bit: without the task, every parameter
    that no loss of the step reaches, and the statistics of batch norms none of whose parameters is
    reached; in any stage, the parameters of methods that are silent. The optimizer is handed no
    gradient of these parameters, so that neither decay nor momentum moves them and its state of
    one begins when it first trains. Their part in the graph is 0, as DDP awaits all gradients.

    Args:
        settings: ``model.stages``: dicts of :class:`Stage`'s attributes. Only the last may leave
            out ``epochs``.
        methods: The detector's methods, by name.

    Raises:
        ValueError: A setting is wrong, a method is unknown or in no stage, or nothing trains.
    """

    def __init__(self, settings: Sequence[Mapping], methods: Mapping[str, Any]) -> None:
        if isinstance(settings, (str, Mapping)) or not isinstance(settings, Sequence):
            raise UserError('stages', f'must be a list of dicts, got {settings!r}', _REMEDY)
        if not settings:
            raise UserError('stages', 'is an empty list', f'{_REMEDY}, or leave it out')
        last = len(settings) - 1
        self._stages = [
            _stage(f'stages[{index}]', one, methods, index == last)
            for index, one in enumerate(settings)
        ]
        unnamed = [name for name in methods if not any(one.speaks(name) for one in self._stages)]
        if unnamed:
            raise UserError(
                'stages', f'has {unnamed} in no stage', 'name each in one, or remove it of methods'
            )
        self._optimizer = _NextStep()
        self._entered: Stage | None = None

    def now(self) -> Stage:
        """The stage of the epoch that MMEngine's runner trains, or trained last.

        Raises:
            ValueError: The stages are longer than the training, or end before it does.
        """
        progress = MessageHub.get_current_instance().get_info
        epoch, epochs = progress('epoch', 0), progress('max_epochs', 0)
        needed = sum(one.epochs or 1 for one in self._stages)
        open_ended = self._stages[-1].epochs is None
        if epochs and (needed > epochs or needed < epochs and not open_ended):
            raise UserError(
                'stages',
                f'take {"at least " * open_ended}{needed} epochs, the training has '
                f'train_cfg.max_epochs={epochs}',
                'change one of the two, or leave out epochs of the last stage; a loop that counts '
                'iterations has one epoch',
            )
        end = 0
        for stage in self._stages:
            end += stage.epochs or 0
            if epoch < end:
                break
        return stage

    def begin_step(self, model: nn.Module) -> Callable[[dict[str, Losses]], None]:
        """To be called before a step's forward pass; says in the log which stage begins.

        Args:
            model: The detector that trains.

        Returns:
            To be called with what each method says, by its name, before the backward pass; it
            puts 0 times what is left alone into a loss.
        """
        stage = self.now()
        if stage is not self._entered:
            self._entered = stage
            MMLogger.get_current_instance().info(f'a stage begins: {stage}')
        statistics = [] if stage.task else _statistics(model)

        def end(said: dict[str, Losses]) -> None:
            if stage.task:
                silent = (m for name, m in model.distill.items() if not stage.speaks(name))
                alone = {parameter for method in silent for parameter in method.parameters()}
            else:
                alone = _unreached(model, {k: v for k, v in said.items() if stage.speaks(k)})
                _restore(statistics, alone)
            self._optimizer.arrange(set(model.parameters()), alone, stage.lr_factor)

        return end


class _NextStep:
    """What an optimizer does differently when it next steps.

    The detector does not take the step itself (MMEngine's DDP does), so the optimizer is met by
    torch's hooks, which are taken away after the step.
    """

    def __init__(self) -> None:
        self._parameters: set[nn.Parameter] = set()
        self._alone: set[nn.Parameter] = set()
        self._factor = 1.0
        self._rates: list[tuple[dict, Any]] = []
        self._hooks: list[Any] = []

    def __deepcopy__(self, memo: dict) -> '_NextStep':
        return type(self)()  # a copy of the detector is trained by no optimizer

    def arrange(
        self, parameters: set[nn.Parameter], alone: set[nn.Parameter], factor: float
    ) -> None:
        """Before the step: ``alone`` lose their gradients, learning rates are multiplied.

        Where several batches make a step, those stay alone that are in all of them.
        """
        self._alone = self._alone & alone if self._hooks else alone
        self._parameters, self._factor = parameters, factor
        if not self._hooks:
            self._hooks = [
                register_optimizer_step_pre_hook(self._before),
                register_optimizer_step_post_hook(self._after),
            ]

    def _before(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        groups = optimizer.param_groups
        if self._parameters.isdisjoint(p for group in groups for p in group['params']):
            return  # it trains another model
        for parameter in self._alone:
            parameter.grad = None
        # Schedulers go on from the rate in the group, which is put back.
        self._rates = [(group, group['lr']) for group in groups]
        for group, rate in self._rates:
            group['lr'] = rate * self._factor

    def _after(self, *_: object) -> None:
        if not self._rates:
            return
        for group, rate in self._rates:
            group['lr'] = rate
        for hook in self._hooks:
            hook.remove()
        self._parameters, self._alone, self._rates, self._hooks = set(), set(), [], []


def _stage(name: str, setting: Mapping, methods: Mapping[str, Any], last: bool) -> Stage:
    if not isinstance(setting, Mapping):
        raise UserError(name, f'must be a dict, got {setting!r}', _REMEDY)
    check_entries(name, setting, 'a stage', _KEYS, 'key')
    stage = Stage(**setting)
    named = stage.methods
    if named is not None and (isinstance(named, str) or not isinstance(named, Sequence)):
        raise UserError(f'{name}.methods', f'must be a list of names, got {named!r}', _REMEDY)
    for one in named or ():
        if one not in methods:
            raise UserError(
                f'{name}.methods',
                f'has {one!r}, which is no method of the config'
                + (f' ({hint.strip()})' if (hint := nearest(str(one), methods)) else ''),
                f'write names of the log, of {list(methods)}',
            )
    if stage.epochs is not None:
        check_number(f'{name}.epochs', stage.epochs, '>= 1', whole=True)
    elif not last:
        raise UserError(
            f'{name}', 'has no epochs', 'set them; only the last stage may leave them out'
        )
    check_flag(f'{name}.task', stage.task)
    check_number(f'{name}.lr_factor', stage.lr_factor, '> 0')
    if not stage.task and not any(one.active for key, one in methods.items() if stage.speaks(key)):
        raise UserError(
            name,
            'has task=False and no method of a weight above 0',
            'name one: nothing would train',
        )
    return stage


def _unreached(model: nn.Module, said: dict[str, Losses]) -> set[nn.Parameter]:
    """Parameters that no loss reaches in any process; the losses get 0 times their sum."""
    losses = [(one, key) for one in said.values() for key in one if 'loss' in key]
    reached = _reached(one[key] for one, key in losses)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    missing = [parameter.sum() * 0 for parameter in trained if parameter not in reached]
    if missing:
        one, key = losses[0]
        one[key] = one[key] + torch.stack(missing).sum()
    flags = torch.tensor([parameter in reached for parameter in trained], dtype=torch.float32)
    all_reduce(flags, 'max')
    return {one for one, flag in zip(trained, flags.tolist(), strict=True) if not flag}


def _reached(losses: Iterable[Tensor]) -> set[nn.Parameter]:
    """The leaves of the losses' graph.

    Raises:
        ValueError: A part of it is hidden by reentrant checkpointing.
    """
    nodes = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    seen: set[Any] = set(nodes)
    reached = set()
    while nodes:
        node = nodes.pop()
        if node.name() == 'CheckpointFunctionBackward':
            raise UserError(
                'stages',
                'with task=False cannot see which parameters a checkpointed layer trains',
                'set with_cp=False, and no activation_checkpointing',
            )
        if hasattr(node, 'variable'):
            reached.add(node.variable)
        found = {source for source, _ in node.next_functions if source is not None} - seen
        seen |= found
        nodes += found
    return reached


def _statistics(model: nn.Module) -> list[tuple[nn.Module, list[tuple[Tensor, Tensor]]]]:
    return [
        (norm, [(buffer, buffer.clone()) for buffer in norm.buffers()])
        for norm in model.modules()
        if isinstance(norm, _BatchNorm) and norm.training
    ]


def _restore(
    statistics: list[tuple[nn.Module, list[tuple[Tensor, Tensor]]]], alone: set[nn.Parameter]
) -> None:
    for norm, buffers in statistics:
        if all(
            parameter in alone or not parameter.requires_grad for parameter in norm.parameters()
        ):
            for buffer, before in buffers:
                buffer.data.copy_(before)  # .data: the backward pass does not read it
