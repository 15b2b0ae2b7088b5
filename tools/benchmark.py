r"""Times a distillation step: student alone, teacher part, each method, all together.

Beside it the plain way: the teacher's whole loss run under hooks, nothing of it made faster.

python tools/benchmark.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method fgfi --json cost.json

With --sweep it measures once a value, and draws the cost beside the JSON:
python tools/benchmark.py CONFIG --sweep boxes 1 20 100 300 --json boxes.json
python tools/benchmark.py CONFIG --sweep shape 192x256 384x512 --json shapes.json
python tools/benchmark.py CONFIG --sweep method fgfi hint --amp bf16
python tools/benchmark.py CONFIG --sweep model.student.train_cfg.rcnn.sampler.num 64 512 2048

With --inference it times ``predict`` of several detectors in turn instead:
python tools/benchmark.py configs/students/rfcn_r50_voc.py --shape 600 1000 \
    --inference configs/students/faster_rcnn_r50_voc.py --proposals 300
"""

import argparse
import ast
import copy
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import mmkd  # noqa: F401, I001  first: it makes the host importable
import torch
from mmdet.registry import MODELS
from matplotlib.figure import Figure
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table
from torch import nn

from mmkd.detectors.fuse import DTYPES
from mmkd.engine.commands.benchmark import measure, measure_inference, random_batch
from mmkd.engine.commands.methods import add_method_option, use_methods, use_teacher
from mmkd.engine.commands import tool_options
from mmkd.engine.readable_errors import run_readably
from mmkd.utils.atomic import write_atomically
from mmkd.visualization.style import LINES, finish_axes, new_figure, save_figure, shared_legend

STEP_PARTS = ('student', 'teacher', 'plain_teacher', 'masks', 'distilled', 'plain')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    add = parser.add_argument
    add(
        'config',
        help='distillation, pair with --method, or plain with --teacher; no checkpoint is read',
    )
    add('--inference', nargs='*', metavar='CONFIG', help='time predict, beside these detectors')
    add('--proposals', type=int, help='of an RPN at inference, an image')
    add('--shape', type=int, nargs=2, default=(800, 1333), metavar=('H', 'W'))
    add('--images', type=int, default=1, help='images in the batch')
    add('--boxes', type=int, default=20, help='boxes an image')
    add('--rounds', type=int, default=5, help='rounds to take medians over')
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add('--json', type=Path, metavar='FILE', help='write what was measured of a step there')
    add('--amp', choices=list(DTYPES), help='train under autocast in half precision')
    swept = 'images, boxes, shape (800x1333), method or a key of the config, and its values'
    add('--sweep', nargs='+', metavar=('WHAT', 'VALUE'), help=swept)
    add_method_option(parser)
    tool_options.add_config_options(parser)
    args = parser.parse_args(argv)
    if args.sweep and (len(args.sweep) < 2 or args.inference is not None):
        parser.error('--sweep needs what to change and its values, and goes without --inference')
    if args.amp and args.inference is not None:
        parser.error('--amp is of a training step: leave it out with --inference')
    if args.sweep and args.sweep[0] == 'method' and args.methods:
        parser.error('--sweep method takes the place of --method: leave one out')
    return args


def run(args: argparse.Namespace, console: Console) -> None:
    """Builds detectors with random weights; measures, prints, writes and draws."""
    init_default_scope('mmdet')
    if args.inference is not None:
        run_inference(args, console)
        return
    what, *values = args.sweep or ('images', str(args.images))
    found = [dict(value=value, **run_step(changed(args, what, value), console)) for value in values]
    if args.json is not None:
        write_atomically(
            (json.dumps(dict(what=what, steps=found), indent=1) + '\n').encode(), args.json
        )
        if args.sweep:
            save_figure(draw(what, found), args.json.with_suffix('.png'), force=True)


def changed(args: argparse.Namespace, what: str, value: str) -> argparse.Namespace:
    """The command line with another value of what is swept."""
    args = copy.copy(args)
    if what == 'shape':
        args.shape = [int(side) for side in value.split('x')]
    elif what == 'method':
        args.methods = [value]
    elif what in ('images', 'boxes'):
        setattr(args, what, int(value))
    else:
        args.cfg_options = {**(args.cfg_options or {}), what: ast.literal_eval(value)}
    return args


def random_images(args: argparse.Namespace) -> tuple[tuple[int, ...], tuple]:
    """(height, width) and a batch: padded to the coarsest stride, as a preprocessor would."""
    shape = tuple(-(-side // 32) * 32 for side in args.shape)
    return shape, random_batch(shape, args.images, args.boxes, classes=1, device=args.device)


def run_step(args: argparse.Namespace, console: Console) -> dict:
    """Measures and prints one training step; what was found, by name."""
    shape, batch = random_images(args)
    model = build(args.config, args).train()
    with tool_options.progress_bar(console, 'rounds', args.rounds + 1) as advance:
        times = measure(model, *batch, args.rounds, advance, DTYPES.get(args.amp))
    title = (
        f'{args.config}, {args.images} x {shape}, {args.boxes} boxes, {args.device}, '
        f'{args.amp or "float32"}'
    )
    table = Table('part', title=title)
    table.add_column('median', justify='right')
    table.add_column('waits for a GPU', justify='right')
    parts = {name: getattr(times, name) for name in STEP_PARTS}
    for name, seconds in {**parts, **times.methods}.items():
        table.add_row(
            name.replace('_', ' '), f'{seconds * 1e3:.1f} ms', str(times.waits.get(name, ''))
        )
    table.add_row('distilled / (student + teacher)', f'{times.ratio:.3f}')
    table.add_row('distilled / (student + plain teacher)', f'{times.over_plain_teacher:.3f}')
    table.add_row('distilled / plain', f'{times.over_plain:.3f}')
    table.add_row('masks / distilled', f'{times.mask_share:.2%}')
    table.add_row('images a second', f'{times.images_per_second:.2f}')
    table.add_row('peak memory', f'{times.memory:.0f} MiB')
    if times.over_student_memory is not None:
        table.add_row(
            'peak / (student alone + teacher weights)', f'{times.over_student_memory:.3f}'
        )
    console.print(table)
    return asdict(times)


def run_inference(args: argparse.Namespace, console: Console) -> None:
    """Measures and prints a row a detector."""
    shape, batch = random_images(args)
    models = {name: build(name, args).eval() for name in (args.config, *args.inference)}
    title = f'inference, {args.images} x {shape}, {args.device}'
    table = Table('detector', 'ms an image', 'over the first', 'RoIs an image', title=title)
    with tool_options.progress_bar(console, 'rounds', args.rounds + 1) as advance:
        for name, found in measure_inference(models, *batch, args.rounds, advance).items():
            numbers = f'{found.seconds * 1e3:.1f}', f'{found.ratio:.3f}', f'{found.rois:.0f}'
            table.add_row(Path(name).stem, *numbers)
    console.print(table)


def draw(what: str, steps: list[dict]) -> Figure:
    """Milliseconds of each part against the values of what was swept."""
    figure = new_figure(5, 3.5)
    axes = figure.subplots()
    parts = {name: [step[name] for step in steps] for name in STEP_PARTS}
    common = set.intersection(*(set(step['methods']) for step in steps))
    parts |= {name: [step['methods'][name] for step in steps] for name in sorted(common)}
    values = [step['value'] for step in steps]
    numbers = all(value.isdecimal() for value in values)
    for number, (name, seconds) in enumerate(parts.items()):
        colour, line, marker = LINES[number % len(LINES)]
        look = dict(color=colour, linestyle=line, marker=marker, label=name.replace('_', ' '))
        inside = 'white' if number >= len(LINES) else colour  # a colour's second line is hollow
        points = [int(value) for value in values] if numbers else values
        axes.plot(points, [1e3 * one for one in seconds], markerfacecolor=inside, **look)
    if not numbers:
        axes.tick_params(axis='x', rotation=30)
    axes.set_ylim(bottom=0)
    finish_axes(axes, what, 'ms (median)', 'cost of a training step')
    shared_legend(figure, [axes], 4)
    return figure


def build(path: str, args: argparse.Namespace) -> nn.Module:
    """The detector of a config file, or of ``mmdet::`` or another package."""
    config = tool_options.config_of(path)
    if path == args.config and args.teacher:
        use_teacher(config, tool_options.config_of(args.teacher))
    use_methods(config, args.methods if path == args.config else None)
    config.merge_from_dict(args.cfg_options or {})
    rpn = config.model.get('test_cfg', {}).get('rpn')
    if args.inference is not None and args.proposals is not None and rpn is not None:
        rpn.update(max_per_img=args.proposals)
    return MODELS.build(config.model).to(args.device)


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
