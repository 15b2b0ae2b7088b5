"""Pictures: imitation masks, learning curves, detections side by side."""

from .curves import draw_loss_curves, draw_metric_curves, read_run
from .detections import Boxes, draw_detections, match_detections
from .imitation import draw_imitation
from .masks import MaskedImage, build_imitator, imitation_dataset, imitation_masks
from .style import check_free, save_figure

__all__ = [
    'Boxes',
    'MaskedImage',
    'build_imitator',
    'check_free',
    'draw_detections',
    'draw_imitation',
    'draw_loss_curves',
    'draw_metric_curves',
    'imitation_dataset',
    'imitation_masks',
    'match_detections',
    'read_run',
    'save_figure',
]
