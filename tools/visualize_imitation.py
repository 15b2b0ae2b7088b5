"""Where does the student imitate? One PNG an image, one panel per level.

python tools/visualize_imitation.py configs/fgfi_faster_rcnn_r18_16th_shapes.py --num 8
"""

import argparse
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

import numpy as np  # noqa: E402
import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from rich.table import Table  # noqa: E402

from mmkd import visualization  # noqa: E402
from mmkd.engine.commands.methods import lacks_methods, method_name, read_method  # noqa: E402
from mmkd.engine.commands.train_and_test import config_of, read_config  # noqa: E402
from mmkd.engine.checks.preflight import check_data  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402
from mmkd.engine.commands.tool_options import add_config_options  # noqa: E402


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Draw the imitation masks of a distillation config. No checkpoint is needed.'
    )
    parser.add_argument('config', help='a distillation config with FGFI among its methods, or pair')
    parser.add_argument('--out', type=Path, help='default: work_dirs/<config>/imitation')
    parser.add_argument('--num', type=int, default=8, help='images, from the first on')
    parser.add_argument('--split', choices=('train', 'val'), default='train')
    parser.add_argument('--method', help='which of several with a mask; for a pair: fgfi')
    parser.add_argument('--seed', type=int, default=0, help='of flips and other augmentation')
    parser.add_argument('--force', action='store_true', help='replace pictures that exist')
    add_config_options(parser)
    args = parser.parse_args()
    if args.num < 1:
        parser.error(f'--num must be >= 1, got {args.num}')
    args.out = args.out or Path('work_dirs') / Path(args.config).stem / 'imitation'
    return args


def draw(args: argparse.Namespace, console: Console) -> None:
    """Builds, draws, reports."""
    args.methods = [args.method] if args.method and lacks_methods(config_of(args.config)) else None
    config = read_config(args)
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
    for path, image in track(
        zip(paths, masked, strict=True), 'drawing', len(paths), console=console, transient=True
    ):
        figure = visualization.draw_imitation(
            image.image,
            image.masks,
            image.strides,
            image.gt_bboxes,
            image.gt_ignored,
            title=f'{image.name}: where {method.name} imitates',
        )
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
        table.add_row(
            str(stride),
            str(cells),
            str(kept),
            *(f'{n:.1%}' for n in numbers),
            str(int((shares == 0).sum())),
        )
    return table


def main() -> int:
    """Draws; returns the exit status."""
    args = parse_args()
    return run_readably(lambda: draw(args, Console()))


if __name__ == '__main__':
    sys.exit(main())
