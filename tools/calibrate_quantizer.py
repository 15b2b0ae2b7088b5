"""Which step for quantization mimic? Reports the range of the teacher's features.

python tools/calibrate_quantizer.py configs/quantization_mimic_faster_rcnn_r18thin_bccd.py
"""

import argparse
import json
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

import torch  # noqa: E402
from mmengine.config import DictAction  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from mmkd.engine.calibration import calibrate, render  # noqa: E402
from mmkd.engine.cli import read_config, set_teacher_checkpoint  # noqa: E402
from mmkd.engine.preflight import check_data  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='a distillation config')
    parser.add_argument('--num', type=int, default=32, help='training images to look at')
    parser.add_argument('--out', type=Path, metavar='FILE', help='also write the numbers as JSON')
    parser.add_argument('--teacher-checkpoint', metavar='PATH', help="replaces the config's")
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')  # fmt: skip
    parser.set_defaults(launcher='none', work_dir=None)
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Looks and reports."""
    config = read_config(args)
    if args.teacher_checkpoint is not None:
        set_teacher_checkpoint(config, args.teacher_checkpoint)
    check_data(config, ('train',))
    MMLogger.get_current_instance().setLevel('WARNING')
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task('batches', total=None)
        found = calibrate(
            config,
            args.num,
            args.device,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    console.print(render(found, args.config))
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found.as_dict(), indent=2) + '\n', encoding='utf-8')
        console.print(f'written to {args.out}')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
