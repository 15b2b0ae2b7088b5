r"""Times a distillation step: student alone, teacher part, masks, all together.

With --inference it times ``predict`` of several detectors in turn instead:
    python tools/benchmark.py configs/students/rfcn_r50_voc.py --shape 600 1000 \
        --inference configs/students/faster_rcnn_r50_voc.py --proposals 300
"""

import argparse
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import nn

import mmkd  # noqa: F401  first: it makes the host importable
from mmkd.engine.commands.benchmark import measure, measure_inference, random_batch
from mmkd.engine.commands.methods import add_method_option, use_methods, use_teacher
from mmkd.engine.commands.train_and_test import config_of


def parse_args() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config',
        help='distillation config, pair with --method, or plain config with --teacher and '
        '--method; its checkpoints are not read',
    )
    parser.add_argument(
        '--inference', nargs='*', metavar='CONFIG', help='time predict, beside these detectors'
    )
    parser.add_argument('--proposals', type=int, help='of an RPN at inference, an image')
    parser.add_argument('--shape', type=int, nargs=2, default=(800, 1333), metavar=('H', 'W'))
    parser.add_argument('--images', type=int, default=1, help='images in the batch')
    parser.add_argument('--boxes', type=int, default=20, help='boxes an image')
    parser.add_argument('--rounds', type=int, default=5, help='rounds to take medians over')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_method_option(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='key=value ...')
    return parser.parse_args()


def main() -> None:
    """Builds the detectors with random weights and prints the table."""
    args = parse_args()
    init_default_scope('mmdet')
    # Padded to the stride of the coarsest level, as a data preprocessor would.
    shape = tuple(-(-side // 32) * 32 for side in args.shape)
    batch = random_batch(shape, args.images, args.boxes, classes=1, device=args.device)
    title = f'{args.config}, {args.images} x {shape}, {args.boxes} boxes, {args.device}'
    if args.inference is None:
        times_of_a_step(args, batch, title)
    else:
        times_of_inference(args, batch, f'inference, {args.images} x {shape}, {args.device}')


def build(path: str, args: argparse.Namespace) -> nn.Module:
    """The detector of a config file, or of ``mmdet::`` or another package."""
    config = config_of(path)
    if path == args.config and args.teacher:
        use_teacher(config, config_of(args.teacher))
    use_methods(config, args.methods if path == args.config else None)
    config.merge_from_dict(args.cfg_options or {})
    rpn = config.model.get('test_cfg', {}).get('rpn')
    if args.inference is not None and args.proposals is not None and rpn is not None:
        rpn.update(max_per_img=args.proposals)
    return MODELS.build(config.model).to(args.device)


def times_of_inference(args: argparse.Namespace, batch: tuple, title: str) -> None:
    """Prints a row a detector."""
    names = [args.config, *args.inference]
    models = {name: build(name, args).eval() for name in names}
    with Progress(transient=True) as progress:
        task = progress.add_task('rounds', total=args.rounds + 1)
        times = measure_inference(models, *batch, args.rounds, lambda: progress.advance(task))
    table = Table('detector', 'ms an image', 'over the first', 'RoIs an image', title=title)
    for name, found in times.items():
        table.add_row(
            Path(name).stem, f'{found.seconds * 1e3:.1f}', f'{found.ratio:.3f}', f'{found.rois:.0f}'
        )
    Console().print(table)


def times_of_a_step(args: argparse.Namespace, batch: tuple, title: str) -> None:
    """Prints a row a part."""
    model = build(args.config, args).train()
    with Progress(transient=True) as progress:
        task = progress.add_task('rounds', total=args.rounds + 1)
        times = measure(model, *batch, args.rounds, lambda: progress.advance(task))
    table = Table(title=title)
    table.add_column('part')
    table.add_column('median', justify='right')
    for name in ('student', 'teacher', 'masks', 'distilled'):
        table.add_row(name, f'{getattr(times, name) * 1e3:.1f} ms')
    table.add_row('distilled / (student + teacher)', f'{times.ratio:.3f}')
    table.add_row('masks / distilled', f'{times.mask_share:.2%}')
    Console().print(table)


if __name__ == '__main__':
    main()
