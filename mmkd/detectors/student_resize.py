"""The student on a smaller copy of the images that the teacher sees."""

import math
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from mmkd.observation import DetectorInfo, MapsInfo
from mmkd.settings import check_choice
from mmkd.utils.errors import UserError

PAIRINGS = ('shift', 'upsample')


class StudentDownscaler:
    """Makes the student's batch from the one that was loaded.

    Source: Chen et al., NIPS 2017 (half resolution student) and Karlekar et al., 2019. The copy is
    made after augmentation, normalisation and padding, bilinear without antialiasing, so that
    boxes scale exactly.

    Args:
        scale: Side of the student's images over that of the teacher's: 1/2 or 1/4.

    Raises:
        ValueError: ``scale`` is neither.
    """

    def __init__(self, scale: float) -> None:
        if scale not in (0.5, 0.25):
            raise UserError(f'student_scale must be 1, 0.5 or 0.25, got {scale}.')
        self.scale = scale
        self.factor = round(1 / scale)

    def fit_padding(self, preprocessor: Any, student: DetectorInfo) -> None:
        """Has images padded so that each map is a whole fraction of the teacher's.

        The student's copy is then padded to its coarsest stride, as it would be alone.

        Args:
            preprocessor: Data preprocessor of the batches; its ``pad_size_divisor`` is raised.
            student: DetectorInfo of the student.

        Raises:
            ValueError: The preprocessor does not pad.
        """
        if not hasattr(preprocessor, 'pad_size_divisor'):
            raise UserError(
                f'student_scale={self.scale} needs a data_preprocessor that pads images '
                f'(pad_size_divisor), got {type(preprocessor).__name__}: use DetDataPreprocessor.'
            )
        needed = self.factor * max(student.backbone.strides)
        preprocessor.pad_size_divisor = math.lcm(preprocessor.pad_size_divisor, needed)

    def describe(self, teacher: DetectorInfo, pairing: str) -> DetectorInfo:
        """The teacher as the student sees it: strides in pixels of the small images.

        Args:
            teacher: DetectorInfo of the teacher on its own images.
            pairing: One of :data:`PAIRINGS`.

        Raises:
            ValueError: ``pairing`` is unknown, or a map of the teacher is finer than the student's
                pixels.
        """
        check_choice('pairing', pairing, PAIRINGS)

        if min(teacher.strides) < self.factor:
            raise UserError(
                f'student_scale={self.scale}: the teacher has maps of strides '
                f"{list(teacher.strides)}, finer than the student's pixels. Leave its levels below "
                f'stride {self.factor} out, or use a larger student_scale.'
            )

        seen = {
            name: replace(info, strides=tuple(stride // self.factor for stride in info.strides))
            for name, info in teacher.fields.items()
            if isinstance(info, MapsInfo)
        }
        return replace(teacher, fields={**teacher.fields, **seen}, pairing=pairing)

    def batch(self, inputs: Tensor, data_samples: list) -> tuple[Tensor, list]:
        """The student's images and samples; the arguments stay as they are."""
        return self.images(inputs), self.samples(data_samples)

    def restore(self, predicted: list, data_samples: list, rescale: bool) -> list:
        """Puts predictions on the small images into the samples that were loaded.

        Args:
            predicted: The student's samples, with ``pred_instances``.
            data_samples: Those that were loaded.
            rescale: Whether boxes are in pixels of the original images already.
        """
        for sample, small in zip(data_samples, predicted, strict=True):
            sample.pred_instances = small.pred_instances
            if not rescale:
                sample.pred_instances.bboxes = sample.pred_instances.bboxes * self.factor
        return data_samples

    def images(self, inputs: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3, H * scale, W * scale)."""
        height, width = (side // self.factor for side in inputs.shape[-2:])
        return functional.interpolate(
            inputs, size=(height, width), mode='bilinear', align_corners=False
        )

    def samples(self, data_samples: list) -> list:
        """Copies whose boxes, masks and metas are those of the small images.

        Raises:
            ValueError: A sample has semantic segmentation, which is not scaled.
        """
        return [self._sample(sample) for sample in data_samples]

    def _sample(self, sample: Any) -> Any:
        if 'gt_sem_seg' in sample:
            raise UserError('student_scale scales boxes and masks, not gt_sem_seg: leave it out.')
        small = sample.clone()
        for name in ('gt_instances', 'ignored_instances'):
            if name in small:
                setattr(small, name, self._shrunk(getattr(small, name).clone()))
        for key in ('img_shape', 'pad_shape', 'batch_input_shape'):
            if key in small:
                shape = tuple(math.ceil(side * self.scale) for side in small.get(key)[:2])
                small.set_metainfo({key: shape})
        if 'scale_factor' in small:
            factors = tuple(side * self.scale for side in small.scale_factor)
            small.set_metainfo(dict(scale_factor=factors))
        return small

    def _shrunk(self, instances: Any) -> Any:
        # Cloned once more: a clone of instances shares their tensors.
        boxes = instances.bboxes.clone()
        if isinstance(boxes, Tensor):
            instances.bboxes = boxes * self.scale
        else:
            boxes.rescale_((self.scale, self.scale))
            instances.bboxes = boxes
        if 'masks' in instances:
            instances.masks = instances.masks.rescale(self.scale)
        return instances

    def to_small(self, boxes: Tensor) -> Tensor:
        """Boxes (N, 4) of the large images on the small ones."""
        return boxes * self.scale

    def to_large(self, rois: Tensor) -> Tensor:
        """RoIs (R, 5) of the small images on the large ones."""
        large = rois * self.factor
        large[:, 0] = rois[:, 0]
        return large
