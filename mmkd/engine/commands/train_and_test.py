"""Command lines of ``tools/train.py`` and ``tools/test.py``, with MMDetection's options."""

import argparse
import copy
import os
import os.path as osp
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config, ConfigDict
from mmengine.model import is_model_wrapper
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmkd.compat import is_distillation
from mmkd.detectors.build import refuse_inherited
from mmkd.engine.checks.arguments import check_model
from mmkd.engine.checks.classes import class_lists
from mmkd.engine.checks.preflight import check_test, check_training
from mmkd.engine.commands.data import add_data_options, teacher_remedy
from mmkd.engine.commands.methods import add_method_option, method_name
from mmkd.engine.commands.tool_options import (
    CONFIG_HELP,
    add_config_options,
    add_epochs_option,
    add_teacher_option,
    new_parser,
    read_config,
    set_teacher_checkpoints,
)
from mmkd.engine.hooks import ClassNamesHook, ShortRunHook
from mmkd.engine.readable_errors import run_readably, writing_into
from mmkd.utils.errors import UserError, UserFileNotFoundError
from mmkd.utils.locks import only_training

_FLIPS = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
_TTA_METAS = 'img_id img_path ori_shape img_shape scale_factor flip flip_direction'.split()


INTERRUPTED = 'interrupted: checkpoints are whole, continue with --resume'


def train_main(argv: Sequence[str] | None = None) -> int:
    """Trains a detector or distils one; returns the exit status."""
    args = _parse(_train_parser(), argv)
    return run_readably(lambda: _train(args), INTERRUPTED)


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
    set_teacher_checkpoints(cfg, args.teacher_checkpoint)
    if args.amp:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        enable_auto_scale_lr(cfg)
    notes = [] if args.own_data is None else args.own_data.said
    if args.methods:
        names = ', '.join(map(method_name, cfg.model.methods))
        notes = [*notes, f'--method: distils with {names} alone, whatever {args.config} has.']
    train(cfg, notes, args.own_data and teacher_remedy(args))


def train(
    cfg: Config,
    notes: Sequence[str] = (),
    remedy: str | None = None,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Trains what a whole config says; it is checked first, and its teachers' files are read.

    Args:
        cfg: The config, with ``work_dir`` and ``launcher``.
        notes: Lines for the log.
        remedy: What to do where a teacher was trained on other classes than the data's; None: that
            is refused only where methods compare classes.
        look: Called when all of that is checked, before the training begins.

    Raises:
        UserError: A setting, a file or a teacher is refused.
    """
    guard_against_nan(cfg)
    if is_distillation(cfg):
        refuse_inherited(cfg.model)
        write_plain_student(cfg)
    check_training(cfg)
    with writing_into(cfg.work_dir), only_training(cfg.work_dir, cfg.launcher):
        runner = build_runner(cfg)
        for note in notes:
            runner.logger.info(note)
        if is_distillation(cfg) and os.environ.get('RANK', '0') == '0':
            # A bad file ends the run before data is read; one at an address is downloaded once.
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            classes = next(class_lists(cfg, 'train'), (None, None))[1]
            for teacher in model.teachers.values():
                teacher.read(classes if remedy else None, remedy)
        look()
        runner.train()
    leave_process_group()


def test_checkpoint(cfg: Config, checkpoint: str | Path, work_dir: str | Path) -> None:
    """Tests a detector; ``work_dir`` gets the metrics, ``START/START.json``.

    Raises:
        UserError: A setting or a file is refused.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir, cfg.resume, cfg.load_from = str(work_dir), False, str(checkpoint)
    check_model(cfg)
    check_test(cfg)
    with writing_into(cfg.work_dir):
        build_runner(cfg).test()


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
    check_test(cfg)
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
        pictures = cfg.default_hooks.visualization
        if pictures.type in ('DetVisualizationHook', 'mmdet.DetVisualizationHook'):
            pictures.type = 'mmkd.DetVisualizationHook'
    if args.tta:
        use_test_time_augmentation(cfg)
    with writing_into(cfg.work_dir if args.out is None else f'{cfg.work_dir} or {args.out}'):
        if args.out is not None:  # fails before a long test where nothing could be written after it
            Path(args.out).parent.mkdir(parents=True, exist_ok=True)
            open(args.out, 'ab').close()
        runner = build_runner(cfg)
        for note in args.own_data.said if args.own_data else ():
            runner.logger.info(note)
        if args.out is not None:
            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        runner.test()
    leave_process_group()


def leave_process_group() -> None:
    """Ends what the launcher began; gloo aborts a process that exits with its threads running."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def use_test_time_augmentation(cfg: Config) -> None:
    """Wraps the model and replaces the test pipeline, in place.

    ``tta_model`` and ``tta_pipeline`` of the config are used where it has them. The default sees
    each image as it is and flipped, and merges the boxes by NMS at IoU 0.5, 100 an image.
    """
    model = cfg.get('tta_model') or dict(
        type='DetTTAModel',
        tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100),
    )
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    pipeline = cfg.get('tta_pipeline')
    if pipeline is None:
        pack = dict(type='PackDetInputs', meta_keys=_TTA_METAS)
        augment = dict(type='TestTimeAug', transforms=[_FLIPS, [pack]])
        pipeline = [*copy.deepcopy(dataset.pipeline[:-1]), augment]
    cfg.model = ConfigDict(**model, module=cfg.model)
    dataset.pipeline = pipeline


def write_plain_student(cfg: Config) -> None:
    """Adds the hook that writes the student alone to a distillation's config that has none."""
    hooks = cfg.get('custom_hooks') or []
    if not any(hook.get('type') == 'mmkd.StudentHook' for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type='mmkd.StudentHook')]


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
    """Builds the runner, and with it the model, but no data; it has the hooks that look at it."""
    backend = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('backend')
    if cfg.launcher == 'pytorch' and backend == 'gloo' and not torch.cuda.is_available():
        _prepare_cpu_processes(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if not any(isinstance(hook, ClassNamesHook) for hook in runner.hooks):
        runner.register_hook(ClassNamesHook())
    runner.register_hook(ShortRunHook())
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
    parser = new_parser(
        'Trains a detector, or distils one.\n\n'
        'python tools/train.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method fgfi'
    )
    add = parser.add_argument
    add('config', help=CONFIG_HELP)
    add('--work-dir', help='folder for logs and checkpoints')
    add('--amp', action='store_true', help='automatic mixed precision')
    add('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    add(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='continue from a checkpoint; without PATH from the last one in the work directory',
    )
    add_teacher_option(parser)
    add_epochs_option(parser)
    _add_shared(parser, unlabelled=True)
    return parser


def _test_parser() -> argparse.ArgumentParser:
    parser = new_parser(
        'Tests a detector.\n\n'
        'python tools/test.py configs/students/faster_rcnn_r18_16th_bccd.py work_dirs/A/epoch_8.pth'
    )
    add = parser.add_argument
    add('config', help=f"a distillation's, or its student's: {CONFIG_HELP}")
    add('checkpoint', help='checkpoint file or URL; a teacher is not needed')
    add('--work-dir', help='folder for the metrics')
    add('--out', help='file (.pkl) to write the predictions to')
    add('--show', action='store_true', help='show predictions in a window')
    add('--show-dir', help='folder, within the run, for pictures of predictions')
    add('--wait-time', type=float, default=2, help='seconds a picture is shown')
    add('--tta', action='store_true', help='test-time augmentation')
    _add_shared(parser)
    return parser


def _add_shared(parser: argparse.ArgumentParser, unlabelled: bool = False) -> None:
    add_method_option(parser)
    add_data_options(parser, unlabelled=unlabelled)
    add_config_options(
        parser,
        'settings that replace those of the config, e.g. train_dataloader.batch_size=2 '
        'key="[a,b]" key=a,b; no spaces within one',
    )
    add = parser.add_argument
    add('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='of jobs')
    # torch.distributed.launch passes either spelling, depending on its version.
    add('--local_rank', '--local-rank', type=int, default=0, help='set by launchers')


def _parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    try:
        args = parser.parse_args(argv)
    except (ValueError, AssertionError) as error:  # DictAction on text that is not KEY=VALUE
        parser.error(f'--cfg-options takes KEY=VALUE: {error}')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args
