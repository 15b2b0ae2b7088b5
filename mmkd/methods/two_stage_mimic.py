"""Two-stage mimic (Li et al., CVPR 2017)."""

from torch import Tensor, nn

from mmkd.losses import ProposalMimicLoss
from mmkd.losses.functional import pooled_errors
from mmkd.modules import ConvAdapter
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_arguments, check_number
from mmkd.utils.errors import UserError

from .base import DistillMethod
from .head_samples import box_rows
from .proposal_mimic import ProposalMimic
from .schedule import ScheduleSetting

TERMS = ('feats', 'cls', 'bbox')


@MODELS.register_module()
class TwoStageMimic(DistillMethod):
    """Proposal mimic, and the second stage's pooled features and outputs on the same RoIs.

    Source: Quanquan Li, Shengying Jin, Junjie Yan. Mimicking Very Efficient Network for Object
    Detection. CVPR 2017, the two-stage mimic: a further L2 loss on the outputs of the detection
    head. The teacher's RoI head runs on the RoIs that the student sampled. What the paper leaves
    open is in ``docs/methods/proposal_mimic.md``.

    Each term is ``weight / (2 R) * sum over rows of ||student - teacher||^2 / m``, R the sampled
    RoIs of the batch. Boxes are compared on positive RoIs, in the columns of the row's class and
    the student's encoding.

    Args:
        loss_weight: Factor on all terms together, or a schedule.
        feats_weight: Of the pooled features (``bbox_feats``), through a 1x1 convolution; 0 leaves
            them out, as every weight here does.
        cls_weight: Of the class logits, background included. Their squares are large: with 1 the
            term begins at some ten times all other losses together.
        bbox_weight: Of the encoded boxes.
        normalize: m: the ``'elements'`` of a row, its ``'positions'`` (1 for outputs), or
            ``'none'``, 1.
        mimic: More arguments of :class:`ProposalMimic`, the first stage; ``dict(loss_weight=0)``
            leaves it out.
        name: Name in the log and the checkpoint; the terms' names begin with it.

    Raises:
        ValueError: An argument is out of range, ``mimic`` has one that ProposalMimic lacks, or
            every term is left out.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 1.0,
        feats_weight: float = 1.0,
        cls_weight: float = 0.05,
        bbox_weight: float = 1.0,
        normalize: str = 'elements',
        mimic: dict | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        weights = dict(zip(TERMS, (feats_weight, cls_weight, bbox_weight), strict=True))
        for term, weight in weights.items():
            check_number(f'{term}_weight', weight, '>= 0')
        check_arguments('mimic', {} if mimic is None else mimic, ProposalMimic)
        first = ProposalMimic(**{'name': f'{self.name}_proposals', **(mimic or {})})
        self.mimic = first if first.active else None
        self.losses = nn.ModuleDict(
            {
                term: ProposalMimicLoss(weight, normalize)
                for term, weight in weights.items()
                if weight
            }
        )
        if not self.losses and self.mimic is None:
            raise UserError(f'every term of {self.name} is left out: set a weight above 0.')
        heads = {'roi_head'} if self.losses else set()
        heads |= {'bbox_coder'} if 'bbox' in self.losses else set()
        self.student_fields, self.teacher_fields = (
            frozenset(getattr(self.mimic, f'{side}_fields', ())) | frozenset(heads)
            for side in ('student', 'teacher')
        )

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Sets up the first stage and builds the adaptation layer of the pooled features."""
        if self.mimic is not None:
            self.mimic.setup(student, teacher)
        self.adapter = None
        if 'feats' in self.losses:
            self.adapter = ConvAdapter(student.roi_head.channels, teacher.roi_head.channels)

    def init_weights(self) -> None:
        """Initialises the adapters of both stages."""
        for part in (self.mimic, self.adapter):
            if part is not None:
                part.init_weights()

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns the first stage's entries, and ``loss_<name>_feats``, ``_cls``, ``_bbox``."""
        found = {}
        if self.mimic is not None:
            found.update(self.mimic(student, teacher, batch))
        for term in self.losses:
            found[f'loss_{self.name}_{term}'] = getattr(self, f'_{term}')(student, teacher)
        return {
            key: value * self.loss_weight if 'loss' in key else value
            for key, value in found.items()
        }

    def _feats(self, student: Observation, teacher: Observation) -> Tensor:
        assert self.adapter is not None  # built in setup
        adapted = self.adapter(student.roi_head.bbox_feats)
        target = teacher.roi_head.bbox_feats.detach()
        bins = [tuple(side.shape[2:]) for side in (adapted, target)]
        if bins[0] != bins[1]:
            raise UserError(
                f"{self.name} compares pooled features, but the student's RoI extractor has "
                f"{bins[0]} bins and the teacher's {bins[1]}: give both the same output_size, or "
                'set feats_weight=0.'
            )
        return self.losses['feats'](errors=pooled_errors(adapted, target))

    def _cls(self, student: Observation, teacher: Observation) -> Tensor:
        errors = pooled_errors(student.roi_head.cls_score, teacher.roi_head.cls_score.detach())
        return self.losses['cls'](errors=errors)

    def _bbox(self, student: Observation, teacher: Observation) -> Tensor:
        rows = box_rows('roi_head', student, teacher)
        errors = pooled_errors(rows.student, rows.teacher)
        return self.losses['bbox'](errors=errors, avg_factor=rows.avg_factor)
