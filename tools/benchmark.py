r"""Times a distillation step: student alone, teacher part, masks, all together.

python tools/benchmark.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method fgfi

With --inference it times ``predict`` of several detectors in turn instead:
python tools/benchmark.py configs/students/rfcn_r50_voc.py --shape 600 1000 \
    --inference configs/students/faster_rcnn_r50_voc.py --proposals 300
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import mmkd  # noqa: F401, I001  first: it makes the host importable
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table
from torch import nn

from mmkd.engine.commands.benchmark import measure, measure_inference, random_batch
from mmkd.engine.commands.methods import add_method_option, use_methods, use_teacher
from mmkd.engine.commands import tool_options
from mmkd.engine.readable_errors import run_readably


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
    add_method_option(parser)
    tool_options.add_config_options(parser)
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Builds the detectors with random weights and prints a row a part, or a detector."""
    init_default_scope('mmdet')
    # Padded to the stride of the coarsest level, as a data preprocessor would.
    shape = tuple(-(-side // 32) * 32 for side in args.shape)
    batch = random_batch(shape, args.images, args.boxes, classes=1, device=args.device)
    names = [args.config, *(args.inference or ())]
    models = {name: build(name, args) for name in names}
    with tool_options.progress_bar(console, 'rounds', args.rounds + 1) as advance:
        if args.inference is None:
            times = measure(models[args.config].train(), *batch, args.rounds, advance)
            table = Table('part', title=f'{args.config}, {args.images} x {shape}, {args.boxes} '
                          f'boxes, {args.device}')  # fmt: skip
            table.add_column('median', justify='right')
            for name in ('student', 'teacher', 'masks', 'distilled'):
                table.add_row(name, f'{getattr(times, name) * 1e3:.1f} ms')
            table.add_row('distilled / (student + teacher)', f'{times.ratio:.3f}')
            table.add_row('masks / distilled', f'{times.mask_share:.2%}')
        else:
            title = f'inference, {args.images} x {shape}, {args.device}'
            table = Table('detector', 'ms an image', 'over the first', 'RoIs an image', title=title)
            models = {name: model.eval() for name, model in models.items()}
            for name, found in measure_inference(models, *batch, args.rounds, advance).items():
                numbers = f'{found.seconds * 1e3:.1f}', f'{found.ratio:.3f}', f'{found.rois:.0f}'
                table.add_row(Path(name).stem, *numbers)
    console.print(table)


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
