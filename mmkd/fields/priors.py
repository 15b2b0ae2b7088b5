"""The field ``priors``: the anchors of an RPN or a one-stage head."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmkd.observation import Observation, Priors
from mmkd.registry import FIELDS
from mmkd.utils.errors import UserError
from mmkd.utils.types import Detector, Entries

from .features import Features
from .field import Field, Query, Recorder, as_tensor
from .heads import dense_head, record_anchors


@FIELDS.register_module()
class PriorsField(Field):
    """A :class:`mmkd.observation.Priors`: anchors on ``features``, and which are in an image."""

    name = 'priors'
    words = 'anchors'
    needs = frozenset({name})

    def offered(self, detector: Detector) -> bool:
        """Detectors whose dense head has anchors, not points."""
        generator = getattr(dense_head(detector), 'prior_generator', None)
        return hasattr(generator, 'base_anchors')

    def record(self, detector: Detector, recorder: Recorder) -> None:
        """Keeps the anchors, and the maps that they lie on."""
        Features().record(detector, recorder)
        record_anchors(detector, recorder)

    def student(self, detector: Detector, seen: Entries) -> Priors:
        """The anchors that the head's loss made, or else those of its generator."""
        features = Features().student(detector, seen)
        if 'anchors' in seen:
            anchors, valid = seen['anchors']
            flags = [torch.stack(level) for level in zip(*valid, strict=True)]
            return _on_every_map(Priors(anchors[0], flags), features)
        generator = dense_head(detector).prior_generator
        sizes = [tuple(level.shape[-2:]) for level in features]
        anchors = [as_tensor(a) for a in generator.grid_priors(sizes, device=features[0].device)]
        everywhere = [a.new_ones(len(features[0]), len(a), dtype=torch.bool) for a in anchors]
        return Priors(anchors, everywhere)

    def teacher(self, observation: Observation, query: Query) -> Priors:
        """The student's: the teacher answers on them."""
        return query.student.priors

    def combine(self, values: Sequence[Priors], names: Sequence[str]) -> Priors:
        """The student's, which all answer on."""
        return values[0]


def _on_every_map(priors: Priors, features: tuple[Tensor, ...]) -> Priors:
    """An RPN that reads one of several maps has its anchors on each: the maps share a grid."""
    maps = len(features)
    if len(priors.anchors) != 1 or maps == 1:
        return priors
    sizes = [tuple(level.shape[-2:]) for level in features]
    if len(set(sizes)) > 1:
        raise UserError(
            f'The RPN reads one map of several, of sizes {sizes}: its anchors do not lie on the '
            'grids of the others. Give the maps one stride, or the RPN all of them.'
        )
    return Priors(priors.anchors * maps, priors.valid * maps)
