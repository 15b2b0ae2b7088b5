"""Data sets that MMDetection lacks, read into its own annotation format."""

from .caltech_files import CaltechObject, read_seq, read_vbb
from .caltech_to_coco import caltech_frames, caltech_to_coco, extract_frames
from .ilsvrc import ILSVRCDETDataset
from .ilsvrc_classes import ILSVRC_CLASSES
from .kitti import KITTIDataset, kitti_to_coco
from .kitti_labels import KITTI_TYPES, KITTIObject, parse_kitti_labels
from .shapes import SHAPES_CLASSES, draw_shapes, render_shapes_image
from .unlabelled import UnlabelledSampler, WithUnlabelled
from .voc_folder import VOCFolderDataset
from .wider_face_to_voc import read_wider_face_list, wider_face_to_voc
from .writing import Outcome, refuse_to_replace, write_new, write_once

__all__ = [
    'CaltechObject',
    'ILSVRCDETDataset',
    'ILSVRC_CLASSES',
    'KITTI_TYPES',
    'KITTIDataset',
    'KITTIObject',
    'Outcome',
    'SHAPES_CLASSES',
    'UnlabelledSampler',
    'VOCFolderDataset',
    'WithUnlabelled',
    'caltech_frames',
    'caltech_to_coco',
    'draw_shapes',
    'extract_frames',
    'kitti_to_coco',
    'parse_kitti_labels',
    'read_seq',
    'read_vbb',
    'read_wider_face_list',
    'refuse_to_replace',
    'render_shapes_image',
    'wider_face_to_voc',
    'write_new',
    'write_once',
]
