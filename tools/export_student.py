"""Writes a file with the student's weights alone, for the plain student config, and its model card.

python tools/export_student.py work_dirs/fgfi_faster_rcnn_r18_16th_bccd/epoch_8.pth student.pth
python tools/export_student.py work_dirs/small_large/epoch_12.pth student.safetensors \
    --safetensors --onnx student.onnx --shape 640 640
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from mmkd.engine.commands.export import export_student
from mmkd.engine.commands.tool_options import add_shape_option, new_parser, refuse_shape
from mmkd.engine.readable_errors import run_readably


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('checkpoint', help='checkpoint of a distillation run, file or URL')
    add('out', type=Path, help='file to write; OUT.md beside it describes it, to be published')
    add('--force', action='store_true', help='replace files that exist')
    averaged = 'fail unless the weights are averaged; where EMAHook ran they always are'
    add('--ema', action='store_true', help=averaged)
    form = parser.add_mutually_exclusive_group()
    form.set_defaults(form='checkpoint')
    for name, what in (
        ('weights', 'OUT holds the weights by key alone, without the metas of the run'),
        ('safetensors', 'so, as safetensors'),
    ):
        form.add_argument(f'--{name}', action='store_const', const=name, dest='form', help=what)
    head = "a one-stage student's network up to its head, compared with onnxruntime"
    add('--onnx', type=Path, metavar='FILE', help=head)
    add_shape_option(parser, "of ONNX's input")
    args = parser.parse_args()
    refuse_shape(parser, args)
    return args


def main() -> None:
    """Exports and says what was written."""
    args = parse_args()
    card = args.out.with_name(f'{args.out.name}.md')
    options = dict(force=args.force, ema=args.ema, form=args.form)
    files = dict(card=card, onnx=args.onnx, shape=tuple(args.shape))
    done = export_student(args.checkpoint, args.out, **options, **files)
    kind = 'averaged (EMA) ' if done.averaged else ''
    print(
        f'{done.path}: {done.student_keys} {kind}student weights and buffers; '
        f"left out {done.dropped_keys} of the adapters', optimizer and log.\n"
        f'{card}: its model card; fill in the licences.'
    )
    if args.onnx is not None:
        print(
            f'{args.onnx}: outputs before NMS; onnxruntime differs from torch by '
            f'{done.difference:.1e} at most.'
        )


if __name__ == '__main__':
    sys.exit(run_readably(main))
