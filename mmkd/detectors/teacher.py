"""A frozen teacher: in no checkpoint, no optimizer, no parameter list, no gradient bucket."""

from collections.abc import Callable

from torch import Tensor

from mmkd.compat import load_checkpoint_file

from .spec import ResolvedSpec, build_detector
from .weights import load_strictly, student_keys


class Teacher:
    """A frozen detector, and where its weights come from.

    It is no ``nn.Module``, so that a detector that holds it does not own its weights; a deep copy
    (as EMA makes) shares it.

    Args:
        spec: Config and checkpoint.

    Attributes:
        model: The frozen detector, in eval mode.
        checkpoint: Path or URL of its weights, or None for a teacher given without any.
        specialist: Class names that the setting ``classes`` declares, or None: the teacher knows
            these of the student's classes alone.
        classes: Class names that its checkpoint holds, else those declared, or None; known after
            :meth:`load`.
    """

    def __init__(self, spec: ResolvedSpec) -> None:
        self.model = build_detector(spec).eval().requires_grad_(False)
        self.source = spec.source
        self.checkpoint = spec.checkpoint
        self.specialist = spec.classes
        self.classes: tuple[str, ...] | None = spec.classes

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    def apply_to_tensors(self, function: Callable[[Tensor], Tensor]) -> None:
        """Follows the student's ``.to()``, ``.cuda()`` or ``.half()``."""
        self.model._apply(function)

    def load(self) -> None:
        """Reads the checkpoint; a file that holds a distilled student serves as well.

        A :class:`FeatureTeacher` may take its weights from ``init_cfg`` instead.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: No checkpoint is set, it cannot be read, or its weights do not fit; names
                the file and the keys.
        """
        if self.checkpoint is None and getattr(self.model, 'pretrained', False):
            self.model.init_weights()
            return
        if self.checkpoint is None:
            raise ValueError(
                f'teacher: {self.source} comes without weights, and an untrained teacher teaches '
                'noise. Set teacher=dict(config=..., checkpoint=...).'
            )
        checkpoint = load_checkpoint_file(self.checkpoint, map_location='cpu')
        state = student_keys(checkpoint.get('state_dict', checkpoint))
        load_strictly(self.model, state, f'teacher checkpoint {self.checkpoint}', self.source)
        meta = checkpoint.get('meta', {}).get('dataset_meta') or {}
        if meta.get('classes'):
            self.classes = tuple(meta['classes'])
        if self.specialist is not None and self.classes != self.specialist:
            raise ValueError(
                f'teacher: classes={list(self.specialist)} differ from those that the checkpoint '
                f'{self.checkpoint} was trained on, {list(self.classes or ())}: list these, in '
                'their order.'
            )
