"""Quantization mimic (Wei et al., ECCV 2018)."""

from typing import Any

from torch import Tensor, nn

from mmkd.modules import Quantizer
from mmkd.observation import DetectorInfo
from mmkd.registry import MODELS
from mmkd.settings import check_flag
from mmkd.utils.errors import UserError

from .proposal_mimic import ProposalMimic
from .schedule import ScheduleSetting


@MODELS.register_module()
class QuantizationMimic(ProposalMimic):
    """Proposal mimic of quantized features: the student need only reach the same rounded value.

    Source: Yi Wei, Xinyu Pan, Hongwei Qin, Wanli Ouyang, Junjie Yan. Quantization Mimic: Towards
    Very Tiny CNN for Object Detection. ECCV 2018: ``L_m = 1 / (2 N) sum_i ||Q(f_T^i) -
    Q(r(f_S^i))||^2`` over RoIs, gradient straight through Q. The teacher's own features may be
    quantized in its training as well, see :class:`mmkd.QuantizedNeck`. What the paper leaves open
    is in ``docs/methods/quantization_mimic.md``.

    Args:
        step: Distance s of two quantized values, > 0, in units of the teacher's features.
            ``tools/calibrate_quantizer.py`` reports their range and suggests one.
        signed: Whether negative values are quantized too; None: where the teacher's map is not
            rectified. False there would turn half of the map into 0.
        quantize_student: Whether the adapted student is quantized.
        quantize_teacher: Whether the teacher is; both are in the paper, but for its ablation.
        loss_weight: Their lambda, or a schedule; 1 in the paper.
        kwargs: The other arguments of :class:`ProposalMimic`. Pooled regions are quantized after
            the pooling, regions that are cut out with the map.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        step: float = 1.0,
        signed: bool | None = None,
        quantize_student: bool = True,
        quantize_teacher: bool = True,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(loss_weight, name=name, **kwargs)
        check_flag('signed', signed, none=True)
        check_flag('quantize_student', quantize_student)
        check_flag('quantize_teacher', quantize_teacher)
        if not (quantize_student or quantize_teacher):
            raise UserError(
                'quantize_student and quantize_teacher are both False: that is ProposalMimic.'
            )
        self.step = Quantizer(step).step  # refused now, not when the levels are known
        self.signed = signed
        self.quantize_student = quantize_student
        self.quantize_teacher = quantize_teacher

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """As :class:`ProposalMimic`, and one quantizer per level pair."""
        super().setup(student, teacher)
        rectified = teacher.features.rectified
        self.quantizers = nn.ModuleList(
            Quantizer(self.step, not rectified[j] if self.signed is None else self.signed)
            for _, j in self.pairs
        )

    def compared(self, level: int, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """The two, quantized as the settings say."""
        quantizer = self.quantizers[level]
        return (
            quantizer(student) if self.quantize_student else student,
            quantizer(teacher) if self.quantize_teacher else teacher,
        )
