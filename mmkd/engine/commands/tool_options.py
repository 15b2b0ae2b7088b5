"""What the commands in ``tools/`` share: their options, how they read a config, a progress bar."""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.config.utils import ConfigParsingError
from mmengine.hub import get_config
from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import Progress

from mmkd.compat import resolve_config_path
from mmkd.compat.scope import config_folder
from mmkd.engine.checks.preflight import check_data, is_distillation, named_teachers
from mmkd.engine.commands.data import add_data_options, read_data, use_data
from mmkd.engine.commands.epochs import set_epochs
from mmkd.engine.commands.methods import (
    add_method_option,
    method_name,
    use_methods,
    use_teacher,
)
from mmkd.utils.errors import UserError, UserFileNotFoundError
from mmkd.utils.types import Detector

CONFIG_HELP = 'a file, mmdet::NAME.py, mmkd::NAME.py, or the bare name of one of configs/'


def new_parser(text: str | None) -> argparse.ArgumentParser:
    """A parser whose ``--help`` shows ``text``, a tool's docstring with its example, as it is."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def refuse_below(
    least: int, parser: argparse.ArgumentParser, args: argparse.Namespace, *options: str
) -> None:
    """Ends the command where one of these options (``'work_dir'``) is given and below ``least``."""
    for option in options:
        value = getattr(args, option)
        if value is not None and value < least:
            parser.error(f'--{option.replace("_", "-")} must be >= {least}, got {value}')


def add_shape_option(parser: argparse.ArgumentParser, what: str) -> None:
    """``--shape H W``, for :func:`refuse_shape`; ``what`` has it."""
    text = f'{what}, pixels, multiples of 32; default: 800 1344'
    parser.add_argument(
        '--shape', type=int, nargs=2, default=(800, 1344), metavar=('H', 'W'), help=text
    )


def refuse_shape(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Ends the command where a side of ``--shape`` is no multiple of 32."""
    if any(side < 32 or side % 32 for side in args.shape):
        parser.error(f'--shape must be multiples of 32, got {args.shape[0]} {args.shape[1]}')


@contextmanager
def progress_bar(console: Console, title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar while the block runs; calling what it gives moves it by one of ``total``."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def add_config_options(
    parser: argparse.ArgumentParser, text: str = 'override settings of the config'
) -> None:
    """``--cfg-options``, and defaults of what :func:`read_config` asks for besides."""
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help=text
    )
    parser.set_defaults(launcher='none', work_dir=None)


def add_distillation_options(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    """The distillation config, its methods, teacher and data, the device, and the above.

    With ``nargs='?'`` the config may be left out.
    """
    add = parser.add_argument
    add('config', nargs=nargs, help='a distillation, a pair, or plain with --teacher')
    add_method_option(parser)
    add_teacher_option(parser)
    add_data_options(parser, unlabelled=True)
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_config_options(parser)


def add_epochs_option(parser: argparse.ArgumentParser) -> None:
    """``--epochs``, for :func:`set_epochs`."""
    parser.add_argument('--epochs', type=int, help='to train; the schedule is scaled with them')


def add_teacher_option(parser: argparse.ArgumentParser) -> None:
    """``--teacher-checkpoint``, for :func:`set_teacher_checkpoints`."""
    parser.add_argument(
        '--teacher-checkpoint',
        nargs='+',
        metavar='FILE',
        help="file or URL that replaces the config's; NAME=FILE ... for several teachers",
    )


def read_distillation(args: argparse.Namespace, splits: Sequence[str]) -> Config:
    """The config with the options of :func:`add_distillation_options`; its data are there.

    From here on the log shows warnings alone, as the command reports by itself. The ``splits`` are
    those of ``'train'``, ``'val'``, ``'test'`` that the command will read.

    Raises:
        FileNotFoundError: There is no such config, or a data set's file is missing.
        ValueError: It cannot be read, or has no teacher whose checkpoint could be replaced.
    """
    config = read_config(args)
    set_teacher_checkpoints(config, args.teacher_checkpoint)
    check_data(config, tuple(splits))
    MMLogger.get_current_instance().setLevel('WARNING')
    return config


def read_config(args: argparse.Namespace) -> Config:
    """Reads the config and merges the options that commands share into it.

    The work directory is the option's, else the config's, else ``work_dirs/NAME`` of the config,
    with the names of the teacher and the methods that the command line gives, where it takes them
    (``args.teacher``, ``args.methods``), and of the folder of ``--data``. What was read of that
    folder is left in ``args.own_data``.

    Raises:
        FileNotFoundError: There is no such config, or none of a teacher that it names.
        ValueError: It, or one that it is based on, cannot be read; or as :func:`use_methods` and
            :func:`use_data`.
    """
    cfg = config_of(args.config)
    cfg.launcher = args.launcher
    words = [_stem(args.config)]
    if 'methods' in args:
        if getattr(args, 'teacher', None):
            use_teacher(cfg, config_of(args.teacher, ('teachers', 'students')))
            words.append(_stem(args.teacher))
        use_methods(cfg, args.methods)
        words += map(method_name, cfg.model.methods if args.methods else ())
    _find_beside(cfg)
    if getattr(args, 'epochs', None) is not None:
        set_epochs(cfg, args.epochs)
    if 'data_folder' in args:
        args.own_data = read_data(args)
        if args.own_data is not None:
            use_data(cfg, args.own_data, args.unlabelled)
            words.append(Path(args.data_folder).resolve().name)
    cfg.merge_from_dict(args.cfg_options or {})
    default = os.path.join('work_dirs', '_'.join(words))
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or default
    return cfg


def _stem(config: str) -> str:
    return Path(config.split('::')[-1]).stem


def config_of(path: str, folders: Sequence[str] = ('students', 'teachers', 'pairs')) -> Config:
    """Reads a config: a file, ``mmdet::`` or ``mmkd::``, or the bare name of one of ``configs/``.

    Args:
        path: Of the config.
        folders: Of ``configs/``, where a bare name is sought, the first first.

    Raises:
        FileNotFoundError: There is no such config; a former name's message has the new one.
        ValueError: It, or one that it is based on, cannot be read.
    """
    path = resolve_config_path(_known(path, folders))
    if '::' not in path and not os.path.isfile(path):
        raise UserFileNotFoundError(f'there is no config {path} (looked in {os.getcwd()}).')
    try:
        return get_config(path) if '::' in path else Config.fromfile(path)
    except (ConfigParsingError, FileNotFoundError) as error:
        raise UserError(f'{path} cannot be read: {error}') from error


def _known(name: str, folders: Sequence[str]) -> str:
    """The file of a bare name of ``configs/``; any other name as it is."""
    if '/' in name or '::' in name or os.path.isfile(name):
        return name
    files = (config_folder() / folder / f'{Path(name).stem}.py' for folder in folders)
    return next((str(file) for file in files if file.is_file()), name)


def _find_beside(cfg: Config) -> None:
    """Names configs of student and teachers that lie beside the config by where they are."""
    if not is_distillation(cfg) or not cfg.filename:
        return
    holders = [(cfg.model, key) for key in ('student', 'teacher')]
    holders += [(cfg.model.teacher, name) for name in named_teachers(cfg) or ()]
    for holder, key in holders:
        if isinstance(holder.get(key), dict):
            holder, key = holder[key], 'config'
        path = holder.get(key)
        if isinstance(path, str) and '::' not in path and not os.path.isfile(path):
            beside = os.path.join(os.path.dirname(cfg.filename), path)
            if os.path.isfile(beside):
                holder[key] = beside


def set_teacher_checkpoints(cfg: Config, given: list[str] | None) -> None:
    """Puts checkpoints in place of the configured teachers'.

    They are ``[FILE]`` for the only teacher, or ``NAME=FILE`` for each of several, or None.

    Raises:
        ValueError: The config distils nothing, or has no such teacher.
    """
    if given is None:
        return
    option = f'--teacher-checkpoint {" ".join(given)}'
    if not is_distillation(cfg):
        raise UserError(
            f'{option}: the config has no teacher, its model is {cfg.model.get("type")}. Add '
            '--teacher CONFIG, or give a config whose model is mmkd.DistillDetector.'
        )
    teachers = named_teachers(cfg)
    if teachers is None:
        if len(given) > 1:
            raise UserError(f'{option}: the config has one teacher, so give one file.')
        cfg.model.teacher = _with_checkpoint(cfg.model.teacher, given[0])
        return
    names = [entry.partition('=')[0] for entry in given]
    for entry in given:
        name, _, path = entry.partition('=')
        if name not in teachers or not path or names.count(name) > 1:
            raise UserError(
                f'{option}: the config has the teachers {list(teachers)}, so write NAME=FILE, once '
                'for each.'
            )
        cfg.model.teacher[name] = _with_checkpoint(teachers[name], path)


def _with_checkpoint(teacher: Detector, path: str) -> dict:
    whole = isinstance(teacher, dict) and 'type' not in teacher
    return dict(teacher if whole else dict(config=teacher), checkpoint=path)
