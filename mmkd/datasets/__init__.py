"""Data sets that MMDetection lacks, read into its own annotation format."""

from .shapes import SHAPES_CLASSES, draw_shapes, render_shapes_image
from .voc_folder import VOCFolderDataset

__all__ = ['SHAPES_CLASSES', 'VOCFolderDataset', 'draw_shapes', 'render_shapes_image']
