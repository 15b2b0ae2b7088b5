"""The detectors of the support table: configs that the host ships, made small."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mmdet
from mmengine.config import Config, ConfigDict

SIDE, _WIDTH = 64, 16
"""Side of the images, pixels; channels of the first stage of a ResNet."""

DETECTORS = {
    'ATSS': 'atss/atss_r50_fpn_1x_coco',
    'AutoAssign': 'autoassign/autoassign_r50-caffe_fpn_1x_coco',
    'CenterNet': 'centernet/centernet_r18_8xb16-crop512-140e_coco',
    'CenterNet-update': 'centernet/centernet-update_r50-caffe_fpn_ms-1x_coco',
    'DDOD': 'ddod/ddod_r50_fpn_1x_coco',
    'FCOS': 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco',
    'FCOS, boxes in strides': (
        'fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco'
    ),
    'FoveaBox': 'foveabox/fovea_r50_fpn_4xb4-1x_coco',
    'FreeAnchor': 'free_anchor/freeanchor_r50_fpn_1x_coco',
    'FSAF': 'fsaf/fsaf_r50_fpn_1x_coco',
    'GA-RetinaNet': 'guided_anchoring/ga-retinanet_r50_fpn_1x_coco',
    'GFL': 'gfl/gfl_r50_fpn_1x_coco',
    'GHM RetinaNet': 'ghm/retinanet_r50_fpn_ghm-1x_coco',
    'NAS-FCOS': 'nas_fcos/nas-fcos_r50-caffe_fpn_nashead-gn-head_4xb4-1x_coco',
    'PAA': 'paa/paa_r50_fpn_1x_coco',
    'PISA RetinaNet': 'pisa/retinanet-r50_fpn_pisa_1x_coco',
    'PVT RetinaNet': 'pvt/retinanet_pvt-t_fpn_1x_coco',
    'RepPoints': 'reppoints/reppoints-moment_r50_fpn_1x_coco',
    'RetinaNet': 'retinanet/retinanet_r50_fpn_1x_coco',
    'RTMDet': 'rtmdet/rtmdet_tiny_8xb32-300e_coco',
    'SABL RetinaNet': 'sabl/sabl-retinanet_r50_fpn_1x_coco',
    'SSD300': 'ssd/ssd300_coco',
    'Swin RetinaNet': 'swin/retinanet_swin-t-p4-w7_fpn_1x_coco',
    'TOOD': 'tood/tood_r50_fpn_1x_coco',
    'VFNet': 'vfnet/vfnet_r50_fpn_1x_coco',
    'YOLACT': 'yolact/yolact_r50_1xb8-55e_coco',
    'YOLOF': 'yolof/yolof_r50-c5_8xb8-1x_coco',
    'YOLOv3': 'yolo/yolov3_mobilenetv2_8xb24-320-300e_coco',
    'YOLOX': 'yolox/yolox_tiny_8xb8-300e_coco',
    'Faster R-CNN': 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco',
    'Faster R-CNN C4': 'faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco',
    'Faster R-CNN, FCOS as RPN': 'faster_rcnn/faster-rcnn_r50_fpn_fcos-rpn_1x_coco',
    'Faster R-CNN PAFPN': 'pafpn/faster-rcnn_r50_pafpn_1x_coco',
    'Cascade R-CNN': 'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco',
    'Cascade RPN': 'cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco',
    'CrowdDet': 'crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman',
    'Double-Head R-CNN': 'double_heads/dh-faster-rcnn_r50_fpn_1x_coco',
    'Dynamic R-CNN': 'dynamic_rcnn/dynamic-rcnn_r50_fpn_1x_coco',
    'GA-Faster R-CNN': 'guided_anchoring/ga-faster-rcnn_r50_fpn_1x_coco',
    'Grid R-CNN': 'grid_rcnn/grid-rcnn_r50_fpn_gn-head_1x_coco',
    'GRoIE': 'groie/faste-rcnn_r50_fpn_groie_1x_coco',
    'HRNet Faster R-CNN': 'hrnet/faster-rcnn_hrnetv2p-w18-1x_coco',
    'Libra R-CNN': 'libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco',
    'RegNet Faster R-CNN': 'regnet/faster-rcnn_regnetx-400MF_fpn_ms-3x_coco',
    'SABL Faster R-CNN': 'sabl/sabl-faster-rcnn_r50_fpn_1x_coco',
    'Sparse R-CNN': 'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco',
    'TridentNet': 'tridentnet/tridentnet_r50-caffe_1x_coco',
    'RPN': 'rpn/rpn_r50_fpn_1x_coco',
    'HTC': 'htc/htc_r50_fpn_1x_coco',
    'Mask R-CNN': 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco',
    'Mask Scoring R-CNN': 'ms_rcnn/ms-rcnn_r50_fpn_1x_coco',
    'PointRend': 'point_rend/point-rend_r50-caffe_fpn_ms-1x_coco',
    'QueryInst': 'queryinst/queryinst_r50_fpn_1x_coco',
    'SCNet': 'scnet/scnet_r50_fpn_1x_coco',
    'Mask2Former': 'mask2former/mask2former_r50_8xb2-lsj-50e_coco',
    'SOLO': 'solo/solo_r50_fpn_1x_coco',
    'SOLOv2': 'solov2/solov2_r50_fpn_1x_coco',
    'CondInst': 'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance',
    'Conditional DETR': 'conditional_detr/conditional-detr_r50_8xb2-50e_coco',
    'DAB-DETR': 'dab_detr/dab-detr_r50_8xb2-50e_coco',
    'DDQ': 'ddq/ddq-detr-4scale_r50_8xb2-12e_coco',
    'Deformable DETR': 'deformable_detr/deformable-detr_r50_16xb2-50e_coco',
    'Deformable DETR, two stages': (
        'deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco'
    ),
    'DETR': 'detr/detr_r50_8xb2-150e_coco',
    'DINO': 'dino/dino-4scale_r50_8xb2-12e_coco',
}
"""Detectors of MMDetection, and of each a config that it ships."""


def _retinanet_on_convnext() -> ConfigDict:
    cfg = host_config(DETECTORS['RetinaNet'])
    cfg.backbone = dict(
        type='mmkd.TimmBackbone', model_name='convnext_atto', out_indices=(0, 1, 2, 3)
    )
    cfg.neck.in_channels = [40, 80, 160, 320]
    return cfg


def _vit() -> ConfigDict:
    backbone = dict(
        type='mmkd.TimmBackbone',
        model_name='vit_tiny_patch16_224',
        out_indices=(11,),
        img_size=SIDE,
    )
    return ConfigDict(type='mmkd.FeatureTeacher', backbone=backbone)


TEACHERS: dict[str, Callable[[], ConfigDict]] = {
    'ConvNeXt RetinaNet of timm': _retinanet_on_convnext,
    'ViT of timm': _vit,
    'RTMDet-s': lambda: host_config('rtmdet/rtmdet_s_8xb32-300e_coco'),
    'Swin Mask R-CNN': lambda: host_config('swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco'),
}
"""Detectors that only teach in the table."""

CROSSED = (
    ('Faster R-CNN', 'Swin Mask R-CNN'),
    ('Faster R-CNN', 'Cascade R-CNN'),
    ('Faster R-CNN', 'DINO'),
    ('RetinaNet', 'Cascade R-CNN'),
    ('RetinaNet', 'ConvNeXt RetinaNet of timm'),
    ('RetinaNet', 'DINO'),
    ('RTMDet', 'RTMDet-s'),
    ('Faster R-CNN', 'ViT of timm'),
    ('RetinaNet', 'ViT of timm'),
    ('YOLOX', 'ViT of timm'),
    ('DETR', 'ViT of timm'),
)
"""Students under teachers of another family."""


class Pair(NamedTuple):
    """A student and a teacher, by their names in the table."""

    student: str
    teacher: str

    @property
    def name(self) -> str:
        """What the table calls the two."""
        same = self.student == self.teacher
        return self.student if same else f'{self.student} under {self.teacher}'


def all_pairs() -> list[Pair]:
    """Each detector under another of its kind, then those under other families."""
    return [Pair(name, name) for name in DETECTORS] + [Pair(*names) for names in CROSSED]


def host_config(name: str) -> ConfigDict:
    """The model of one of MMDetection's configs, small enough to be built in about a second.

    Backbones are thin and shallow; there are few queries, proposals and stages. Heads, and what
    they read, stay of their kinds; no weights are fetched.

    Args:
        name: ``folder/name``, without ``.py``.
    """
    model = Config.fromfile(Path(mmdet.__file__).parent / f'.mim/configs/{name}.py').model
    _shrink(model)
    relay = model.get('roi_head', {}).get('feat_relay_head')
    if relay:  # of SCNet: reads what the box head's layers give
        relay.in_channels = _AT_MOST['fc_out_channels']
    backbone, neck = model.get('backbone', {}), model.get('neck')
    if backbone.get('type') == 'ResNet' and neck:
        first = 256 if backbone.depth >= 50 else 64
        backbone.update(depth=18, base_channels=_WIDTH)
        part = neck[0] if isinstance(neck, list) else neck
        width = part.in_channels
        part.in_channels = (
            [one * _WIDTH // first for one in width]
            if isinstance(width, list)
            else width * _WIDTH // first
        )
    return model


_AT_MOST = dict(num_queries=20, num_proposals=20, fc_out_channels=64, max_per_img=20, nms_pre=100)
_LEFT_OUT = ('init_cfg', 'pretrained', 'batch_augments')


def _shrink(part: Any) -> None:
    """Makes numbers smaller wherever they stand in a config, in place."""
    if isinstance(part, list):
        for one in part:
            _shrink(one)
    elif isinstance(part, dict):
        if 'num_stages' in part and 'stage_loss_weights' in part:  # a cascade
            part['num_stages'] = 2
            for name, value in part.items():
                part[name] = value[:2] if isinstance(value, list) else value
        for name, value in part.items():
            if name in _LEFT_OUT:
                part[name] = None
            elif name == 'type' and value == 'SyncBN':
                part[name] = 'BN'
            elif name in ('encoder', 'decoder') and 'num_layers' in value:
                value['num_layers'] = min(value['num_layers'], 2)
            elif name in _AT_MOST and isinstance(value, int):
                part[name] = min(value, _AT_MOST[name])
            _shrink(part[name])


def config_of(name: str) -> ConfigDict:
    """The model of a name of :data:`DETECTORS` or :data:`TEACHERS`."""
    return TEACHERS[name]() if name in TEACHERS else host_config(DETECTORS[name])
