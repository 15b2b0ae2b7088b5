"""A method's weight, chosen once from what the first iterations show."""

import inspect
import math
from collections.abc import Iterable, Mapping

import torch
from mmengine.logging import MMLogger
from torch import Tensor, distributed, nn

from mmkd.observation import Observation, gradient_norm, total_loss
from mmkd.settings import check_number
from mmkd.utils.errors import UserError
from mmkd.utils.types import Setting

_BY = ('loss', 'grad')


class AutoScale(nn.Module):
    """Sets a method's weight so that the method begins as a given fraction of the task.

    During the first ``iters`` iterations the method is run and measured but counts 0: the student
    trains as if alone, and its own losses are scaled by no method. So the configured weight cannot
    harm before a better one is known, and the chosen one does not depend on it. The method's own
    adapters do train meanwhile, as if the loss were ``fraction`` of the task already: adapters that
    begin near 0 would show hardly any gradient. From the next iteration on the configured weight is
    multiplied by

        factor = fraction * mean(task) / mean(method)

    over those iterations and all processes. The three buffers are in the checkpoint under
    ``distill.<name>.auto_scale.``: a run that is resumed in between goes on measuring, one that is
    resumed later keeps its factor. Every process has the same factor.

    Args:
        fraction: Wanted size of the method over that of the task, > 0.
        iters: Iterations to measure, >= 1.
        by: What is measured: the ``'loss'`` itself, or ``'grad'``, the L2 norm of its gradient at
            the feature maps (the neck's outputs, or the backbone's stages for a method that reads
            those alone). The task's is that of the sum of the student's own losses.
        name: Of the method, for the log and errors.

    Raises:
        ValueError: An argument is out of range.
    """

    factor: Tensor
    sums: Tensor
    seen: Tensor

    def __init__(
        self, fraction: float = 0.5, iters: int = 50, by: str = 'loss', name: str = 'method'
    ) -> None:
        super().__init__()
        check_number(f'auto_scale.fraction of {name}', fraction, '> 0')
        check_number(f'auto_scale.iters of {name}', iters, '>= 1', whole=True)
        if by not in _BY:
            raise UserError(f'auto_scale.by of {name} must be one of {_BY}, got {by!r}.')
        self.fraction, self.iters, self.by, self.name = fraction, iters, by, name
        self.register_buffer('factor', torch.zeros(()))
        self.register_buffer('sums', torch.zeros(2))
        self.register_buffer('seen', torch.zeros((), dtype=torch.long))
        # What the buffers say, on the host: reading them would make it wait for a GPU every step.
        self._seen, self.chosen = 0, False

    @classmethod
    def from_setting(cls, setting: Setting, name: str) -> 'AutoScale':
        """From the dict in a config.

        Raises:
            ValueError: It is not a dict, or a key or value is wrong.
        """
        known = set(inspect.signature(cls).parameters) - {'name'}
        if not isinstance(setting, Mapping) or set(setting) - known:
            raise UserError(
                f'auto_scale of {name} must be a dict with keys of {sorted(known)}, e.g. '
                f'dict(fraction=0.5, iters=50), got {setting!r}.'
            )
        return cls(**setting, name=name)

    def fields(self, reads: frozenset[str]) -> frozenset[str]:
        """Fields of the student that are read beside those that the method reads."""
        return frozenset({_maps(reads)} if self.by == 'grad' else ())

    def forward(
        self,
        losses: Mapping[str, Tensor],
        student: Observation,
        reads: frozenset[str],
        adapters: Iterable[nn.Parameter],
    ) -> tuple[Tensor, Tensor]:
        """One iteration.

        Measures only in training: in eval mode or without gradients nothing is counted.

        Args:
            losses: What the method returned, weighted as configured.
            student: The student's observation, with its ``losses``.
            reads: Fields that the method reads of it.
            adapters: The method's parameters.

        Returns:
            The factor that counts now, 0 while it is being chosen; and a scalar to add, whose value
            is 0 and whose gradient is the adapters' while they wait.

        Raises:
            ValueError: After the last iteration: a mean is 0 or not finite.
        """
        factor = self.factor.clone()
        term = factor.new_zeros(())
        if not self.chosen and self.training and torch.is_grad_enabled():
            task, own = sizes = [total_loss(student.losses), total_loss(losses)]
            ratio = torch.where(own > 0, self.fraction * task / own, 0).detach()
            term = _gradient_alone(own, adapters, ratio)
            if self.by == 'grad':
                at = getattr(student, _maps(reads))
                sizes = [gradient_norm(size, at) for size in sizes]
            self._add(torch.stack(sizes).detach())
        return factor, term

    def _add(self, sizes: Tensor) -> None:
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(sizes)
            sizes /= distributed.get_world_size()
        self.sums += sizes
        self.seen += 1
        self._seen += 1
        if self._seen >= self.iters:
            self._choose()

    def _choose(self) -> None:
        task, own = (self.sums / self._seen).tolist()
        what = 'loss' if self.by == 'loss' else 'gradient norm at the features'
        means = f'mean {what} over {self._seen} iterations: task {task:.4g}, {self.name} {own:.4g}'
        if not all(0 < size < math.inf for size in (task, own)):
            raise UserError(
                f'auto_scale of {self.name} cannot choose a weight ({means}): both must be finite '
                'and > 0. Look at what the method compares (tools/diagnose.py), or set loss_weight '
                'by hand and leave auto_scale out.'
            )
        self.factor.fill_(self.fraction * task / own)
        self.chosen = True
        MMLogger.get_current_instance().info(
            f'auto_scale: loss_weight of {self.name} is multiplied by {self.factor.item():.6g} '
            f'from now on, so that it is {self.fraction:g} of the task ({means}).'
        )

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._seen, self.chosen = int(self.seen), bool(self.factor > 0)


def _maps(reads: frozenset[str]) -> str:
    return 'backbone' if reads == {'backbone'} else 'features'


def _gradient_alone(loss: Tensor, parameters: Iterable[nn.Parameter], factor: Tensor) -> Tensor:
    """A scalar of value 0 whose gradient is that of ``factor * loss``, at ``parameters`` alone."""
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if not parameters or not loss.requires_grad:
        return loss.new_zeros(())
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    products = [
        (parameter * (grad * factor)).sum()
        for parameter, grad in zip(parameters, found, strict=True)
        if grad is not None
    ]
    linear = torch.stack(products).sum() if products else loss.new_zeros(())
    return linear - linear.detach()
