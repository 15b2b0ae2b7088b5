"""Teacher and checkpoints know the classes of the data, in the same order."""

import reprlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint
from torch import nn

from mmkd.compat import class_difference, class_names, load_checkpoint_file
from mmkd.registry import HOOKS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector


class _Use(NamedTuple):
    """What differing classes lead to (``'refuse'``, ``'warn'`` or ``'say'``), and what to do."""

    reordered: str
    other: str
    remedy: str


_RESUME = 'Resume with the classes that the run was started with, or start a new run.'
_RESUMED = _Use('refuse', 'refuse', _RESUME)
_STARTED_FROM = _Use(
    'refuse',
    'say',
    "Set metainfo.classes of the data sets to the checkpoint's order; or start from it by "
    "init_cfg=dict(type='Pretrained', checkpoint=...) of the detector, which only warns.",
)
_INITIALISED = _Use(
    'warn', 'say', "Set metainfo.classes of the data sets to the checkpoint's order."
)
_TESTED = _Use(
    'warn',
    'refuse',
    "Set test_dataloader.dataset.metainfo.classes to the checkpoint's list, or give a checkpoint "
    'that was trained on this one.',
)


@HOOKS.register_module(name=['ClassNamesHook', 'TeacherClassesHook'])
class ClassNamesHook(Hook):
    """Compares the class names in checkpoints with those of the data.

    Equal numbers of classes hide a different order: a teacher that calls a cat a dog teaches that,
    and a score counts every cat as missed. MMDetection writes the names into its checkpoints; a
    file without them is said to have none. Models that are told the names (``language_model``) are
    not looked at.

    ======================================  ======================  ======================
    checkpoint                              same names, reordered   other names
    ======================================  ======================  ======================
    teacher, resumed                        refused                 refused
    ``load_from``, ``student.checkpoint``   refused                 one line in the log
    ``init_cfg`` of the detector or a head  a warning, also beside  one line in the log
                                            each validation
    tested                                  a warning, also beside  refused
                                            the result
    ======================================  ======================  ======================
    """

    def __init__(self) -> None:
        self._loaded: tuple[str, tuple[str, ...] | None] | None = None
        self._warnings: list[str] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keeps the names until the loop begins whose data they are compared with."""
        file = runner._load_from or find_latest_checkpoint(runner.work_dir)
        self._loaded = file or 'the checkpoint', class_names(checkpoint)

    def before_train(self, runner: Runner) -> None:
        """Compares all that training starts from.

        Raises:
            ValueError: See the table; shows both lists and the remedy.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        data = _classes(runner.train_dataloader)
        loaded, self._loaded = self._loaded, None
        if data is None or hasattr(model, 'language_model'):
            return
        if hasattr(model, 'teachers'):
            model.check_classes(data)
        if loaded is None:
            for setting, file, use in _initial_weights(model):
                trained = class_names(load_checkpoint_file(file))
                self._compare(f'{setting}: {file}', trained, data, 'the training data', use)
        else:
            what, use = ('resume', _RESUMED) if runner._resume else ('load_from', _STARTED_FROM)
            self._compare(f'{what}: {loaded[0]}', loaded[1], data, 'the training data', use)

    def before_test(self, runner: Runner) -> None:
        """Compares the checkpoint that is tested.

        Raises:
            ValueError: It was trained on other classes; shows both lists and the remedy.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        data = _classes(runner.test_dataloader)
        if self._loaded and data and not hasattr(model, 'language_model'):
            self._compare(*self._loaded, data, 'the test data', _TESTED)

    def after_val(self, runner: Runner) -> None:
        """Warns beside the result."""
        self._repeat(f'The validation above, of iteration {runner.iter}')

    def after_test(self, runner: Runner) -> None:
        """Warns beside the result."""
        self._repeat('The test above')

    def _repeat(self, result: str) -> None:
        for text in self._warnings:  # MMEngine's logger drops a warning that it has shown
            MMLogger.get_current_instance().warning(f'{result}: {text}')

    def _compare(
        self,
        what: str,
        trained: tuple[str, ...] | None,
        data: tuple[str, ...],
        where: str,
        use: _Use,
    ) -> None:
        logger = MMLogger.get_current_instance()
        if trained is None:
            logger.info(f'{what} names no classes: their order is not checked.')
            return
        found = class_difference(trained, data, where)
        if found is None:
            return
        reaction = use.reordered if found.reordered else use.other
        if reaction == 'refuse':
            raise UserError(f'{what} {found.text}. {use.remedy}')
        if reaction == 'warn':
            self._warnings.append(f'{what} {found.text}. {use.remedy}')
            logger.warning(self._warnings[-1])
        else:
            logger.info(
                f'{what} was trained on {len(trained)} classes {reprlib.repr(trained)}, {where} '
                f'has {len(data)} others {reprlib.repr(data)}.'
            )


def _classes(loader: Any) -> tuple[str, ...] | None:
    names = getattr(loader.dataset, 'metainfo', {}).get('classes')
    return tuple(names) if names else None


def _initial_weights(model: nn.Module) -> Iterator[tuple[str, str, _Use]]:
    """(setting, file, use) of the checkpoints that say what a score means.

    Backbone and neck may come from a detector of any classes.
    """
    student: Detector = getattr(model, 'student_checkpoint', None)
    if student is not None:
        yield 'model.student.checkpoint', student, _STARTED_FROM
        return  # it replaces what init_cfg gave
    for name, module in model.named_modules():
        if {'backbone', 'neck'} & set(name.split('.')):
            continue
        settings: Any = getattr(module, 'init_cfg', None) or ()
        for setting in [settings] if isinstance(settings, dict) else settings:
            if setting.get('type') == 'Pretrained':
                place = '.'.join(filter(None, ('model', name, 'init_cfg')))
                yield place, setting['checkpoint'], _INITIALISED
