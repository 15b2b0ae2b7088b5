r"""Which method, for my detector, on my data? Trains them over seeds and says what the runs show.

python tools/compare.py configs/studies/shapes.py
python tools/compare.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method fgfi --method hint
python tools/compare.py --teacher T.py --teacher-checkpoint T.pth --student S.py \
    --method fgfi --method 'weak={type: mmkd.FGFI, loss_weight: 2e-3}' --seeds 0 1 2 \
    --data data/mine --format voc

Stopped and called again it goes on where it was; finished runs are not repeated.
"""

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console

from mmkd import study as studies
from mmkd.engine.commands.data import add_data_options, read_data
from mmkd.engine.commands.methods import method_types, read_arms
from mmkd.engine.commands.tool_options import add_config_options, new_parser, refuse_below
from mmkd.engine.readable_errors import run_readably
from mmkd.study.search import Run

METHOD = (
    "one arm: fgfi, mmkd.FGFI or '{type: mmkd.FGFI, loss_weight: 0.02}'; given several times, each "
    'is an arm of its own; replaces the methods of the study file'
)
BUDGET = (
    'search over the methods and their weights, or over all methods that fit the pair, then run '
    'seeds of the best against the student alone, within so many minutes; needs Optuna'
)
RECORD = (
    'JSON file of the numbers of finished runs: what it holds counts as done, and what finishes is '
    'added'
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    parser.add_argument(
        'study', nargs='?', help='study file (Python, YAML or JSON), or a file of configs/pairs'
    )
    what = parser.add_argument_group('what to compare, in place of or over the study file')
    add = what.add_argument
    add('--teacher', metavar='CONFIG')
    add('--teacher-checkpoint', metavar='PATH', help='else the study trains it')
    add('--student', metavar='CONFIG')
    add('--method', action='append', metavar='[NAME=]METHOD', help=METHOD)
    add('--seeds', type=int, nargs='+')
    add('--max-epochs', type=int, help='of every student')
    add('--metric', help='name in the log; found automatically by default')
    add('--work-dir', help='default: work_dirs/studies/NAME')
    add('--record', metavar='FILE', help=RECORD)
    add_config_options(what, 'settings of all configs')
    add_data_options(parser)
    add('--arms', nargs='+', metavar='NAME', help='run only these now')
    add = parser.add_argument_group('how to run').add_argument
    add('--jobs', type=int, help='runs at a time; default: one a GPU, or one a core')
    add('--list', action='store_true', help='list the jobs and stop')
    add('--only', type=int, metavar='INDEX', help='run this one job of the list')
    add('--collect', action='store_true', help='run nothing, report what is finished')
    add('--budget', type=float, metavar='MINUTES', help=BUDGET)
    add('--launcher', choices=studies.LAUNCHERS, default='none', help='of each run')
    add('--processes', type=int, default=1, help='of each run, under a launcher')
    add('--launcher-args', default='', help='more words for torchrun or srun')
    add('--write-job-array', type=Path, metavar='FILE', help='for Slurm, and stop')
    args = parser.parse_args(argv)
    refuse_below(1, parser, args, 'jobs', 'processes', 'budget')
    if args.test is not None:
        parser.error('--test: runs are compared on the validation list, which --val names')
    other = ('list', 'only', 'collect', 'arms', 'seeds', 'write_job_array', 'record')
    if args.budget and any(getattr(args, name) not in (None, False) for name in other):
        parser.error(f'--budget goes with none of {", ".join(other)}: it chooses runs and seeds')
    return args


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Settings of the command line as a study file has them."""
    teacher = dict(config=args.teacher, checkpoint=args.teacher_checkpoint)
    return dict(
        teacher={key: value for key, value in teacher.items() if value} or None,
        student=dict(config=args.student) if args.student else None,
        methods=read_arms(args.method or ()) or None,
        seeds=args.seeds,
        max_epochs=args.max_epochs,
        metric=args.metric,
        work_dir=args.work_dir,
        record=Path(args.record).resolve() if args.record else None,
        cfg_options=args.cfg_options,
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Runs and reports; returns the exit status: 1 where a run failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # children are ended either way
    study = studies.read_study(args.study, overrides(args), method_types() if args.budget else None)
    if (data := read_data(args)) is not None:
        folder = study.work_dir
        if args.work_dir is None:  # runs on other data stay
            name = f'{folder.name}_{Path(args.data_folder).resolve().name}'
            folder = folder.with_name(name)
        study = replace(study, data=data, work_dir=folder)
        for note in data.said:
            console.print(note, markup=False, soft_wrap=True)
    if args.budget:
        slots = len(_slots(args)[0])
        search = studies.Search(study, args.budget, console, _runner(args, console), slots)
        console.print(search.spend(), soft_wrap=True)
        return 0
    jobs = studies.make_jobs(study)
    if args.list:
        for job in jobs:
            line = f'[{job.index}] {job.name}: {job.kind}, {job.work_dir}'
            console.print(line, markup=False, soft_wrap=True)
        return 0
    if args.write_job_array is not None:
        words = _without_option(sys.argv, '--write-job-array')
        file = studies.write_job_array(
            args.write_job_array, study.name, jobs, words, study.work_dir / 'slurm'
        )
        console.print(f'{len(jobs)} jobs in {file}', soft_wrap=True)
        return 0
    failed = {}
    record = studies.Record(study.record)
    if not args.collect:
        wanted = studies.select(jobs, args.only, args.arms)
        for name in record.changed(wanted):
            console.print(f'{name}: its config changed since {record.path}; it is run again.')
        selected = record.without(wanted)
        if count := len(wanted) - len(selected):
            console.print(f'{count} of {len(wanted)} runs are done by {record.path}.')
        if args.only is None:
            studies.check_fit(selected)
        failed = _runner(args, console)(jobs, selected)
    for index, why in failed.items():
        console.print(f'[{index}] {jobs[index].name}: {why}', markup=False, soft_wrap=True)
    if args.only is None:
        studies.write_outcome(study, jobs, console)
    return 1 if failed else 0


def _slots(args: argparse.Namespace) -> tuple[list[dict[str, str]], studies.Launcher]:
    launcher = studies.Launcher(args.launcher, args.processes, args.launcher_args)
    return studies.find_slots(args.jobs, launcher), launcher


def _runner(args: argparse.Namespace, console: Console) -> Run:
    """What runs some of a study's jobs, and returns what went wrong by index."""
    return lambda jobs, chosen: studies.Runner(jobs, console, *_slots(args)).run(chosen)


def _without_option(words: list[str], option: str) -> list[str]:
    """The words without the option and its value, which is the next word or after ``=``."""
    return [
        word
        for before, word in zip(['', *words], words, strict=False)
        if option not in (before, word) and not word.startswith(f'{option}=')
    ]


if __name__ == '__main__':
    NOTE = 'interrupted: what is finished is kept, call again to go on'
    sys.exit(run_readably(lambda: run(parse_args(), Console()), NOTE))
