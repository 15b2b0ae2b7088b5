"""The teacher's pixels from the student's, where their data preprocessors differ."""

from typing import Any

import torch
from torch import Tensor, nn


def pixel_converter(student: nn.Module, teacher: nn.Module) -> 'PixelConverter | None':
    """What turns the student's normalised images into the teacher's; None where they agree.

    Args:
        student: Data preprocessor of the student.
        teacher: Data preprocessor of the teacher.

    Raises:
        ValueError: A setting differs that cannot be converted afterwards; names it.
    """
    student_divisor, teacher_divisor = (
        getattr(side, 'pad_size_divisor', 1) for side in (student, teacher)
    )
    if student_divisor % teacher_divisor:
        raise ValueError(
            f'data_preprocessor.pad_size_divisor is {student_divisor} for the student and '
            f'{teacher_divisor} for the teacher, which needs images padded to a multiple of '
            f"{teacher_divisor}: set the student's to "
            'a multiple of that.'
        )
    if _settings(student) == _settings(teacher):
        return None
    return PixelConverter(student, teacher)


def _settings(preprocessor: Any) -> tuple:
    def listed(name: str) -> list[float] | None:
        return getattr(preprocessor, name).flatten().tolist() if _normalises(preprocessor) else None

    return (
        _swaps_channels(preprocessor),
        listed('mean'),
        listed('std'),
        float(getattr(preprocessor, 'pad_value', 0)),
    )


def _swaps_channels(preprocessor: Any) -> bool:
    return bool(getattr(preprocessor, '_channel_conversion', False))


def _normalises(preprocessor: Any) -> bool:
    return bool(getattr(preprocessor, '_enable_normalize', False))


class PixelConverter(nn.Module):
    """Undoes one normalisation and channel order and applies another, exactly.

    Padding is filled with the teacher's pad value, as its own preprocessor would.

    Args:
        student: Data preprocessor that made the images.
        teacher: Data preprocessor whose images are wanted.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        for side, preprocessor in (('student', student), ('teacher', teacher)):
            normalises = _normalises(preprocessor)
            mean = preprocessor.mean if normalises else torch.zeros(3, 1, 1)
            std = preprocessor.std if normalises else torch.ones(3, 1, 1)
            self.register_buffer(f'{side}_mean', mean.detach().clone(), persistent=False)
            self.register_buffer(f'{side}_std', std.detach().clone(), persistent=False)
        self.swap = _swaps_channels(student) != _swaps_channels(teacher)
        self.pad_value = float(getattr(teacher, 'pad_value', 0))

    def forward(self, inputs: Tensor, metas: list[dict]) -> Tensor:
        """(B, 3, H, W) of the student -> (B, 3, H, W) of the teacher.

        Args:
            inputs: Normalised and padded images.
            metas: ``img_shape`` of each says where its padding begins.
        """
        pixels = inputs * self.student_std + self.student_mean
        pixels = pixels.flip(1) if self.swap else pixels
        pixels = (pixels - self.teacher_mean) / self.teacher_std
        padded = torch.full_like(pixels, self.pad_value)
        for image, source, meta in zip(padded, pixels, metas, strict=True):
            height, width = meta['img_shape'][:2]
            image[:, :height, :width] = source[:, :height, :width]
        return padded
