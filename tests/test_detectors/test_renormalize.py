import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor

from mmkd.detectors.renormalize import pixel_converter
from mmkd.testing import demo_batch

RGB = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
CAFFE = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False)
RAW = dict(bgr_to_rgb=False)


def preprocessor(settings, **kwargs):
    return DetDataPreprocessor(**{'pad_size_divisor': 32, **settings, **kwargs})


@pytest.mark.parametrize('student', [RGB, CAFFE, RAW])
@pytest.mark.parametrize('teacher', [RGB, CAFFE, RAW, dict(RGB, pad_value=7)])
def test_the_teacher_sees_what_its_own_preprocessor_would_give(student, teacher):
    ours, theirs = preprocessor(student), preprocessor(teacher)
    data = ours(demo_batch(sizes=((60, 96), (96, 64))))
    expected = theirs(demo_batch(sizes=((60, 96), (96, 64))))['inputs'].float()
    converter = pixel_converter(ours, theirs)
    metas = [sample.metainfo for sample in data['data_samples']]
    got = data['inputs'] if converter is None else converter(data['inputs'], metas)
    torch.testing.assert_close(got.float(), expected, atol=1e-4, rtol=1e-5)


def test_equal_preprocessors_need_no_conversion():
    assert pixel_converter(preprocessor(RGB), preprocessor(RGB)) is None


def test_padding_that_the_teacher_cannot_take_is_refused():
    with pytest.raises(ValueError, match='pad_size_divisor is 32 for the student and 128'):
        pixel_converter(preprocessor(RGB), preprocessor(RGB, pad_size_divisor=128))
