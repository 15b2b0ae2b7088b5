"""What distillation does while it trains, for the backends of MMEngine's visualizer."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from mmkd.distiller import Distiller
from mmkd.registry import HOOKS
from mmkd.utils.errors import UserError

from .detections import Boxes, draw_detections
from .imitation import draw_differences, draw_imitation
from .style import figure_pixels


@HOOKS.register_module()
class DistillVisualizationHook(Hook):
    """Writes pictures and shares every ``interval`` iterations, the first one included.

    Pictures, for the first images of the batch: ``distill_masks_<method>``,
    ``distill_detections`` (ground truth, teacher, student) and ``distill_difference_<method>``
    (root mean square over channels of the adapted student's map minus the teacher's). Scalars:
    ``distill/loss_share/<method>`` and ``distill/grad_share/<method>``, and the same of ``task``;
    the latter are shares of the gradient norms at the neck's outputs. They go to
    ``runner.visualizer``: local files, TensorBoard, WandB, as ``vis_backends`` says.

    The step is looked at on a copy of the student, before it is taken; training goes on with the
    same bits as without the hook. A model that distils nothing is left alone, with one warning.

    Args:
        interval: Iterations from one look to the next, >= 1. A look costs about two steps.
        num_images: Images of the batch to draw, >= 0; with 0 there are scalars only.
        score_thr: Detections below it are not drawn.
    """

    def __init__(self, interval: int = 500, num_images: int = 1, score_thr: float = 0.3) -> None:
        if interval < 1 or num_images < 0:
            raise UserError(
                'DistillVisualizationHook needs interval >= 1 and num_images >= 0, got '
                f'{interval} and {num_images}.'
            )
        self.interval, self.num_images, self.score_thr = interval, num_images, score_thr
        self._warned = False

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Looks at the step that is about to be taken, in every process; the first one writes."""
        if runner.iter % self.interval:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model, 'probe'):
            if not self._warned:
                runner.logger.warning(
                    f'DistillVisualizationHook: {type(model).__name__} distils nothing, so there '
                    'is nothing to show.'
                )
            self._warned = True
            return
        with runner.optim_wrapper.optim_context(runner.model):
            probe = model.probe(data_batch)
            losses, gradients = probe.loss_shares(), probe.gradient_shares()
        if not is_main_process():
            return
        step = runner.iter + 1  # as LoggerHook counts
        scalars = {f'distill/loss_share/{name}': share for name, share in losses.items()}
        scalars |= {f'distill/grad_share/{name}': share for name, share in gradients.items()}
        runner.visualizer.add_scalars(scalars, step=step)
        classes = runner.train_dataloader.dataset.metainfo.get('classes', ())
        for index in range(min(self.num_images, len(probe.inputs))):
            ending = f'_{index}' if self.num_images > 1 else ''
            for name, figure in _figures(model, probe, index, classes, self.score_thr):
                runner.visualizer.add_image(name + ending, figure_pixels(figure), step=step)


def _figures(
    model: Distiller, probe: Any, index: int, classes: tuple, score_thr: float
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of each picture of one image."""
    meta, width = probe.batch.metas[index], probe.inputs.shape[-1]
    image = network_image(model.data_preprocessor, probe.inputs[index], meta['img_shape'][:2])
    boxes, ignored = (_array(b[index]) for b in (probe.batch.gt_bboxes, probe.batch.gt_ignored))
    for name, masks in probe.masks.items():
        strides = [round(width / mask.shape[-1]) for mask in masks]
        cells = [_array(mask[index]) for mask in masks]
        title = f'where {name} imitates'
        parts = image, cells, strides, boxes, ignored, title, probe.offsets[name]
        yield f'distill_masks_{name}', draw_imitation(*parts)
    for name, maps in probe.maps.items():
        strides = [round(width / student.shape[-1]) for student, _ in maps]
        levels = [
            _array((student[index].float() - teacher[index].float()).square().mean(0).sqrt())
            for student, teacher in maps
        ]
        title = f'{name}: student minus teacher'
        yield f'distill_difference_{name}', draw_differences(image, levels, strides, title)
    columns = {role: [_found(found[index])] for role, found in probe.detections.items()}
    truth = Boxes(boxes, _array(probe.batch.gt_labels[index]))
    names = list(classes) or [str(label) for label in range(_classes(columns, truth))]
    yield 'distill_detections', draw_detections([image], [truth], columns, names, score_thr)


def network_image(preprocessor: Any, inputs: Tensor, size: tuple[int, int]) -> np.ndarray:
    """The picture, (H, W, 3) uint8 RGB, behind a normalised and padded input, (3, H', W')."""
    pixels = inputs.detach().float()[:, : size[0], : size[1]]
    if getattr(preprocessor, '_enable_normalize', False):
        pixels = pixels * preprocessor.std + preprocessor.mean
    if not getattr(preprocessor, '_channel_conversion', False):
        pixels = pixels.flip(0)  # images are loaded as BGR
    return _array(pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0))


def _found(instances: Any) -> Boxes:
    boxes = getattr(instances.bboxes, 'tensor', instances.bboxes)
    return Boxes(_array(boxes), _array(instances.labels), _array(instances.scores))


def _classes(columns: dict[str, list[Boxes]], truth: Boxes) -> int:
    labels = [truth.labels, *(boxes.labels for found in columns.values() for boxes in found)]
    return int(max((part.max() for part in labels if len(part)), default=-1)) + 1


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
