"""Which channels of a teacher tell the classes: the lists of ``mmkd.NeuronSelection``."""

from collections.abc import Callable

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor
from torchvision.ops import roi_align

from mmkd.engine.commands.calibration import teacher_maps
from mmkd.engine.diagnose.sample import training_batches
from mmkd.losses.functional import select_neurons
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError


@torch.no_grad()
def choose_channels(
    cfg: Config,
    num: int = 64,
    ratio: float = 0.824,
    device: str = 'cpu',
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[list[int]]:
    """The channels of each level of the teacher whose response to objects tells their class.

    A response is the mean over the aligned region of a ground-truth box. Related attributes are the
    classes; unrelated ones size, shape, place in the image, and its brightness.

    Args:
        cfg: The whole config.
        num: Images, about; at most eight batches, evenly spread over the split.
        ratio: Share of the channels to keep, in (0, 1].
        device: Where to run.
        progress: Told the batches done and their number.

    Raises:
        ValueError: The config distils nothing, or no object was seen.
    """
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    np.random.seed(0)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    pair = next(iter(model.pairs.values()))
    pair.teacher.load()
    model.to(device)
    batches = training_batches(cfg, model, num)
    responses: list[list[Tensor]] = []
    boxes, labels, brightness = [], [], []
    for done, batch in enumerate(batches):
        progress(done, len(batches))
        maps = teacher_maps(pair, batch)
        inputs = batch['inputs']
        gts = [sample.gt_instances.bboxes for sample in batch['data_samples']]
        gts = [getattr(gt, 'tensor', gt).float().cpu() for gt in gts]
        side = inputs.shape[-1]
        responses.append([
            roi_align(level, gts, 7, level.shape[-1] / side, aligned=True).mean(dim=(2, 3))
            for level in maps
        ])  # fmt: skip
        relative = torch.tensor([inputs.shape[-1], inputs.shape[-2]] * 2)
        boxes += [gt / relative for gt in gts]
        labels += [sample.gt_instances.labels.cpu() for sample in batch['data_samples']]
        means = inputs.float().mean(dim=(1, 2, 3)).cpu()
        brightness += [mean.expand(len(gt)) for mean, gt in zip(means, gts, strict=True)]
    progress(len(batches), len(batches))
    related, unrelated = _attributes(torch.cat(boxes), torch.cat(labels), torch.cat(brightness))
    if not len(related):
        raise UserError(f'no object in the {num} images that were looked at: raise --num.')
    columns = related.shape[1]
    attributes = torch.cat([related, unrelated], dim=1)
    places = list(range(columns, attributes.shape[1])), list(range(columns))
    return [
        select_neurons(torch.cat(level), attributes, *places, ratio)
        for level in zip(*responses, strict=True)
    ]


def _attributes(boxes: Tensor, labels: Tensor, brightness: Tensor) -> tuple[Tensor, Tensor]:
    """(S, K) of the classes that occur, and (S, J) of what says nothing of the class."""
    classes = labels.unique()
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    size = (width * height).sqrt()
    thirds = size.quantile(torch.tensor([1 / 3, 2 / 3])) if len(size) else size.new_zeros(2)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    unrelated = [
        size < thirds[0],
        (size >= thirds[0]) & (size < thirds[1]),
        size >= thirds[1],
        width > height,
        ((centre - 0.5).abs() > 0.25).any(dim=1),
        brightness > (brightness.median() if len(brightness) else 0),
    ]
    return labels[:, None] == classes[None], torch.stack(unrelated, dim=1)
