"""Fine-grained feature imitation (Wang et al., CVPR 2019)."""

from collections.abc import Sequence

from mmkd.registry import MODELS
from mmkd.settings import check_flag, check_number
from mmkd.utils.errors import UserError

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


@MODELS.register_module()
class FGFI(FeatureMethod):
    """The student imitates the teacher's features in the cells near objects.

    Source: Tao Wang, Li Yuan, Xiaopeng Zhang, Jiashi Feng. Distilling Object Detectors with
    Fine-grained Feature Imitation. CVPR 2019, sections 3.2 and 3.3; constants from the official
    code. Deviations, each with its reason, are in ``docs/methods/fgfi.md``.

    Args:
        loss_weight: Their lambda; 0.01 in the official code. Begin where the logged ``loss_fgfi``
            is about as large as the detection losses.
        psi: Threshold factor in [0, 1].
        max_over: Where the best IoU of a box is sought: ``'all'`` levels, each ``'level'``, or the
            ``'assigned'`` level alone, which measured best (``docs/methods/fgfi.md``). The three
            agree on a single map.
        adapt_relu: Whether the adaptation layers end in a ReLU; None: where the teacher's map is
            itself rectified.
        warmup_iters: Iterations at the start of training in which the loss counts 0; 400 in the
            official code. Short for a schedule of ``loss_weight``; give one or the other.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        anchor_generator: Config of the anchors that define "near", over all student levels. By
            default those of the student's RPN or dense head; one square of 8 strides a cell for
            heads that have points.
        aligner: Changes or replaces the :class:`FeatureAligner`, a 3x3 convolution a level.
        region: Changes or replaces the :class:`ImitationRegion`.
        loss: Changes or replaces the :class:`ImitationLoss`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 0.01,
        psi: float = 0.5,
        max_over: str = 'assigned',
        adapt_relu: bool | None = None,
        warmup_iters: int = 0,
        levels: Sequence[Sequence[int]] | None = None,
        anchor_generator: dict | None = None,
        aligner: dict | None = None,
        region: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        check_flag('adapt_relu', adapt_relu, none=True)
        adapter = dict(type='mmkd.ConvAdapter', kernel_size=3, relu=adapt_relu, init_std=1e-4)
        super().__init__(
            _delayed(loss_weight, warmup_iters),
            name,
            aligner=part(
                'aligner', aligner, type='mmkd.FeatureAligner', adapter=adapter, levels=levels
            ),
            region=part(
                'region',
                region,
                type='mmkd.ImitationRegion',
                psi=psi,
                max_over=max_over,
                anchor_generator=anchor_generator,
            ),
            loss=part('loss', loss, type='mmkd.ImitationLoss'),
        )


def _delayed(loss_weight: ScheduleSetting, iterations: int) -> ScheduleSetting:
    check_number('warmup_iters', iterations, '>= 0', whole=True)
    if not iterations:
        return loss_weight
    if not isinstance(loss_weight, (int, float)):
        raise UserError(
            f'warmup_iters={iterations} needs loss_weight to be a number, got {loss_weight}: put '
            "the warm-up into the schedule, dict(type='constant', value=0) as its first piece."
        )
    return [
        dict(type='constant', value=0.0),
        dict(type='constant', value=loss_weight, begin=iterations, by_epoch=False),
    ]
