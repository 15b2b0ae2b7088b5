"""What the demonstration trains, on which data and for how long."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmkd.datasets.shapes import ShapesConfig
from mmkd.utils.errors import UserFileNotFoundError

TEACHER, STUDENT, DISTILLED = 'teacher', 'student', 'distilled'
TITLES = {TEACHER: 'teacher', STUDENT: 'student alone', DISTILLED: 'distilled student'}
CONFIGS = {
    TEACHER: 'teachers/faster_rcnn_r18_shapes.py',
    STUDENT: 'students/faster_rcnn_r18thin_shapes.py',
    DISTILLED: 'fgfi_faster_rcnn_r18thin_shapes.py',
}
METRIC = 'pascal_voc/mAP'
_LOG_INTERVAL = 10


@dataclass(frozen=True)
class Profile:
    """One size of the demonstration.

    Attributes:
        data: Images to draw.
        epochs: Epochs of every stage; None: what each config says.
        val_interval: Epochs from one validation to the next.
    """

    data: ShapesConfig
    epochs: int | None
    val_interval: int


PROFILES = {
    'standard': Profile(ShapesConfig(), epochs=None, val_interval=2),
    'quick': Profile(ShapesConfig(train=48, val=16), epochs=2, val_interval=1),
    'full': Profile(ShapesConfig(train=1000, val=250), epochs=12, val_interval=1),
}


@dataclass(frozen=True)
class Stage:
    """One training run.

    Attributes:
        name: One of ``TITLES``.
        config: Config file.
        configs: Folder of all configs.
        work_dir: Folder of the run.
        data_root: Folder of the data.
        options: What differs from the config, other than paths: part of the fingerprint.
        paths: Settings that name files of this run.
        needs: Names of the stages that must be finished first.
        epochs: Epochs it trains for.
        iterations: Steps it trains for.
    """

    name: str
    config: Path
    configs: Path
    work_dir: Path
    data_root: Path
    options: Mapping[str, Any]
    paths: Mapping[str, str]
    needs: tuple[str, ...]
    epochs: int
    iterations: int

    @property
    def title(self) -> str:
        """Name in tables and figures."""
        return TITLES[self.name]

    @property
    def checkpoint(self) -> Path:
        """The file that the last epoch writes."""
        return self.work_dir / f'epoch_{self.epochs}.pth'

    @property
    def cfg_options(self) -> dict[str, Any]:
        """All that is laid over the config."""
        return {**self.options, **self.paths}

    def load_config(self) -> Config:
        """The config of the run, options included."""
        config = Config.fromfile(self.config)
        config.merge_from_dict(self.cfg_options)
        return config


def make_stages(profile: Profile, configs: Path, work_dir: Path, seed: int) -> list[Stage]:
    """The three runs, in the order in which they may start.

    Args:
        profile: Size of the demonstration.
        configs: Folder of the configs.
        work_dir: Each stage gets a folder in it; the data lie in ``data``.
        seed: Of every stage.

    Raises:
        FileNotFoundError: A config is missing.
    """
    stages: dict[str, Stage] = {}
    for name, file in CONFIGS.items():
        path = configs / file
        if not path.is_file():
            raise UserFileNotFoundError(
                f'there is no config {path}: run the demo of a whole checkout.'
            )
        stages[name] = _make_stage(name, configs, profile, work_dir, seed, stages.get(TEACHER))
    return list(stages.values())


def _make_stage(
    name: str, configs: Path, profile: Profile, work_dir: Path, seed: int, teacher: Stage | None
) -> Stage:
    config = Config.fromfile(configs / CONFIGS[name])
    epochs = profile.epochs or config.train_cfg.max_epochs
    steps = math.ceil(profile.data.train / config.train_dataloader.batch_size)
    data_root = work_dir / 'data'
    paths = {
        f'{split}_dataloader.dataset.data_root': str(data_root)
        for split in ('train', 'val', 'test')
    }
    needs: tuple[str, ...] = ()
    if name == DISTILLED and teacher is not None:
        paths['model.teacher.checkpoint'] = str(teacher.checkpoint)
        needs = (TEACHER,)
    return Stage(
        name=name,
        config=configs / CONFIGS[name],
        configs=configs,
        work_dir=work_dir / name,
        data_root=data_root,
        options=_schedule(config, profile, epochs, epochs * steps, seed),
        paths=paths,
        needs=needs,
        epochs=epochs,
        iterations=epochs * steps,
    )


def _schedule(
    config: Config, profile: Profile, epochs: int, iterations: int, seed: int
) -> dict[str, Any]:
    options = {
        'randomness.seed': seed,
        'train_cfg.val_interval': profile.val_interval,
        'default_hooks.logger.interval': _LOG_INTERVAL,
    }
    if epochs == config.train_cfg.max_epochs:
        return options
    options['train_cfg.max_epochs'] = epochs
    for i, scheduler in enumerate(config.param_scheduler):
        if scheduler.get('by_epoch', True):
            options[f'param_scheduler.{i}.end'] = epochs
        else:  # a warm-up, counted in steps: at most a tenth of a short run
            options[f'param_scheduler.{i}.end'] = min(scheduler.end, max(iterations // 10, 1))
    return options
