"""Data sets that MMDetection lacks, read into its own annotation format."""

from .kitti import KITTIDataset
from .kitti_labels import KITTI_TYPES, KITTIObject, parse_kitti_labels
from .kitti_to_coco import kitti_to_coco
from .shapes import SHAPES_CLASSES, draw_shapes, render_shapes_image
from .voc_folder import VOCFolderDataset
from .writing import write_new

__all__ = [
    'KITTI_TYPES',
    'KITTIDataset',
    'KITTIObject',
    'SHAPES_CLASSES',
    'VOCFolderDataset',
    'draw_shapes',
    'kitti_to_coco',
    'parse_kitti_labels',
    'render_shapes_image',
    'write_new',
]
