"""What the commands in ``tools/`` that look at a config share: options, and how it is read."""

import argparse
from collections.abc import Sequence

import torch
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger

from mmkd.engine.checks.preflight import check_data
from mmkd.engine.commands.methods import add_method_option
from mmkd.engine.commands.train_and_test import read_config, set_teacher_checkpoints


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, and what :func:`read_config` asks for besides."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config',
    )
    parser.set_defaults(launcher='none', work_dir=None)


def add_distillation_options(parser: argparse.ArgumentParser) -> None:
    """The distillation config to look at, its methods and teacher, the device, and the above."""
    parser.add_argument('config', help='a distillation, a pair, or plain with --teacher')
    add_method_option(parser)
    parser.add_argument(
        '--teacher-checkpoint',
        nargs='+',
        metavar='FILE',
        help="replaces the config's; NAME=FILE ... for several teachers",
    )
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add_config_options(parser)


def read_distillation(args: argparse.Namespace, splits: Sequence[str]) -> Config:
    """The config with the options of :func:`add_distillation_options`; its data are there.

    From here on the log shows warnings alone, as the command reports by itself.

    Args:
        args: Of a parser with those options.
        splits: Of ``'train'``, ``'val'``, ``'test'``: those that the command will read.

    Raises:
        FileNotFoundError: There is no such config, or a data set's file is missing.
        ValueError: It cannot be read, or has no teacher whose checkpoint could be replaced.
    """
    config = read_config(args)
    if args.teacher_checkpoint is not None:
        set_teacher_checkpoints(config, args.teacher_checkpoint)
    check_data(config, tuple(splits))
    MMLogger.get_current_instance().setLevel('WARNING')
    return config
