r"""Keeps the teacher's maps of all training images on disk, flipped ones too.

python tools/cache_teacher.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method fgfi \
    --cfg-options model.teacher.cache=work_dirs/cache

Not needed before training, which adds what it lacks; it tells the size before, and fills the cache
for several trainings that begin together.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console
from rich.progress import track

from mmkd.engine.commands import tool_options
from mmkd.engine.commands.cache import fill_cache
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    tool_options.add_distillation_options(parser)
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Fills the cache."""

    def shown(batches: Iterable[dict], number: int) -> Iterable[dict]:
        return track(batches, 'batches', number, console=console, transient=True)

    config = tool_options.read_distillation(args, ('train',))
    images, size = fill_cache(config, args.device, shown)
    console.print(f'{images} images, counting flipped ones: {size / 1e9:.3f} GB were added')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
