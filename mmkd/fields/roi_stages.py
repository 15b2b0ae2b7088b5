"""The field ``roi_stages``: each stage of a cascade, on the student's RoIs of that stage."""

from typing import Any

from mmdet.models.roi_heads import CascadeRoIHead

from mmkd.observation import HeadInfo, Observation, RoIOutput
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Entries

from .field import DryRun, Field, Query, Recorder
from .heads import check_activation, check_classes, head_info
from .roi_head import record_stage


@FIELDS.register_module()
class RoIStages(Field):
    """Per stage a :class:`mmkd.observation.RoIOutput`, of cascades.

    The teacher's stage answers on the RoIs that the student refined up to that stage. Described by
    one :class:`mmkd.observation.HeadInfo` a stage.
    """

    name = 'roi_stages'
    words = 'stages of a cascade'
    of_classes = True
    needs = frozenset({name})

    def offered(self, detector: Detector) -> bool:
        """Detectors with a plain cascade: each stage reads features and RoIs and nothing else.

        All stages say the same of a RoI, classes and boxes.
        """
        head: Any = getattr(detector, 'roi_head', None)
        if getattr(type(head), '_bbox_forward', None) is not CascadeRoIHead._bbox_forward:
            return False
        return len({head_info(stage) for stage in head.bbox_head}) == 1

    def describe(self, detector: Detector, run: DryRun) -> list[HeadInfo]:
        """What kind of head each stage is, and what it reads."""
        head = detector.roi_head
        return [
            head_info(
                box_head,
                channels=head._bbox_forward(stage, tuple(run.maps), run.roi)['bbox_feats'].shape[1],
                levels=getattr(head.bbox_roi_extractor[stage], 'num_inputs', None),
            )
            for stage, box_head in enumerate(head.bbox_head)
        ]

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps RoIs, inputs, outputs and targets of each stage."""
        head = detector.roi_head
        for stage, parts in enumerate(zip(head.bbox_roi_extractor, head.bbox_head, strict=True)):
            record_stage(recorder, f'{self.name}.{stage}', *parts)

    def student(self, detector: Detector, seen: Entries) -> list[RoIOutput]:
        """With targets, of the stages that ran: a cascade ends where no box is left to refine."""
        stages = [seen[f'{self.name}.{i}'] for i in range(detector.roi_head.num_stages)]
        weights = detector.roi_head.stage_loss_weights
        return [
            RoIOutput(**stage, loss_weight=weight)
            for stage, weight in zip(stages, weights, strict=False)
            if stage
        ]

    def teacher(self, observation: Observation, query: Query) -> list[RoIOutput]:
        """On the same RoIs, stage by stage."""
        found = []
        for stage, student in enumerate(query.student.roi_stages):
            rois = query.view.to_teacher(student.rois)
            out = query.model.roi_head._bbox_forward(stage, observation.features, rois)
            query.watch(self.name, [out['cls_score'], out['bbox_pred']])
            found.append(
                RoIOutput(student.rois, out['bbox_feats'], out['cls_score'], out['bbox_pred'])
            )
        return found

    def check(self, student: Detector, teacher: Detector, factor: int) -> None:
        """Numbers of stages and classes, and each stage's activation, agree."""
        check_classes(student, teacher)
        first, second = (side.roi_head.bbox_head for side in (student, teacher))
        if len(first) != len(second):
            raise UserError(
                f'roi_head.num_stages is {len(first)} for the student and {len(second)} for the '
                'teacher: stages are compared one by one, so both need as many.'
            )
        for stage, heads in enumerate(zip(first, second, strict=True)):
            check_activation(f'roi_head.bbox_head.{stage}', *heads)
