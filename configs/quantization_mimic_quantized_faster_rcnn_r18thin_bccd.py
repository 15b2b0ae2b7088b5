"""Quantization mimic on BCCD under a teacher that was trained with its own features quantized."""

_base_ = './quantization_mimic_faster_rcnn_r18thin_bccd.py'
model = dict(
    teacher=dict(
        config='{{ fileDirname }}/teachers/faster_rcnn_r18_quantized_bccd.py',
        checkpoint='work_dirs/faster_rcnn_r18_quantized_bccd/epoch_4.pth',
    )
)
