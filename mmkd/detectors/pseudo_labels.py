"""A teacher's detections in place of the labels that images lack."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmkd.fields import class_count
from mmkd.settings import check_arguments, check_choice, check_number
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Entries

from .pair import Pair

_DATA = (
    "train_dataloader.dataset=dict(type='mmkd.WithUnlabelled', labelled=..., unlabelled=...) with "
    "train_dataloader.sampler=dict(type='mmkd.UnlabelledSampler')"
)


class PseudoLabels:
    """What ``DistillDetector(unlabelled=...)`` does with the unlabelled images of a batch.

    A frozen teacher predicts on the very pixels that the student is given, augmentation and all,
    and its confident boxes are the ground truth of these images: for every method, and for the
    student's own losses. Losses of MMDetection are of a batch, not of an image, so ``task_weight``
    mixes two of them::

        task = task_weight * loss(all images) + (1 - task_weight) * loss(labelled images)

    Their size stays that of training without unlabelled images, whatever the weight. Methods see
    the first pass alone, once. The second is made where ``task_weight < 1`` and a batch has both
    kinds; layers that change in training, such as batch norms, see its images twice.

    Args:
        pairs: The teachers by name.
        student: The student.
        score_thr: Score from which a detection is a label, in [0, 1].
        task_weight: What a pseudo label counts in the student's own losses, in [0, 1]: 0 leaves it
            to the methods, 1 makes it as good as a label.
        teacher: Name of the teacher; None: the only one.

    Attributes:
        pair: The one that labels.

    Raises:
        ValueError: A number is out of range, the teacher is unknown, predicts nothing or has other
            classes than the student, or the student learns masks.
    """

    def __init__(
        self,
        pairs: Mapping[str, Pair],
        student: Detector,
        *,
        score_thr: float = 0.5,
        task_weight: float = 1.0,
        teacher: str | None = None,
    ) -> None:
        check_number('unlabelled.score_thr', score_thr, '[0, 1]')
        check_number('unlabelled.task_weight', task_weight, '[0, 1]')
        if teacher is not None or len(pairs) > 1:
            check_choice('unlabelled.teacher', teacher, list(pairs))
        name = next(iter(pairs)) if teacher is None else teacher
        self.score_thr, self.task_weight, self.pair = score_thr, task_weight, pairs[name]
        found = self.pair.teacher
        known: Any = class_count(found.model) if self.pair.detects else 0
        needed = class_count(student)
        if found.specialist is not None or known != needed:
            known = f'{known} classes' if found.specialist is None else list(found.specialist)
            raise UserError(
                f'unlabelled: teacher={name!r} ({found.source})',
                f'knows {known}, the student {needed} classes: what it finds cannot be labels',
                "name a teacher of the student's classes in unlabelled=dict(teacher=...), or take "
                'unlabelled out',
            )
        if getattr(student, 'with_mask', False):
            raise UserError(
                'unlabelled',
                'labels boxes, and the student learns masks',
                'use a student without mask_head, or take unlabelled out',
            )

    def label(self, inputs: Tensor, samples: Sequence[Any]) -> list[Any]:
        """The samples, those without labels with the teacher's.

        Args:
            inputs: (B, 3, H, W) as the student's data preprocessor made them, before a student at
                a smaller size shrinks them.
            samples: B ``DetDataSample``; they stay as they are.

        Returns:
            B samples; boxes are xyxy pixels of ``inputs``, at least a pixel wide and high.
        """
        labelled = list(samples)
        rows = [row for row, sample in enumerate(samples) if is_unlabelled(sample)]
        if rows:
            blank = [DetDataSample(metainfo=samples[row].metainfo) for row in rows]
            for row, found in zip(
                rows, self.pair.predict(inputs[rows], blank, rescale=False), strict=True
            ):
                labelled[row] = samples[row].new()
                labelled[row].gt_instances = self._confident(found.pred_instances)
        return labelled

    def _confident(self, found: InstanceData) -> InstanceData:
        sides = found.bboxes[:, 2:] - found.bboxes[:, :2]
        found = found[(found.scores >= self.score_thr) & (sides >= 1).all(dim=1)]
        return InstanceData(bboxes=found.bboxes, labels=found.labels)

    def task_losses(
        self, losses: Entries, student: nn.Module, inputs: Tensor, samples: Sequence[Any]
    ) -> Entries:
        """The student's losses with pseudo labels weighted.

        Args:
            losses: Those of the whole batch.
            student: The student, which may run on the labelled images once more.
            inputs: (B, 3, H, W), the student's images.
            samples: B samples, all with labels by now.
        """
        rows = [row for row, sample in enumerate(samples) if not is_unlabelled(sample)]
        if self.task_weight == 1 or len(rows) == len(samples):
            return losses
        labelled = student.loss(inputs[rows], [samples[row] for row in rows]) if rows else {}
        mixed = dict(losses)
        for key in (key for key in {**losses, **labelled} if 'loss' in key):
            # Entries of a list count by their means, which are added up.
            mixed[key] = [part * self.task_weight for part in _parts(losses, key)]
            mixed[key] += [part * (1 - self.task_weight) for part in _parts(labelled, key)]
        return mixed


def is_unlabelled(sample: Any) -> bool:
    """Whether ``mmkd.WithUnlabelled`` gave the sample, from its unlabelled images."""
    return sample.metainfo.get('unlabelled', False)


def pseudo_labels(
    setting: dict | None, pairs: Mapping[str, Pair], student: Detector
) -> PseudoLabels | None:
    """What ``unlabelled`` says; None where it says nothing or there is no teacher.

    Raises:
        ValueError: An argument is unknown; or as :class:`PseudoLabels`.
    """
    if setting is None or not pairs:
        return None
    check_arguments('unlabelled', setting, PseudoLabels, without=('pairs', 'student'))
    return PseudoLabels(pairs, student, **setting)


def check_marks(setting: PseudoLabels | None, samples: Sequence[Any]) -> None:
    """Refuses a training batch with unlabelled images and no setting for them, or the reverse.

    Raises:
        ValueError: Names the settings.
    """
    if setting is None and any(map(is_unlabelled, samples)):
        raise UserError(
            'model.unlabelled=None',
            'has no teacher label the images that come without labels, and they would teach '
            'background',
            'set model.unlabelled=dict(score_thr=0.5, task_weight=1), or take mmkd.WithUnlabelled '
            'out of train_dataloader.dataset',
        )
    if setting is not None and any('unlabelled' not in sample.metainfo for sample in samples):
        raise UserError(
            f'model.unlabelled=dict(score_thr={setting.score_thr}, '
            f'task_weight={setting.task_weight})',
            'needs batches that say which images have labels',
            f'set {_DATA}, or take model.unlabelled out',
        )


def _parts(losses: Entries, key: str) -> list[Tensor]:
    value = losses.get(key, [])
    return list(value) if isinstance(value, (list, tuple)) else [value]
