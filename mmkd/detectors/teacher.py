"""The frozen teacher: in no checkpoint, no optimizer, no parameter list, no gradient bucket."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.logging import MessageHub, MMLogger
from torch import Tensor

from mmkd.compat import class_difference, class_names, load_checkpoint_file
from mmkd.observation import Batch, Observation, RoIOutput, RPNOutput

from .finite import FiniteWatch
from .pixels import PixelConverter
from .recorder import best_boxes, dense_head, offered_fields
from .spec import ResolvedSpec, build_detector
from .two_sizes import Shrink
from .weights import load_strictly, student_keys


class Teacher:
    """A detector that answers on the student's terms, and only what it is asked.

    It is no ``nn.Module``, so that a detector that holds it does not own its weights; a deep copy
    (as EMA makes) shares it.

    Args:
        spec: Config and checkpoint.

    Attributes:
        model: The frozen detector, in eval mode.
        checkpoint: Path or URL of its weights, or None for a teacher given without any.
        classes: Class names that its checkpoint holds, or None; known after :meth:`load`.
        fields: Names of the :class:`Observation` fields that it offers.
    """

    def __init__(self, spec: ResolvedSpec) -> None:
        self.model = build_detector(spec).eval().requires_grad_(False)
        self.source = spec.source
        self.checkpoint = spec.checkpoint
        self.classes: tuple[str, ...] | None = None
        self.fields = offered_fields(self.model) - {'priors'}
        self.to_pixels: PixelConverter | None = None
        self.shrink: Shrink | None = None
        self.finite = FiniteWatch(f'{spec.source} (checkpoint {spec.checkpoint})')

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    def apply_to_tensors(self, function: Callable[[Tensor], Tensor]) -> None:
        """Follows the student's ``.to()``, ``.cuda()`` or ``.half()``."""
        self.model._apply(function)
        if self.to_pixels is not None:
            self.to_pixels._apply(function)

    def load(self) -> None:
        """Reads the checkpoint; a file that holds a distilled student serves as well.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: No checkpoint is set, it cannot be read, or its weights do not fit; names
                the file and the keys.
        """
        if self.checkpoint is None:
            raise ValueError(
                f'teacher: {self.source} comes without weights, and an untrained teacher teaches '
                'noise. Set teacher=dict(config=..., checkpoint=...).'
            )
        checkpoint = load_checkpoint_file(self.checkpoint, map_location='cpu')
        state = student_keys(checkpoint.get('state_dict', checkpoint))
        load_strictly(self.model, state, f'teacher checkpoint {self.checkpoint}', self.source)
        self.classes = class_names(checkpoint)
        if self.classes is None:
            text = f'teacher checkpoint {self.checkpoint} names no classes: their order is'
            MMLogger.get_current_instance().info(f'{text} not checked.')

    def check_classes(self, data: Sequence[str]) -> None:
        """Refuses to teach under other labels; a checkpoint that names no classes is not checked.

        Args:
            data: Class names of the training data, by label.

        Raises:
            ValueError: The checkpoint's names or their order differ; shows both lists.
        """
        found = class_difference(self.classes, data) if self.classes else None
        if found is not None:
            raise ValueError(
                f'the teacher {self.checkpoint} {found.text}: give the data set the same '
                'metainfo.classes in the same order, or train a teacher on this list.'
            )

    def check_run(self) -> None:
        """:meth:`check_classes` with the data of MMEngine's runner, if one is training."""
        hub = MessageHub.get_current_instance()
        if hub.get_info('loop_stage') == 'train':  # else it may remember an earlier run's data
            classes = hub.get_info('dataset_meta', {}).get('classes')
            if classes:
                self.check_classes(classes)

    @torch.no_grad()
    def predict(self, inputs: Tensor, samples: list, rescale: bool = True) -> list:
        """Its own detections.

        Args:
            inputs: (B, 3, H, W) as the student's data preprocessor made them.
            samples: B ``DetDataSample``, which get ``pred_instances``.
            rescale: Whether boxes are in pixels of the original image.
        """
        if self.to_pixels is not None:
            inputs = self.to_pixels(inputs, [sample.metainfo for sample in samples])
        return self.model.predict(inputs, samples, rescale=rescale)

    def observe(self, inputs: Tensor, batch: Batch, student: Observation) -> Observation:
        """What the teacher says on the same images, and on the student's anchors and RoIs.

        Args:
            inputs: (B, 3, H, W) as the student's data preprocessor made them.
            batch: The same batch; its metas say where the padding is.
            student: The student's observation, whose RoIs and anchors the teacher answers on.

        Returns:
            Fields are computed, without gradient and in eval mode, when they are first read.

        Raises:
            ValueError: When a field is read, or on a GPU with the next batch: it is not finite.
        """
        model = self.model
        self.finite.check()

        def stages(_: Observation) -> tuple[Tensor, ...]:
            pixels = inputs if self.to_pixels is None else self.to_pixels(inputs, batch.metas)
            maps = model.backbone(pixels)
            maps = tuple(maps) if isinstance(maps, (tuple, list)) else (maps,)
            self.finite.look('backbone', maps, batch.step)
            return maps

        def levels(seen: Observation) -> Sequence[Tensor]:
            if not model.with_neck:
                return seen.backbone
            maps = tuple(model.neck(seen.backbone))
            self.finite.look('features', maps, batch.step)
            return maps

        def dense(seen: Observation) -> Any:
            outputs = dense_head(model)(seen.features)  # type: ignore[misc]
            levels = [level for kind in outputs for level in kind if isinstance(level, Tensor)]
            self.finite.look('rpn' if 'rpn' in self.fields else 'dense', levels, batch.step)
            return outputs

        def rpn(seen: Observation) -> RPNOutput:
            cls_score, bbox_pred = seen.dense[:2]
            return RPNOutput(cls_score, bbox_pred, student.rpn.anchors)

        def proposals(seen: Observation) -> list[Tensor]:
            boxes = best_boxes(model, seen.dense, batch.metas)
            return boxes if self.shrink is None else [self.shrink.to_small(box) for box in boxes]

        def rois(seen: Observation) -> RoIOutput:
            boxes = student.rois.rois
            own = boxes if self.shrink is None else self.shrink.to_large(boxes)
            out = model.roi_head._bbox_forward(seen.features, own)
            self.finite.look('rois', [out['cls_score'], out['bbox_pred']], batch.step)
            return RoIOutput(boxes, out['bbox_feats'], out['cls_score'], out['bbox_pred'])

        # Not inference_mode: its tensors cannot be saved for the backward pass of the losses.
        quietly = torch.no_grad()
        sources: dict[str, Callable[[Observation], Any]] = {
            'backbone': quietly(stages),
            'features': quietly(levels),
        }
        if dense_head(model) is not None:
            sources['dense'] = quietly(dense)
        if 'proposals' in self.fields:
            sources['proposals'] = quietly(proposals)
        if 'rpn' in self.fields:
            sources['rpn'] = quietly(rpn)
            sources['rpn_bbox_coder'] = lambda _: model.rpn_head.bbox_coder
        if 'rois' in self.fields:
            sources['rois'] = quietly(rois)
            sources['bbox_coder'] = lambda _: model.roi_head.bbox_head.bbox_coder
        return Observation(**sources)
