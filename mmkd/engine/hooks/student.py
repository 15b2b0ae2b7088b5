"""The plain student beside the last checkpoint."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint

from mmkd.registry import HOOKS


@HOOKS.register_module()
class StudentHook(Hook):
    """Writes the student alone when training ends: ``student_epoch_12.pth``.

    It lies beside the last checkpoint, ``epoch_12.pth``, loads with the student's own config, and
    is never taken for a checkpoint to resume from, as MMEngine follows the name in
    ``last_checkpoint``. See :func:`mmkd.engine.commands.export.export_student`.
    """

    priority = 'LOWEST'  # after the checkpoint is written

    def before_run(self, runner: Runner) -> None:
        """Tells the detector, whose log names ``mmkd export`` else."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.writes_student = True

    def after_train(self, runner: Runner) -> None:
        """Writes the file, if there is a checkpoint."""
        from mmkd.engine.commands.export import export_student  # commands name hooks

        last = find_latest_checkpoint(runner.work_dir) if is_main_process() else None
        if last is not None and Path(last).is_file():
            out = Path(last).with_name(f'student_{Path(last).name}')
            export_student(last, out, force=True)
            runner.logger.info(f'the plain student: {out}')
