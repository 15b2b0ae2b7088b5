"""Times a distillation step: student alone, teacher part, masks, all together."""

import argparse

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import mmkd  # noqa: F401  first: it makes the host importable
from mmkd.engine.benchmark import measure, random_batch


def parse_args() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='distillation config; its checkpoints are not read')
    parser.add_argument('--shape', type=int, nargs=2, default=(800, 1333), metavar=('H', 'W'))
    parser.add_argument('--images', type=int, default=1, help='images in the batch')
    parser.add_argument('--boxes', type=int, default=20, help='boxes an image')
    parser.add_argument('--rounds', type=int, default=5, help='rounds to take medians over')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='key=value ...')
    return parser.parse_args()


def main() -> None:
    """Builds the detectors with random weights and prints the table."""
    args = parse_args()
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options or {})
    init_default_scope('mmdet')
    model = MODELS.build(config.model).to(args.device).train()
    # Padded to the stride of the coarsest level, as a data preprocessor would.
    shape = tuple(-(-side // 32) * 32 for side in args.shape)
    batch = random_batch(shape, args.images, args.boxes, classes=1, device=args.device)
    with Progress(transient=True) as progress:
        task = progress.add_task('rounds', total=args.rounds + 1)
        times = measure(model, *batch, args.rounds, lambda: progress.advance(task))
    table = Table(
        title=f'{args.config}, {args.images} x {shape}, {args.boxes} boxes, {args.device}'
    )
    table.add_column('part')
    table.add_column('median', justify='right')
    for name in ('student', 'teacher', 'masks', 'distilled'):
        table.add_row(name, f'{getattr(times, name) * 1e3:.1f} ms')
    table.add_row('distilled / (student + teacher)', f'{times.ratio:.3f}')
    table.add_row('masks / distilled', f'{times.mask_share:.2%}')
    Console().print(table)


if __name__ == '__main__':
    main()
