"""A frozen detector as it answers fastest, with the values that it has."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain, pairwise
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import wrappers
from mmengine.logging import MMLogger
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mmkd.settings import check_choice, check_flag
from mmkd.utils.errors import UserError
from mmkd.utils.types import Value

DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}
"""What a teacher's ``dtype`` may be, if not None."""

_CONVOLUTIONS = (nn.Conv2d, wrappers.Conv2d)  # others standardise or deform what they multiply with
_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
_SIZES = 8
_HOST = ('mmdet.', 'mmcv.')  # whose blocks run `conv1` and the layer of `norm1_name` in this order


@dataclass(frozen=True)
class Speed:
    """How a frozen detector is made to run faster: settings of a teacher beside ``config``.

    Attributes:
        fuse: Whether batch norms are folded into the convolutions before them; see
            :func:`fuse_norms`.
        dtype: ``'bf16'`` or ``'fp16'``, in which an autocast of its own runs it, whatever the
            student's; its answers are float32. None: under the student's autocast, if there is one.
        compile: Whether ``torch.compile`` takes its backbone, neck and shared head of RoIs, for
            images of any size; one that fails runs as it is, and the log says so.
        graph: Whether a GPU replays backbone and neck as CUDA graphs, one for each size of batches:
            the host then launches two graphs in place of hundreds of kernels. Of each part the
            first eight sizes are kept, with memory of their own; more run as they are.

    Raises:
        ValueError: One is of another kind.
    """

    fuse: bool = True
    dtype: str | None = None
    compile: bool = False
    graph: bool = False

    def __post_init__(self) -> None:
        check_flag('teacher: fuse', self.fuse)
        check_choice('teacher: dtype', self.dtype, [None, *DTYPES])
        check_flag('teacher: compile', self.compile)
        check_flag('teacher: graph', self.graph)

    def of(self, detector: nn.Module) -> nn.Module:
        """A frozen detector as it answers fastest; it shares the weights of the one given.

        Only convolutions that a norm is folded into have weights of their own; on a CPU, where
        ``fuse`` also lays out backbone, neck and their maps channels last, those of all sizes but
        1 x 1.

        Args:
            detector: In eval mode; keeps its layers, names and values.
        """
        if not (self.fuse or self.compile or self.graph):
            return detector
        shared = chain(detector.parameters(), detector.buffers())
        found: Any = copy.deepcopy(detector, {id(tensor): tensor for tensor in shared})
        for owner, name in _extractors(found):
            part = getattr(owner, name)
            if self.fuse:
                fuse_norms(part)
                _channels_last_on_a_cpu(part)
            if self.compile:
                setattr(owner, name, part := _Compiled(part, name))
            # A head's part meets another number of RoIs each time.
            if self.graph and owner is found:
                setattr(owner, name, _Graphed(part, name))
        return found

    def run(self, device: torch.device, ask: Callable[..., Value], *args: object) -> Value:
        """What ``ask(*args)`` returns, of a teacher on this device."""
        if self.dtype is None:
            return ask(*args)
        with torch.autocast(device.type, DTYPES[self.dtype]):
            return in_float32(ask(*args))

    def check(self, device: torch.device) -> None:
        """Refuses a ``dtype`` that a device does not compute in.

        Args:
            device: Of the teacher.

        Raises:
            ValueError: Names the setting and the device.
        """
        if self.dtype is None:
            return
        image = torch.zeros(1, 1, 3, 3, device=device)
        try:
            self.run(device, nn.functional.conv2d, image, image)
        except RuntimeError as error:
            raise UserError(
                f'teacher: dtype={self.dtype!r}',
                f'is not what {device} computes in ({error})',
                'leave it out, or choose another of '
                f'{[name for name in DTYPES if name != self.dtype]}',
            ) from error


def fuse_norms(part: nn.Module) -> None:
    """Folds batch norms in eval mode into the convolutions that they alone read, in place.

    gamma * (W x + b - mean) / sqrt(var + eps) + beta is one convolution. What is folded is what a
    module's class runs in this order: ``ConvModule``, the ``conv1``, ``norm1_name`` of the host's
    blocks (a block of another package may run them otherwise), and neighbours in an
    ``nn.Sequential``.

    Args:
        part: Frozen; an ``nn.Identity`` takes the place of each norm.
    """
    for owner in list(part.modules()):
        for first, second in _neighbours(owner):
            conv, norm = getattr(owner, first), getattr(owner, second)
            if (
                type(conv) in _CONVOLUTIONS
                and 'weight' in conv._parameters  # else it is made anew at each call
                and type(norm) in _NORMS
                and norm.running_mean is not None
            ):
                setattr(owner, first, fuse_conv_bn_eval(conv, norm).requires_grad_(False))
                setattr(owner, second, nn.Identity())


def _channels_last_on_a_cpu(part: nn.Module) -> None:
    """Gives convolutions weights in the layout that a CPU computes in."""
    for layer in part.modules():
        weight = layer._parameters.get('weight')
        if isinstance(layer, nn.Conv2d) and weight is not None and weight.device.type == 'cpu':
            laid_out = weight.to(memory_format=torch.channels_last)
            layer.weight = nn.Parameter(laid_out, requires_grad=False)


def _neighbours(owner: Any) -> Iterator[tuple[str, str]]:
    """Names of pairs of layers, of which the second is all that reads the first."""
    if isinstance(owner, ConvModule):
        if owner.with_norm and owner.order[:2] == ('conv', 'norm'):
            yield 'conv', owner.norm_name
    elif isinstance(owner, nn.Sequential):
        yield from pairwise(name for name, _ in owner.named_children())
    elif type(owner).__module__.startswith(_HOST):
        for name, _ in owner.named_children():
            norm = getattr(owner, f'{name.replace("conv", "norm")}_name', None)
            if norm is not None:
                yield name, norm


def _extractors(detector: Any) -> Iterator[tuple[nn.Module, str]]:
    """Owner and name of the parts that fields read the outputs of alone.

    The heads are none: fields record and lend their layers one by one.
    """
    for owner, name in (
        (detector, 'backbone'),
        (detector, 'neck'),
        (getattr(detector, 'roi_head', None), 'shared_head'),
    ):
        if owner is not None and getattr(owner, name, None) is not None:
            yield owner, name


class _Compiled(nn.Module):
    """A part that ``torch.compile`` runs, until that fails.

    Args:
        part: Runs in its place then.
        name: Of the part, for the log.
    """

    def __init__(self, part: nn.Module, name: str) -> None:
        super().__init__()
        self.part = part
        self._run: Any = torch.compile(part, dynamic=True)
        self._name = name

    def forward(self, *args: Value) -> Value:
        """The part's outputs."""
        try:
            return self._run(*args)
        except Exception as error:  # compilers of every origin raise what they like
            if self._run is self.part:
                raise
            self._run = self.part
            MMLogger.get_current_instance().warning(
                f'teacher: compile=True: the {self._name} could not be compiled and runs as it is '
                f'({str(error).strip().splitlines()[0]}).'
            )
            return self.part(*args)


class _Graphed(nn.Module):
    """A part whose kernels a GPU replays, while no gradient is asked for; elsewhere it just runs.

    Args:
        part: What is captured at the first batch of a size.
        name: Of the part, for the log.
    """

    def __init__(self, part: nn.Module, name: str) -> None:
        super().__init__()
        self.part = part
        self._name = name
        self._captured: dict[Any, tuple[Any, list[Tensor], Tensor | tuple[Tensor, ...]]] = {}
        self._sizes = _SIZES

    def forward(self, maps: Any) -> Any:
        """The part's outputs, a copy that the next batch does not write to."""
        given = [maps] if isinstance(maps, Tensor) else list(maps)
        if not given[0].is_cuda or torch.is_grad_enabled():
            return self.part(maps)
        autocast = torch.is_autocast_enabled('cuda') and torch.get_autocast_dtype('cuda')
        key = autocast, *((one.shape, one.dtype) for one in given)
        if key not in self._captured:
            if len(self._captured) >= self._sizes:
                return self.part(maps)
            now = torch.cuda.current_stream()
            try:
                self._captured[key] = self._capture(given, isinstance(maps, Tensor))
            except RuntimeError as error:
                torch.cuda.set_stream(now)  # a capture that fails leaves its own
                self._sizes = 0
                MMLogger.get_current_instance().warning(
                    f'teacher: graph=True: the {self._name} could not be captured and runs as it '
                    f'is ({str(error).strip().splitlines()[0]}).'
                )
                return self.part(maps)
        graph, read, written = self._captured[key]
        for own, one in zip(read, given, strict=True):
            own.copy_(one)
        graph.replay()
        if isinstance(written, Tensor):
            return written.clone()
        return tuple(level.clone() for level in written)

    def _capture(
        self, given: list[Tensor], alone: bool
    ) -> tuple[Any, list[Tensor], Tensor | tuple[Tensor, ...]]:
        read = [one.clone() for one in given]
        maps = read[0] if alone else tuple(read)
        now, beside = torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(now)
        with torch.cuda.stream(beside):  # kernels are chosen, which a capture must not do
            for _ in range(3):
                self.part(maps)
        now.wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode='thread_local'):
            written = self.part(maps)
        levels = [written] if isinstance(written, Tensor) else written
        if not isinstance(levels, (list, tuple)) or not all(isinstance(x, Tensor) for x in levels):
            raise RuntimeError(f'its output is a {type(written).__name__}, not maps')
        return graph, read, written


def in_float32(value: Value) -> Value:
    """What a field says, its floating numbers in float32.

    Args:
        value: Tensors in tuples, lists and records.
    """
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, (tuple, list)):
        made = map(in_float32, value)
        return type(value)(*made) if hasattr(value, '_fields') else type(value)(made)
    if is_dataclass(value) and not isinstance(value, type):
        named = {one.name: in_float32(getattr(value, one.name)) for one in fields(value)}
        return replace(value, **named)
    return value
