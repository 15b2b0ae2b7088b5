"""One distillation, from its config to the plain student and what that reaches."""

import copy
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint
from rich.console import Console
from rich.table import Table

from mmkd.detectors.detector_source import resolve_spec
from mmkd.engine.commands.export import export_student
from mmkd.engine.commands.train_and_test import test_main, train_main

from .jobs import set_epochs
from .logs import find_metric, metrics_of_test


def distill(cfg: Config, epochs: int | None, console: Console) -> int:
    """Trains, exports the student, tests its plain config on that file, and prints what it reaches.

    ``cfg.work_dir`` holds ``distill.py`` (the config that was used), ``student.py`` (the student's
    alone), the checkpoints of the training, ``student.pth`` and, in ``test/``, the metrics. An
    export that is there already is replaced, as the checkpoints are.

    Args:
        cfg: The whole config of a distillation.
        epochs: Epochs to train, the schedule scaled with them; None keeps the config's.
        console: Where the table goes.

    Returns:
        Exit status: that of the training or the test where one failed, else 0.

    Raises:
        ValueError: ``epochs`` is given and the config trains by iterations.
    """
    if epochs is not None:
        set_epochs(cfg, epochs)
    folder = Path(cfg.work_dir)
    used, alone, file = (folder / name for name in ('distill.py', 'student.py', 'student.pth'))
    plain = copy.deepcopy(cfg)
    plain.model = resolve_spec(cfg.model.student, 'student').model
    folder.mkdir(parents=True, exist_ok=True)
    cfg.dump(used)
    plain.dump(alone)
    status = train_main([str(used), '--work-dir', str(folder)])
    if status:
        return status
    export_student(find_latest_checkpoint(str(folder)), file, force=True)
    status = test_main([str(alone), str(file), '--work-dir', str(folder / 'test')])
    if status:
        return status
    metrics = metrics_of_test(folder / 'test')
    name = find_metric('auto', metrics) if metrics else 'mAP'
    table = Table('plain student', name)
    table.add_row(str(file), f'{metrics[name]:.4f}' if metrics else 'nothing detected')
    console.print(table)
    return 0
