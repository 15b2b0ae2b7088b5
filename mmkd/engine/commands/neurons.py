"""Which channels of a teacher tell the classes: the lists of ``mmkd.NeuronSelection``."""

from collections.abc import Callable, Iterable

import torch
from mmengine.config import Config
from torch import Tensor
from torchvision.ops import roi_align

from mmkd.engine.commands.calibration import teacher_and_batches, teacher_maps
from mmkd.losses.functional import select_neurons
from mmkd.settings import check_number
from mmkd.utils.errors import UserError


@torch.no_grad()
def choose_channels(
    cfg: Config,
    num: int = 64,
    ratio: float = 0.824,
    device: str = 'cpu',
    track: Callable[[list[dict]], Iterable[dict]] = iter,
) -> list[list[int]]:
    """The channels of each level of the teacher whose response to objects tells their class.

    A response is the mean over the aligned region of a ground-truth box. Related attributes are the
    classes; unrelated ones size, shape, place in the image, and its brightness. ``ratio`` is the
    share of the channels to keep, in (0, 1]; the other arguments are as for :func:`calibrate`.

    Raises:
        ValueError: The config distils nothing, ``ratio`` is out of range, or the objects that were
            seen have fewer than two classes.
    """
    check_number('--ratio', ratio, '(0, 1]')
    _, pair, batches = teacher_and_batches(cfg, num, device)
    responses: list[list[Tensor]] = []
    boxes, labels, brightness = [], [], []
    for batch in track(batches):
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
    related, unrelated = _attributes(torch.cat(boxes), torch.cat(labels), torch.cat(brightness))
    if related.shape[1] < 2:
        raise UserError(
            f'objects of {related.shape[1]} classes in the {num} images, and channels are chosen '
            'by how they tell classes: raise --num, or take data of two classes.'
        )
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
