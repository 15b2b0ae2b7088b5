"""A sixteenth of ResNet-18 on BCCD under half of one that was trained with features quantized."""

_base_ = './faster_rcnn_r18_16th_bccd.py'
model = dict(
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r18_half_quantized_bccd.py',
        checkpoint='work_dirs/faster_rcnn_r18_half_quantized_bccd/epoch_4.pth',
    )
)
