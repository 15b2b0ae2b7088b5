"""Which method, for my detector, on my data? Trains them over seeds and says what the runs show.

python tools/compare.py configs/studies/shapes.py
python tools/compare.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method fgfi --method hint
python tools/compare.py --teacher T.py --teacher-checkpoint T.pth --student S.py \
    --method fgfi --method 'weak={type: mmkd.FGFI, loss_weight: 2e-3}' --seeds 0 1 2

Stopped and called again it goes on where it was; finished runs are not repeated.
"""

import argparse
import re
import signal
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from mmengine.config import DictAction  # noqa: E402
from rich.console import Console  # noqa: E402

from mmkd import study as studies  # noqa: E402
from mmkd.engine.commands.methods import method_name, read_method  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'study', nargs='?', help='study file (Python, YAML or JSON), or a file of configs/pairs'
    )
    what = parser.add_argument_group('what to compare, in place of or over the study file')
    what.add_argument('--teacher', metavar='CONFIG')
    what.add_argument('--teacher-checkpoint', metavar='PATH', help='else the study trains it')
    what.add_argument('--student', metavar='CONFIG')
    what.add_argument(
        '--method',
        action='append',
        metavar='[NAME=]METHOD',
        help="one arm: fgfi, mmkd.FGFI or '{type: mmkd.FGFI, loss_weight: 0.02}'; given several "
        'times, each is an arm of its own; replaces the methods of the study file',
    )
    what.add_argument('--seeds', type=int, nargs='+')
    what.add_argument('--max-epochs', type=int, help='of every student')
    what.add_argument('--metric', help='name in the log; found automatically by default')
    what.add_argument('--work-dir', help='default: work_dirs/studies/NAME')
    what.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings of all configs',
    )
    what.add_argument('--arms', nargs='+', metavar='NAME', help='run only these now')
    how = parser.add_argument_group('how to run')
    how.add_argument('--jobs', type=int, help='runs at a time; default: one a GPU, or one a core')
    how.add_argument('--list', action='store_true', help='list the jobs and stop')
    how.add_argument('--only', type=int, metavar='INDEX', help='run this one job of the list')
    how.add_argument('--collect', action='store_true', help='run nothing, report what is finished')
    how.add_argument('--launcher', choices=studies.LAUNCHERS, default='none', help='of each run')
    how.add_argument('--processes', type=int, default=1, help='of each run, under a launcher')
    how.add_argument('--launcher-args', default='', help='more words for torchrun or srun')
    how.add_argument('--write-job-array', type=Path, metavar='FILE', help='for Slurm, and stop')
    args = parser.parse_args(argv)
    if args.jobs is not None and args.jobs < 1 or args.processes < 1:
        parser.error('--jobs and --processes must be >= 1')
    return args


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Settings of the command line as a study file has them."""
    teacher = dict(config=args.teacher, checkpoint=args.teacher_checkpoint)
    methods: dict[str, Any] = {}
    for text in args.method or ():
        prefix = re.match(r'([\w.+-]+)=', text)
        method = read_method(text[prefix.end() :] if prefix else text)
        name = prefix[1] if prefix else method_name(method)
        if name in methods:
            raise ValueError(f'--method {text}: {name!r} is given twice: write another NAME=...')
        methods[name] = method
    return dict(
        teacher={key: value for key, value in teacher.items() if value} or None,
        student=dict(config=args.student) if args.student else None,
        methods=methods or None,
        seeds=args.seeds,
        max_epochs=args.max_epochs,
        metric=args.metric,
        work_dir=args.work_dir,
        cfg_options=args.cfg_options,
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Runs and reports; returns the exit status: 1 where a run failed."""
    study = studies.read_study(args.study, overrides(args))
    jobs = studies.make_jobs(study)
    launcher = studies.Launcher(args.launcher, args.processes, args.launcher_args)
    if args.list:
        for job in jobs:
            console.print(
                f'[{job.index}] {job.name}: {job.kind}, {job.work_dir}',
                markup=False,
                soft_wrap=True,
            )
        return 0
    if args.write_job_array is not None:
        words = _without_option(sys.argv, '--write-job-array')
        file = studies.write_job_array(
            args.write_job_array, study.name, jobs, words, study.work_dir / 'slurm'
        )
        console.print(f'{len(jobs)} jobs in {file}', soft_wrap=True)
        return 0
    failed = {}
    if not args.collect:
        selected = studies.select(jobs, args.only, args.arms)
        slots = studies.find_slots(args.jobs, launcher)
        failed = studies.Runner(jobs, console, slots, launcher).run(selected)
    for index, why in failed.items():
        console.print(f'[{index}] {jobs[index].name}: {why}', markup=False, soft_wrap=True)
    if args.only is None:
        studies.write_outcome(study, jobs, console)
    return 1 if failed else 0


def _without_option(words: list[str], option: str) -> list[str]:
    kept = []
    skip = False
    for word in words:
        if not skip and not word.startswith(f'{option}='):
            if word != option:
                kept.append(word)
        skip = word == option
    return kept


def main() -> int:
    """Runs with the options of the command line."""
    args, status = parse_args(), [0]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # children are ended either way
    note = 'interrupted: what is finished is kept, call again to go on'
    return run_readably(lambda: status.append(run(args, Console())), note) or status[-1]


if __name__ == '__main__':
    sys.exit(main())
