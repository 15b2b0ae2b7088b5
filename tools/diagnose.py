"""What would ruin this distillation, and what did? Before training, and on finished runs.

python tools/diagnose.py configs/fgfi_faster_rcnn_r18_16th_bccd.py --num 64
python tools/diagnose.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method hint
python tools/diagnose.py --after work_dirs/distilled --alone work_dirs/student

Exit status: 0 nothing found, 1 something found, 2 the command or the config is wrong.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console

from mmkd.datasets.folder import SPLITS
from mmkd.engine.commands import tool_options
from mmkd.engine.diagnose import Check, Options, State, diagnose, render
from mmkd.engine.readable_errors import run_readably
from mmkd.study.after import diagnose_after, read_finished
from mmkd.utils.quiet import quiet_host

BEFORE = ('target', 'student_checkpoint', 'teacher', *SPLITS, 'format', 'unlabelled')
RENAMED = {'methods': '--method', 'data_folder': '--data'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    tool_options.add_distillation_options(parser, nargs='?')
    add = parser.add_argument
    add('--num', type=int, help='images of a split to look at; default: 64, of finished runs 500')
    share = "wanted size of a method's loss over the task's"
    add('--fraction', type=float, default=0.5, help=share)
    add('--target', type=float, help='what the student shall reach, e.g. 0.37')
    trained = 'a trained student, scored in place of --target'
    add('--student-checkpoint', metavar='PATH', help=trained)
    add = parser.add_argument_group('finished runs, in place of a config').add_argument
    add('--after', type=Path, metavar='WORK_DIR', help='of a distillation')
    add('--alone', type=Path, metavar='WORK_DIR', help='of the same student without a teacher')
    args = parser.parse_args(argv)
    if (args.after is None) == (args.config is None):
        parser.error('give either a config to look at before training, or --after WORK_DIR')
    if args.after is None and args.alone is not None:
        parser.error('--alone is compared with a finished distillation: add --after WORK_DIR')
    options = {**RENAMED, **{name: f'--{name.replace("_", "-")}' for name in BEFORE}}
    given = [option for name, option in options.items() if getattr(args, name) is not None]
    if args.after is not None and given:
        parser.error(f'--after takes no {given[0]}: the run has its own')
    return args


def run(args: argparse.Namespace, console: Console) -> int:
    """Looks and reports; returns the exit status."""
    num = (64 if args.after is None else 500) if args.num is None else args.num
    options = Options(num, args.fraction, args.target, args.student_checkpoint, args.device)
    checks = (
        _before(args, options, console) if args.after is None else _after(args, options, console)
    )
    found = sum(check.state is State.FINDING for check in checks)
    console.print(f'{found} findings' if found else 'nothing found')
    return 1 if found else 0


def _before(args: argparse.Namespace, options: Options, console: Console) -> list[Check]:
    config = tool_options.read_distillation(args, ('train', 'val'))
    with console.status('') as status:
        checks = diagnose(config, options, status.update)
    console.print(render(checks, args.config))
    return checks


def _after(args: argparse.Namespace, options: Options, console: Console) -> list[Check]:
    finished = read_finished(args.after, '--after', args.cfg_options)
    tool_options.set_teacher_checkpoints(finished.config, args.teacher_checkpoint)
    alone = args.alone and read_finished(args.alone, '--alone', args.cfg_options)
    with console.status('') as status, quiet_host():
        looks = (options.num, options.fraction, options.device, status.update)
        outcome = diagnose_after(finished, alone, *looks)
    for table in outcome.tables:
        console.print(table)
    if outcome.findings:
        console.print(render(outcome.findings, f'{args.after}: {finished.checkpoints[-1].stem}'))
    names = ', '.join(path.name for path in outcome.pictures)
    console.print(f'{names} in {outcome.pictures[0].parent}', soft_wrap=True)
    return outcome.findings


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console(file=sys.stdout))))
