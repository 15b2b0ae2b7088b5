"""Which method runs on which detector: each pair is built and takes a step with random weights."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from mmdet.registry import MODELS as HOST
from mmdet.testing import demo_mm_inputs
from mmengine.config import ConfigDict
from torch import nn

from mmkd.compat import begin_progress
from mmkd.detectors.build import build_methods
from mmkd.detectors.describe import describe
from mmkd.distiller import Distiller
from mmkd.fields import class_count
from mmkd.observation import DetectorInfo, MapsInfo, total_loss
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Entries

from .methods import method_types
from .support_detectors import SIDE, Pair, config_of

WORKS, CRASH = 'works', 'crash: '
_HEADS = ('roi_head', 'roi_stages', 'rpn', 'dense')
_ARGUMENTS = ('on=', 'levels=')
"""What a method's ``on`` may name, and what is tried where its own choice is refused."""


class Bench:
    """A student and a teacher that are built once, and joined by one method after another.

    Args:
        student: Model config.
        teacher: Model config.

    Raises:
        ValueError, ImportError: The host cannot build one of them here, or train the student.
    """

    def __init__(self, student: ConfigDict, teacher: ConfigDict) -> None:
        self.student, self.teacher = (_built(cfg) for cfg in (student, teacher))
        self.data = _batch(self.student)
        self.side = self.data['inputs'][0].shape[-1]
        self.infos = [
            describe(side, role, self.side)
            for side, role in ((self.student, 'student'), (self.teacher, 'teacher'))
        ]
        begin_progress()
        try:
            step(self.student, self.data)
        except FloatingPointError as error:
            raise UserError('the student alone', 'overflows with random weights') from error

    def join(self, methods: Sequence[Entries]) -> Distiller:
        """The two under methods.

        Raises:
            ValueError: They do not fit.
        """

        def student() -> nn.Module:
            return self.student

        def teacher() -> nn.Module:
            return self.teacher

        model = MODELS.build(
            dict(
                type='mmkd.DistillDetector',
                student=dict(type=student),
                teacher=dict(type=teacher),
                methods=list(methods),
                dry_run_size=self.side,
            )
        )
        for one in model.distill.values():
            one.init_weights()
        return model


def step(model: Detector, data: Entries) -> None:
    """One training step, without the optimizer's.

    Raises:
        FloatingPointError: A loss or a gradient is not finite.
    """
    model.train().zero_grad()
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    total = total_loss(losses)
    total.backward()
    grads = [p.grad.sum() for p in model.parameters() if p.grad is not None]
    if not torch.stack([total.detach(), *grads]).isfinite().all():
        raise FloatingPointError('the losses or their gradients are not finite')


def _built(cfg: ConfigDict) -> nn.Module:
    torch.manual_seed(0)
    return HOST.build(cfg)


def _batch(student: Detector) -> Entries:
    """Two images with boxes, and with what the student's masks are trained on."""
    classes = class_count(student) or 80
    head = getattr(student, 'bbox_head', None)
    side = getattr(getattr(head, 'prior_generator', None), 'input_size', SIDE)
    batch = demo_mm_inputs(
        2,
        (3, side, side),
        num_items=[3, 2],
        num_classes=max(classes, 2),
        with_mask=student.with_mask or hasattr(student, 'panoptic_head'),
        with_semantic=hasattr(getattr(student, 'roi_head', None), 'semantic_head'),
        use_box_type=True,
    )
    for sample in batch['data_samples']:
        sample.gt_instances.labels.clamp_(max=classes - 1)
    return batch


def outcomes(pair: Pair, methods: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What each method does on a pair.

    Args:
        pair: Its names are of :data:`DETECTORS` or :data:`TEACHERS`.
        methods: Names in the log.

    Yields:
        The method, and :data:`WORKS`, the argument with which it does (``on='dense'``), the reason
        of the refusal, or :data:`CRASH` and the error.
    """
    try:
        bench = Bench(*(config_of(name) for name in pair))
    except Exception as error:  # detectors of every kind raise what they like
        yield from ((method, _told(error)) for method in methods)
        return
    joined = {}
    for method in methods:
        setting, told = _joined(method, *bench.infos)
        if setting is None:
            yield method, told
        else:
            joined[method] = setting, told
    together = [setting for setting, _ in joined.values()]
    if joined and _stepped(bench, together) != WORKS:  # which is it?
        for method, (setting, told) in joined.items():
            alone = _stepped(bench, [setting])
            joined[method] = setting, told if alone == WORKS else alone
    yield from ((method, told) for method, (_, told) in joined.items())


def _joined(
    method: str, student: DetectorInfo, teacher: DetectorInfo
) -> tuple[Entries | None, str]:
    """The setting with which a method takes two detectors, or None; and the outcome."""
    kind = method_types()[method]
    accepted = inspect.signature(MODELS.get(kind)).parameters
    base: Entries = dict(type=kind)
    if method == 'neuron_selection':
        base['channels'] = [[0, 1]] * len(teacher.channels)
    both = student.fields.keys() & teacher.fields.keys()
    choices: list[Entries] = [{}]
    choices += [dict(on=head) for head in _HEADS if 'on' in accepted and head in both]
    if 'levels' in accepted:
        stage = MODELS.build(base).stage
        choices.append(dict(levels=_common_levels(student.fields[stage], teacher.fields[stage])))
    refusals = []
    for choice in choices:
        try:
            build_methods([base | choice], student, {'teacher': teacher})
        except Exception as error:
            refusals.append(_told(error))
        else:
            told = [f'{name}={value!r}' for name, value in choice.items()]
            return base | choice, told[0] if told else WORKS
    crashed = [told for told in refusals if told.startswith(CRASH)]
    return None, (crashed or refusals)[0]


def _common_levels(student: MapsInfo, teacher: MapsInfo) -> list[list[int]]:
    """Pairs of one stride, or else of the first maps."""
    pairs = [
        [i, j]
        for i, own in enumerate(student.strides)
        for j, other in enumerate(teacher.strides)
        if own == other
    ]
    return pairs or [[0, 0]]


def _stepped(bench: Bench, settings: Sequence[Entries]) -> str:
    try:
        step(bench.join(settings), bench.data)
    except Exception as error:
        return _told(error)
    return WORKS


_LACKS = re.compile(r'reads (.+), and [^,]+, the (student|teacher[^,]*), has none of that kind')


def _told(error: Exception) -> str:
    """A refusal in one short sentence, or a crash."""
    text = ' '.join(str(error).split())
    if not isinstance(error, (UserError, ImportError)):
        return f'{CRASH}{type(error).__name__}: {text[:200]}'
    lacks = _LACKS.search(text)
    if lacks:
        return f'the {lacks[2]} has no {", no ".join(lacks[1].split(" and "))}'
    if getattr(error, 'remedy', ''):
        return f'{error.setting} {error.problem}'  # type: ignore[union-attr]
    return re.split(r'; |: |\. ', text)[0].rstrip('.')


_HEADING = """# Which method runs on which detector

Written by `python tools/support_table.py`. A row is a detector of MMDetection, with a small
backbone and random weights, under another of its kind or under the one named. Methods that take the
two train one step on two images; losses and gradients are finite. `yes`: it runs as it is;
`on='dense'`, `levels=...`: with this argument, here levels of one stride; a number: it is refused
when the model is built, for the reason below the table.
"""


def page(found: Mapping[str, Mapping[str, str]], methods: Sequence[str]) -> str:
    """Markdown: methods that never differ share a column; reasons stand below the table.

    Args:
        found: Outcome by pair and method.
        methods: Names in the log.
    """
    columns: dict[tuple, list[str]] = {}
    for method in methods:
        column = tuple(row.get(method, '') for row in found.values())
        columns.setdefault(column, []).append(method)
    letters = [chr(ord('A') + place) for place in range(len(columns))]
    reasons: dict[str, int] = {}
    lines = [f'| detector | {" | ".join(letters)} |', '|---' * (len(letters) + 1) + '|']
    for place, name in enumerate(found):
        cells = [_cell(column[place], reasons) for column in columns]
        lines.append(f'| {name} | {" | ".join(cells)} |')
    named = zip(letters, columns.values(), strict=True)
    groups = [f'* **{letter}**: {", ".join(names)}' for letter, names in named]
    told = [f'{number}. {reason}' for reason, number in reasons.items()]
    return '\n'.join([_HEADING, *groups, '', *lines, '', *told, ''])


def _cell(outcome: str, reasons: dict[str, int]) -> str:
    if outcome in ('', WORKS):
        return 'yes' if outcome else ''
    if outcome.startswith(_ARGUMENTS):
        return f'`{outcome}`'
    return str(reasons.setdefault(outcome, len(reasons) + 1))
