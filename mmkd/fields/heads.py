"""What fields of heads share: finding heads, their outputs and anchors, and comparing settings."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.dense_heads import GuidedAnchorHead
from mmdet.models.roi_heads.bbox_heads import (
    DoubleConvFCBBoxHead,
    MultiInstanceBBoxHead,
    SABLHead,
)
from mmdet.structures import DetDataSample
from mmdet.structures.mask import mask2bbox
from torch import Tensor, nn

from mmkd.observation import HeadInfo, Observation
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Head

from .field import Field, Query, Recorder, as_tensor, evaluating, recording


def dense_head(detector: Detector) -> Any:
    """The head that answers on every cell: the RPN, or a one-stage detector's head; or None."""
    return getattr(detector, 'rpn_head', None) or getattr(detector, 'bbox_head', None)


def plain_roi_head(detector: Detector) -> Any:
    """The RoI head, if it has one box head that says classes and deltas of each RoI; else None."""
    roi_head = getattr(detector, 'roi_head', None)
    head = getattr(roi_head, 'bbox_head', None)
    others = (nn.ModuleList, DoubleConvFCBBoxHead, MultiInstanceBBoxHead, SABLHead)
    plain = isinstance(head, nn.Module) and not isinstance(head, others)
    plain = plain and getattr(head, 'with_reg', True)  # a grid head finds the boxes of Grid R-CNN
    return roi_head if plain else None


def class_count(detector: Detector) -> int | None:
    """Foreground classes of a detector; None where its head does not say."""
    head = getattr(detector, 'bbox_head', None)
    if head is None:
        head = getattr(getattr(detector, 'roi_head', None), 'bbox_head', None)
    if isinstance(head, nn.ModuleList):
        head = head[-1]
    return getattr(head, 'num_classes', None)


def is_sigmoid(head: Head) -> bool:
    """Whether a head's classes are sigmoids."""
    return bool(getattr(getattr(head, 'loss_cls', None), 'use_sigmoid', False))


def head_info(head: Head, **entries: Any) -> HeadInfo:
    """The description of a head; ``entries`` are more of its attributes."""
    return HeadInfo(is_sigmoid(head), bool(getattr(head, 'reg_decoded_bbox', False)), **entries)


@FIELDS.register_module()
class Outputs(Field):
    """What the RPN, or a one-stage detector's head, returned: by kind and level, as it does."""

    name = 'outputs'
    words = 'outputs of a head on every cell'

    def offered(self, detector: Detector) -> bool:
        """Detectors whose RPN is one network, or whose one-stage head has priors."""
        head = dense_head(detector)
        if getattr(detector, 'rpn_head', None) is not None:
            # A cascade of RPNs, or boxes that are learned, have no forward pass of their own.
            return type(head).forward is not nn.Module.forward
        return getattr(head, 'prior_generator', None) is not None

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps what the head returns first."""
        if recorder.once(self.name):
            recorder.on_forward(
                dense_head(detector), lambda args, out: recorder.first(self.name, out)
            )

    def teacher(self, observation: Observation, query: Query) -> Any:
        """Runs the head."""
        outputs = dense_head(query.model)(observation.features)
        levels = [level for kind in outputs for level in kind if isinstance(level, Tensor)]
        query.watch('rpn' if hasattr(query.model, 'rpn_head') else 'dense', levels)
        return outputs


def record_anchors(detector: Detector, recorder: Recorder) -> None:
    """Keeps ``anchors``: the anchors, and which are valid, by image and level."""

    def keep(args: tuple, out: tuple) -> None:
        anchor_list, valid_list = out
        # New outer and inner lists: some heads overwrite the entries of those they are given.
        anchors = [[as_tensor(level) for level in image] for image in anchor_list]
        recorder.first('anchors', (anchors, [list(image) for image in valid_list]))

    head = dense_head(detector)
    if hasattr(head, 'get_anchors') and recorder.once('anchors'):
        recorder.on_method(head, 'get_anchors', keep)


@torch.no_grad()
def best_boxes(
    detector: Detector, features: Sequence[Tensor], metas: Sequence[dict]
) -> list[Tensor]:
    """Per image (P, 4): what a one-stage detector predicts, best first.

    As in evaluation, whatever its mode: outputs of many heads are in other units while they train.
    With the head's test settings, but no box is dropped for a low score; masks are.

    Args:
        detector: A detector with a ``bbox_head`` or a ``mask_head``.
        features: What the head sees.
        metas: Metainfo of each image.
    """
    head = _predictor(detector)
    samples = [DetDataSample(metainfo={**meta, **_in_pixels_of(meta)}) for meta in metas]
    with recording() as recorder, evaluating(detector):
        if getattr(detector, 'bbox_head', None) is not None:  # masks of all cells are too many
            recorder.set(head, 'test_cfg', _with_low_scores(head))
        if hasattr(detector, 'forward_transformer'):
            inputs = detector.forward_transformer(features, samples)
            found = head.predict(**inputs, rescale=False, batch_data_samples=samples)
        else:
            found = head.predict(features, samples, rescale=False)
    return [
        mask2bbox(one.masks).to(one.scores) if 'masks' in one else as_tensor(one.bboxes)
        for one in found
    ]


@torch.no_grad()
def proposed_boxes(rpn_head: Head, outputs: Any, metas: Sequence[dict]) -> list[Tensor]:
    """Per image (P, 4): what an RPN in eval mode proposes after NMS, best first.

    Args:
        rpn_head: The head.
        outputs: What it returned.
        metas: Metainfo of each image.
    """
    found = rpn_head.predict_by_feat(
        *outputs, batch_img_metas=list(metas), cfg=_with_low_scores(rpn_head)
    )
    return [as_tensor(result.bboxes) for result in found]


def _with_low_scores(head: Head) -> Any:
    """Test settings of a head, with at most 1000 boxes, where a threshold would drop some."""
    settings = copy.deepcopy(head.test_cfg)
    if 'score_thr' in settings:
        settings.update(score_thr=0.0, max_per_img=1000)
    return settings


def _predictor(detector: Detector) -> Any:
    """The head that predicts boxes or masks of the images of a batch together, or None."""
    heads = (getattr(detector, name, None) for name in ('bbox_head', 'mask_head'))
    head = next((head for head in heads if hasattr(head, 'predict')), None)
    return None if isinstance(head, GuidedAnchorHead) else head  # evaluates one image at a time


def predicts_boxes(detector: Detector) -> bool:
    """Whether :func:`best_boxes` can be had from a detector."""
    other = any(hasattr(detector, part) for part in ('roi_head', 'language_model'))
    return not other and _predictor(detector) is not None


def _in_pixels_of(meta: dict) -> dict:
    """What keeps predictions in pixels of the network's input."""
    return dict(ori_shape=meta['img_shape'], scale_factor=(1.0, 1.0), border=(0.0,) * 4)


def check_activation(place: str, student: Head, teacher: Head) -> None:
    """Refuses heads whose class outputs mean different things.

    Raises:
        ValueError: One is a softmax and the other sigmoids, or columns are no classes.
    """
    first, second = ('sigmoid' if is_sigmoid(head) else 'softmax' for head in (student, teacher))
    if first != second:
        raise UserError(
            f'{place}.loss_cls differs: {first} for the student, {second} for the teacher '
            '(use_sigmoid); their logits cannot be compared. Give both heads the same.'
        )
    for role, head in (('student', student), ('teacher', teacher)):
        if getattr(head, 'custom_cls_channels', False):
            raise UserError(
                f'{place}.loss_cls of the {role} is {type(head.loss_cls).__name__}, whose columns '
                'are not classes: its outputs cannot be compared. Use a cross entropy loss.'
            )


def check_classes(student: Detector, teacher: Detector) -> None:
    """Refuses detectors of another number of classes.

    Raises:
        ValueError: Gives both numbers.
    """
    first, second = class_count(student), class_count(teacher)
    if first != second:
        raise UserError(
            f'num_classes is {first} for the student and {second} for the teacher: both must be '
            'trained on the same class list.'
        )


def check_anchors(place: str, student: Head, teacher: Head, factor: int, remedy: str = '') -> None:
    """Refuses dense heads whose anchors differ, after scaling where images do.

    Args:
        place: Setting of the heads, for the error.
        student: The student's head.
        teacher: The teacher's.
        factor: Side of the teacher's images over that of the student's.
        remedy: What else to do.

    Raises:
        ValueError: Gives both sides' anchors or strides.
    """
    for what, read in (
        ('base anchors', _base_anchors),
        ('strides', _anchor_strides),
        ('offset', _point_offset),
    ):
        first, second = read(student, 1), read(teacher, factor)
        if first != second:
            raise UserError(
                f'{place}.anchor_generator differs: {what} {first} for the student, {second} for '
                f'the teacher; outputs can only be compared on the same anchors.{remedy}'
            )


def _base_anchors(head: Head, factor: int) -> list:
    levels = getattr(head.prior_generator, 'base_anchors', [])
    return [(level / factor).round(decimals=2).tolist() for level in levels]


def _anchor_strides(head: Head, factor: int) -> list:
    return [
        tuple(round(side / factor, 2) if side % factor else side // factor for side in stride)
        for stride in head.prior_generator.strides
    ]


def _point_offset(head: Head, factor: int) -> float | None:
    return getattr(head.prior_generator, 'offset', None)
