"""Where does the student imitate? One PNG an image, one panel per level.

python tools/visualize_imitation.py configs/fgfi_faster_rcnn_r18_16th_shapes.py --num 8
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmkd import visualization
from mmkd.engine.checks.preflight import check_data
from mmkd.engine.commands import tool_options
from mmkd.engine.commands.methods import lacks_methods, method_name, read_method
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    add = parser.add_argument
    add('config', help='a distillation config with FGFI among its methods, or pair')
    add('--out', type=Path, help='default: work_dirs/<config>/imitation')
    add('--num', type=int, default=8, help='images, from the first on')
    add('--split', choices=('train', 'val'), default='train')
    add('--method', help='which of several with a mask; for a pair: fgfi')
    add('--seed', type=int, default=0, help='of flips and other augmentation')
    add('--force', action='store_true', help='replace pictures that exist')
    tool_options.add_config_options(parser)
    args = parser.parse_args(argv)
    tool_options.refuse_below(1, parser, args, 'num')
    args.out = args.out or Path('work_dirs') / Path(args.config).stem / 'imitation'
    return args


def run(args: argparse.Namespace, console: Console) -> None:
    """Builds, draws, reports."""
    args.methods = (
        [args.method]
        if args.method and lacks_methods(tool_options.config_of(args.config))
        else None
    )
    config = tool_options.read_config(args)
    if args.methods:
        args.method = method_name(read_method(args.method))
    model, method = visualization.build_imitator(config, args.method)
    check_data(config, (args.split,))
    dataset = visualization.imitation_dataset(config, args.split)
    indices = range(min(args.num, len(dataset)))
    paths = [
        args.out
        / f'{args.split}_{index:04d}_{Path(dataset.get_data_info(index)["img_path"]).stem}.png'
        for index in indices
    ]
    visualization.check_free(paths, force=args.force)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    shown = []
    masked = visualization.imitation_masks(model, method, dataset, indices)
    pairs = zip(paths, masked, strict=True)
    for path, image in track(pairs, 'drawing', len(paths), console=console, transient=True):
        title = f'{image.name}: where {method.name} imitates'
        figure = visualization.draw_imitation(*image.parts, title, image.offset)
        visualization.save_figure(figure, path, force=args.force)
        shown.append(image)
    console.print(_table(shown, args.split))
    console.print(f'{len(paths)} pictures in {args.out}', soft_wrap=True)


def _table(images: list[visualization.MaskedImage], split: str) -> Table:
    """Kept cells of each level over all images."""
    boxes = sum(len(image.gt_bboxes) for image in images)
    table = Table(title=f'imitated cells, {len(images)} images of {split}, {boxes} boxes')
    for column in ('stride', 'cells', 'kept', 'mean', 'least', 'most', 'images without'):
        table.add_column(column, justify='right')
    for level, stride in enumerate(images[0].strides):
        shares = np.array([image.kept[level] for image in images])
        cells = sum(image.masks[level].size for image in images)
        kept = sum(int(image.masks[level].sum()) for image in images)
        numbers = (shares.mean(), shares.min(), shares.max())
        without = str(int((shares == 0).sum()))
        table.add_row(str(stride), str(cells), str(kept), *(f'{n:.1%}' for n in numbers), without)
    return table


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
