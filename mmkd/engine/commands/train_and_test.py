"""Command lines of ``tools/train.py`` and ``tools/test.py``, with MMDetection's options."""

import argparse
import os
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config, DictAction
from mmengine.config.utils import ConfigParsingError
from mmengine.hub import get_config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmkd.compat import resolve_config_path
from mmkd.engine.checks.arguments import check_model
from mmkd.engine.checks.preflight import (
    check_data,
    check_teacher_readable,
    check_training,
    is_distillation,
    named_teachers,
)
from mmkd.engine.commands.methods import (
    add_method_option,
    method_name,
    use_methods,
    use_teacher,
)
from mmkd.engine.commands.tta import use_test_time_augmentation
from mmkd.engine.hooks import ClassNamesHook
from mmkd.engine.readable_errors import run_readably, writing_into
from mmkd.utils.errors import UserError, UserFileNotFoundError
from mmkd.utils.locks import only_training
from mmkd.utils.types import Detector


def train_main(argv: Sequence[str] | None = None) -> int:
    """Trains a detector or distils one; returns the exit status."""
    args = _parse(_train_parser(), argv)
    return run_readably(
        lambda: _train(args), 'interrupted: checkpoints are whole, continue with --resume'
    )


def test_main(argv: Sequence[str] | None = None) -> int:
    """Tests a detector; returns the exit status."""
    args = _parse(_test_parser(), argv)
    return run_readably(lambda: _test(args))


def _train(args: argparse.Namespace) -> None:
    setup_cache_size_limit_of_dynamo()
    cfg = read_config(args)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.teacher_checkpoint is not None:
        set_teacher_checkpoints(cfg, args.teacher_checkpoint)
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        enable_auto_scale_lr(cfg)
    guard_against_nan(cfg)
    check_training(cfg)
    with writing_into(cfg.work_dir), only_training(cfg.work_dir, cfg.launcher):
        runner = build_runner(cfg)
        if args.methods:
            names = ', '.join(map(method_name, cfg.model.methods))
            runner.logger.info(f'--method: distils with {names} alone, whatever {args.config} has.')
        check_teacher_readable(cfg)
        runner.train()
    leave_process_group()


def _test(args: argparse.Namespace) -> None:
    # Imports mmcv's operations, which compat has put in place by now.
    from mmdet.engine.hooks.utils import trigger_visualization_hook
    from mmdet.evaluation import DumpDetResults

    if args.out is not None and not args.out.endswith(('.pkl', '.pickle')):
        raise UserError(f'--out={args.out!r} must end in .pkl or .pickle.')
    setup_cache_size_limit_of_dynamo()
    cfg = read_config(args)
    cfg.resume, cfg.load_from = False, args.checkpoint
    if not osp.isfile(osp.expanduser(args.checkpoint)) and '://' not in args.checkpoint:
        raise UserFileNotFoundError(f'there is no checkpoint {args.checkpoint}.')
    check_model(cfg)
    check_data(cfg, ('test',))
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
        pictures = cfg.default_hooks.visualization
        if pictures.type in ('DetVisualizationHook', 'mmdet.DetVisualizationHook'):
            pictures.type = 'mmkd.DetVisualizationHook'
    if args.tta:
        use_test_time_augmentation(cfg)
    with writing_into(cfg.work_dir if args.out is None else f'{cfg.work_dir} or {args.out}'):
        if args.out is not None:
            _check_writable(args.out)
        runner = build_runner(cfg)
        if args.out is not None:
            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        runner.test()
    leave_process_group()


def _check_writable(file: str) -> None:
    """Fails before a long test where its predictions could not be written after it."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with open(file, 'ab'):
        pass


def leave_process_group() -> None:
    """Ends what the launcher began; gloo aborts a process that exits with its threads running."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def read_config(args: argparse.Namespace) -> Config:
    """Reads the config and merges what both commands share into it.

    The work directory is the option's, else the config's, else ``work_dirs/NAME`` of the config,
    with the names of the teacher and the methods that the command line gives.

    Args:
        args: Of a parser with the options of both; ``teacher`` and ``methods`` where the command
            has ``--method``.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: It, or one that it is based on, cannot be read; or as :func:`use_methods`.
    """
    cfg = config_of(args.config)
    cfg.launcher = args.launcher
    words = [_stem(args.config)]
    if 'methods' in args:
        if args.teacher:
            use_teacher(cfg, config_of(args.teacher))
            words.append(_stem(args.teacher))
        use_methods(cfg, args.methods)
        words += map(method_name, cfg.model.methods if args.methods else ())
    cfg.merge_from_dict(args.cfg_options or {})
    default = osp.join('work_dirs', '_'.join(words))
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or default
    return cfg


def _stem(config: str) -> str:
    return Path(config.split('::')[-1]).stem


def config_of(path: str) -> Config:
    """Reads a config, a file or MMDetection's own by ``mmdet::``.

    Raises:
        FileNotFoundError: There is no such config; a former name's message has the new one.
        ValueError: It, or one that it is based on, cannot be read.
    """
    path = resolve_config_path(path)
    if '::' not in path and not osp.isfile(path):
        raise UserFileNotFoundError(f'there is no config {path} (looked in {os.getcwd()}).')
    try:
        return get_config(path) if '::' in path else Config.fromfile(path)
    except (ConfigParsingError, FileNotFoundError) as error:
        raise UserError(f'{path} cannot be read: {error}') from error


def set_teacher_checkpoints(cfg: Config, given: list[str]) -> None:
    """Puts checkpoints in place of the configured teachers'.

    Args:
        cfg: The whole config.
        given: ``[FILE]`` for the only teacher, or ``NAME=FILE`` for each of several.

    Raises:
        ValueError: The config distils nothing, or has no such teacher.
    """
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


def use_amp(cfg: Config) -> None:
    """Switches to automatic mixed precision."""
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def guard_against_nan(cfg: Config) -> None:
    """Adds the hook that stops at NaN to a config that inherits none, such as MMDetection's."""
    hooks = cfg.get('default_hooks') or {}
    guard = {'type': 'mmkd.NanGuardHook', **hooks.get('nan_guard', {})}
    cfg.default_hooks = dict(hooks, nan_guard=guard)


def enable_auto_scale_lr(cfg: Config) -> None:
    """Scales the learning rate with the total batch size.

    Raises:
        ValueError: The config does not say for which batch size its rate is meant.
    """
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise UserError(
            '--auto-scale-lr: the config has no auto_scale_lr.base_batch_size, the batch size that '
            'its learning rate is meant for; set it with --cfg-options '
            'auto_scale_lr.base_batch_size=16.'
        )
    cfg.auto_scale_lr.enable = True


def build_runner(cfg: Config) -> Runner:
    """Builds the runner, and with it the model, but no data; it has our ClassNamesHook."""
    backend = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('backend')
    if cfg.launcher == 'pytorch' and backend == 'gloo' and not torch.cuda.is_available():
        _prepare_cpu_processes(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if not any(isinstance(hook, ClassNamesHook) for hook in runner.hooks):
        runner.register_hook(ClassNamesHook())
    return runner


def _prepare_cpu_processes(cfg: Config) -> None:
    """Several processes on CPUs: MMEngine would choose a GPU for the group and for the wrapper."""
    torch.distributed.init_process_group('gloo')  # MMEngine leaves a group that exists alone
    wrapper = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.model_wrapper_cfg = cfg.get('model_wrapper_cfg') or wrapper


def _train_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description='Trains a detector, or distils one.')
    parser.add_argument('config', help='config file, or mmkd::NAME.py for one that ships with mmkd')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='continue from a checkpoint; without PATH from the last one in the work directory',
    )
    parser.add_argument(
        '--teacher-checkpoint',
        nargs='+',
        metavar='FILE',
        help="file or URL of the teacher's weights; NAME=FILE ... for several teachers",
    )
    _add_shared(parser)
    return parser


def _test_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description='Tests a detector.')
    parser.add_argument('config', help="config file: a distillation's, or its student's")
    parser.add_argument('checkpoint', help='checkpoint file or URL; a teacher is not needed')
    parser.add_argument('--work-dir', help='folder for the metrics')
    parser.add_argument('--out', help='file (.pkl) to write the predictions to')
    parser.add_argument('--show', action='store_true', help='show predictions in a window')
    parser.add_argument('--show-dir', help='folder, within the run, for pictures of predictions')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds a picture is shown')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    _add_shared(parser)
    return parser


def _add_shared(parser: argparse.ArgumentParser) -> None:
    add_method_option(parser)
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, e.g. train_dataloader.batch_size=2 '
        'key="[a,b]" key=a,b; no spaces within one',
    )
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='of jobs'
    )
    # torch.distributed.launch passes either spelling, depending on its version.
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help='set by launchers'
    )


def _parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    try:
        args = parser.parse_args(argv)
    except (ValueError, AssertionError) as error:  # DictAction on text that is not KEY=VALUE
        parser.error(f'--cfg-options takes KEY=VALUE: {error}')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args
