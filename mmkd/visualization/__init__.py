"""Pictures: imitation masks, learning curves, detections side by side."""

from .curves import draw_loss_curves, draw_metric_curves, read_run
from .detections import Boxes, draw_detections, match_detections
from .hook import DistillVisualizationHook
from .imitation import draw_differences, draw_imitation
from .masks import MaskedImage, build_imitator, imitation_dataset, imitation_masks
from .style import check_free, figure_pixels, save_figure

__all__ = [
    'Boxes',
    'DistillVisualizationHook',
    'MaskedImage',
    'build_imitator',
    'check_free',
    'draw_detections',
    'draw_differences',
    'draw_imitation',
    'draw_loss_curves',
    'draw_metric_curves',
    'figure_pixels',
    'imitation_dataset',
    'imitation_masks',
    'match_detections',
    'read_run',
    'save_figure',
]
