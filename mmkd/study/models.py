"""The trained detectors of a study: their cost, what they find, and where they imitate."""

import copy
from collections.abc import Iterable, Sequence

import mmcv
import numpy as np
import torch
from matplotlib.figure import Figure
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmkd import visualization
from mmkd.engine.commands.complexity import count_flops, count_parameters
from mmkd.registry import MODELS
from mmkd.utils.config_walk import dataset_configs
from mmkd.utils.quiet import quiet_host
from mmkd.utils.types import Detector, Setting
from mmkd.visualization import Boxes, MaskedImage

from .jobs import Job


class Inspection:
    """Looks at the first finished run of each arm, on the first images of the validation split.

    Attributes:
        costs: Parameters and FLOPs at inference by arm; methods change neither.
        found: Detections of each image, in its own pixels, by the run's title.
    """

    def __init__(self, jobs: Sequence[Job], images: int) -> None:
        first = _first_of_each_arm(jobs)
        self._load_images(first[0].plain, images)
        self.costs: dict[str, dict[str, int]] = {}
        self.found: dict[str, list[Boxes]] = {}
        known: dict[str, dict[str, int]] = {}
        for job in first:
            with quiet_host():
                model = init_detector(job.plain, str(job.checkpoint), device='cpu')
            architecture = repr(job.plain.model)
            if architecture not in known:  # FLOPs depend a little on how many boxes are proposed
                known[architecture] = _cost(model, self._paths[0])
            self.costs[job.arm] = known[architecture]
            self.found[job.title] = [_detect(model, path) for path in self._paths]

    def draw(self, titles: Iterable[str]) -> Figure:
        """The images, what is in them and what the runs of these titles detect, side by side."""
        columns = {title: self.found[title] for title in titles}
        return visualization.draw_detections(self._images, self._truths, columns, self._classes)

    def _load_images(self, config: Config, count: int) -> None:
        init_default_scope(config.get('default_scope', 'mmdet'))
        dataset = DATASETS.build(copy.deepcopy(config.val_dataloader.dataset))
        infos = [dataset.get_data_info(index) for index in range(min(count, len(dataset)))]
        self._paths = [info['img_path'] for info in infos]
        self._images = [mmcv.imread(path, channel_order='rgb') for path in self._paths]
        self._truths = [truth_of(info['instances']) for info in infos]
        self._classes = tuple(dataset.metainfo['classes'])


def truth_of(objects: Sequence[Setting]) -> Boxes:
    """Annotated boxes of an image, of the ``instances`` that its data set knows."""
    return Boxes(
        bboxes=np.array([entry['bbox'] for entry in objects], float).reshape(-1, 4),
        labels=np.array([entry['bbox_label'] for entry in objects], int),
        ignored=np.array([entry['ignore_flag'] for entry in objects], bool),
    )


def _detect(model: Detector, path: str) -> Boxes:
    found = inference_detector(model, path).pred_instances.cpu().numpy()
    return Boxes(found.bboxes, found.labels, found.scores)


def _cost(model: Detector, path: str) -> dict[str, int]:
    """Parameters, and multiply-adds of one image, proposals and all, as MMEngine counts them."""
    sample = inference_detector(copy.deepcopy(model), path)
    inputs = torch.zeros(1, 3, *sample.metainfo['batch_input_shape'])
    flops = count_flops(model, inputs, data_samples=[sample])
    return dict(parameters=count_parameters(model), flops=flops)


def imitation(jobs: Sequence[Job], images: int) -> dict[str, list[MaskedImage]]:
    """The imitation masks of each method that has one, on the same images, by ``arm: method``.

    The first run of each arm is looked at, on images of the validation split, not mirrored; a mask
    needs no trained weights. A method that imitates in the same cells as an earlier one is left
    out.
    """
    masked: dict[str, list[MaskedImage]] = {}
    for job in _first_of_each_arm(jobs):
        if not job.teacher:
            continue
        config = copy.deepcopy(job.config)
        for _, part in dataset_configs(config.train_dataloader.dataset):
            for transform in part.get('pipeline') or ():
                if str(transform.get('type', '')).endswith('RandomFlip'):
                    transform['prob'] = 0.0
        dataset = visualization.imitation_dataset(config, 'val')
        indices = range(min(images, len(dataset)))
        model = MODELS.build(dict(config.model))
        for name, method in model.distill.items():
            if not method.has_masks:
                continue
            np.random.seed(0)
            torch.manual_seed(0)
            key = job.title if name == job.arm else f'{job.title}: {name}'
            found = list(visualization.imitation_masks(model, method, dataset, indices))
            if not any(_same_cells(found, earlier) for earlier in masked.values()):
                masked[key] = found
    return masked


def _same_cells(first: Sequence[MaskedImage], second: Sequence[MaskedImage]) -> bool:
    masks = [[mask for image in side for mask in image.masks] for side in (first, second)]
    return len(masks[0]) == len(masks[1]) and all(map(np.array_equal, *masks))


def _first_of_each_arm(jobs: Sequence[Job]) -> list[Job]:
    return list({job.arm: job for job in reversed(jobs)}.values())[::-1]
