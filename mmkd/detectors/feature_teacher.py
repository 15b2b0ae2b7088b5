"""A backbone alone as a teacher of features."""

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from mmkd.compat import load_checkpoint_file
from mmkd.detectors.checkpoint_keys import misfit_report
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError


@MODELS.register_module()
class FeatureTeacher(BaseModule):
    """A backbone, and a neck if there is one, that teaches what feature methods compare.

    ``teacher=dict(type='mmkd.FeatureTeacher', backbone=...)``; its weights come from a checkpoint,
    ``teacher=dict(config=dict(type='mmkd.FeatureTeacher', ...), checkpoint=...)``, or from the
    ``init_cfg`` of the backbone. One with a neck needs the checkpoint.

    Args:
        backbone: Config of the backbone; several maps come from its ``out_indices``.
        neck: Config of the neck.
        data_preprocessor: The images that it was trained on, as of a detector; None: those of the
            student.
        init_cfg: As of every module of MMEngine.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone)
        if neck is not None:
            self.neck = MODELS.build(neck)
        self.data_preprocessor = None
        if data_preprocessor is not None:
            self.data_preprocessor = MODELS.build(data_preprocessor)

    @property
    def with_neck(self) -> bool:
        """Whether it has a neck."""
        return hasattr(self, 'neck')

    @property
    def pretrained(self) -> bool:
        """Whether its own settings give it weights that were trained."""
        given = getattr(self.backbone, 'pretrained', False) or self._file is not None
        return bool(given) and not self.with_neck  # those of a neck come from a checkpoint alone

    @property
    def _file(self) -> Any:
        found = getattr(self.backbone, 'init_cfg', None)
        return found.get('checkpoint') if isinstance(found, dict) else None

    def init_weights(self) -> None:
        """MMEngine's, but pretrained weights that lack or do not fit a part are an error.

        Raises:
            ValueError: Names the keys.
        """
        super().init_weights()
        if self._file is None:
            return
        state = load_checkpoint_file(self._file)
        prefix = self.backbone.init_cfg.get('prefix', '')
        prefix += '.' * bool(prefix and not prefix.endswith('.'))
        own = self.backbone.state_dict()
        given = {k.removeprefix(prefix): v for k, v in state.get('state_dict', state).items()}
        report = misfit_report(own, {key: given[key] for key in own if key in given})
        if report:
            raise UserError(
                f'teacher: {self._file} does not fit the backbone:\n{report}\n'
                'Give the file of this backbone, or its prefix.'
            )

    def extract_feat(self, inputs: Tensor) -> Any:
        """(B, 3, H, W) -> maps."""
        maps = self.backbone(inputs)
        return self.neck(maps) if self.with_neck else maps
