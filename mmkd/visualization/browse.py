"""Pictures of a data set's boxes, as annotated or as the pipeline hands them to the detector."""

from collections.abc import Callable, Iterable
from pathlib import Path

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmdet.visualization.palette import get_palette
from mmengine.dataset import Compose

from mmkd.utils.types import Dataset, Entries

from .style import add_labels, check_free

_ON_DISK = Compose([LoadImageFromFile(), LoadAnnotations(with_bbox=True), PackDetInputs()])


def draw_dataset(
    dataset: Dataset,
    out_dir: str | Path,
    indices: Iterable[int],
    *,
    raw: bool = False,
    force: bool = False,
    on_image: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Draws images with their boxes and names that keep apart; ignored boxes are dashed white.

    The pictures ``INDEX_NAME.png``, whose paths are returned, show images and boxes after the
    pipeline, or with ``raw`` as they are on disk; ``on_image`` is called after each.

    Raises:
        FileExistsError: A picture exists and ``force`` is off; nothing is drawn then.
    """
    numbers = list(indices)
    stems = [Path(dataset.get_data_info(index)['img_path']).stem for index in numbers]
    paths = [Path(out_dir) / f'{i:06d}_{stem}.png' for i, stem in zip(numbers, stems, strict=True)]
    check_free(paths, force=force)
    visualizer = DetLocalVisualizer(name='browse')
    visualizer.dataset_meta = dataset.metainfo
    for index, path in zip(numbers, paths, strict=True):
        item = _ON_DISK(dataset.get_data_info(index)) if raw else dataset[index]
        image, sample = _unpacked(item)
        picture = _draw(visualizer, image, sample)
        mmcv.imwrite(picture[..., ::-1], str(path))
        on_image()
    return paths


def _draw(visualizer: DetLocalVisualizer, image: np.ndarray, sample: DetDataSample) -> np.ndarray:
    """(H, W, 3) RGB uint8 of an RGB image with its boxes."""
    visualizer.set_image(image)
    objects, ignored = sample.gt_instances, sample.get('ignored_instances')
    if len(objects):
        classes = visualizer.dataset_meta['classes']
        palette = get_palette(visualizer.dataset_meta.get('palette'), len(classes))
        colours = [palette[label] for label in objects.labels]
        visualizer.draw_bboxes(objects.bboxes, edge_colors=colours)
        names = [classes[label] for label in objects.labels]
        add_labels(
            visualizer.ax_save, objects.bboxes.numpy(), names, np.divide(colours, 255).tolist()
        )
    if ignored is not None and len(ignored.get('bboxes', ())):
        visualizer.draw_bboxes(ignored.bboxes, edge_colors='w', line_styles='--')
    return visualizer.get_image()


def _unpacked(item: Entries) -> tuple[np.ndarray, DetDataSample]:
    """RGB image and boxes of what a pipeline gives."""
    sample = item['data_samples']
    for field in ('gt_instances', 'ignored_instances'):
        instances = sample.get(field)
        if instances is not None and 'bboxes' in instances:
            instances.bboxes = getattr(instances.bboxes, 'tensor', instances.bboxes)
    # Pipelines load BGR.
    return item['inputs'].permute(1, 2, 0).numpy()[..., ::-1].copy(), sample
