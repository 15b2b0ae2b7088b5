"""The teacher knows the classes of the data, in the same order."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmkd.registry import HOOKS


@HOOKS.register_module()
class TeacherClassesHook(Hook):
    """Refuses a teacher whose checkpoint names other classes than the training data.

    Equal numbers of classes hide a different order, and a teacher that calls a cat a dog teaches
    that. MMDetection writes the class names into its checkpoints; a file without them is not
    checked, and neither is a model without a ``teacher``.

    Raises:
        ValueError: Names the first class that differs, with both lists.
    """

    def before_train(self, runner: Runner) -> None:
        """Compares the two lists once, when the teacher is loaded and the data is read."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        teacher = getattr(model, 'teacher', None)
        theirs = getattr(teacher, 'classes', None)
        ours = runner.train_dataloader.dataset.metainfo.get('classes')
        if teacher is None or theirs is None or ours is None or tuple(ours) == tuple(theirs):
            return
        raise ValueError(
            f'the teacher {teacher.checkpoint} was trained on the classes {tuple(theirs)}, the '
            f'training data has {tuple(ours)}: give the data set the same metainfo.classes in the '
            'same order, or train a teacher on this list.'
        )
