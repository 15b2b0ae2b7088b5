"""A frozen teacher: in no checkpoint, no optimizer, no parameter list, no gradient bucket."""

import copy
from collections.abc import Callable, Sequence
from itertools import chain

from mmengine.logging import MMLogger
from torch import Tensor, nn

from mmkd.compat import class_difference, class_names, load_checkpoint_file
from mmkd.detectors.cache import FeatureCache
from mmkd.detectors.checkpoint_keys import load_strictly, student_keys
from mmkd.detectors.detector_source import ResolvedSpec, build_detector
from mmkd.detectors.fuse import Speed
from mmkd.utils.errors import UserError
from mmkd.utils.serialization import logged_metrics


class Teacher:
    """A frozen detector, and where its weights come from.

    It is no ``nn.Module``, so that a detector that holds it does not own its weights; a deep copy
    (as EMA makes) shares it.

    Args:
        spec: Config and checkpoint.

    Attributes:
        model: The frozen detector, in eval mode, as its checkpoint has it.
        speed: How it is made to run faster.
        checkpoint: Path or URL of its weights, or None for a teacher given without any.
        specialist: Class names that the setting ``classes`` declares, or None: the teacher knows
            these of the student's classes alone.
        classes: Class names that its checkpoint holds, else those declared, or None; known after
            :meth:`read`.
        cache: Where its maps are kept, or None.
        metrics: The mAPs that were logged last in the training of its checkpoint, by name; empty
            before :meth:`read`.
    """

    def __init__(self, spec: ResolvedSpec) -> None:
        self.model = build_detector(spec).eval().requires_grad_(False)
        self.source = spec.source
        self.checkpoint = spec.checkpoint
        self.specialist = spec.classes
        self.classes: tuple[str, ...] | None = spec.classes
        self.cache = None if spec.cache is None else FeatureCache.from_setting(spec.cache)
        self.metrics: dict[str, float] = {}
        self._config = spec.model
        self.speed = Speed(**spec.speed)
        self._answering: tuple[nn.Module, int] | None = None
        self._weights: dict[str, Tensor] | None = None  # that were read, until they are taken over

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    @property
    def answering(self) -> nn.Module:
        """What answers the student: :attr:`model` made faster, when it is first asked for.

        It is made anew once weights of the model were written to.
        """
        tensors = chain(self.model.parameters(), self.model.buffers())
        written = sum(tensor._version for tensor in tensors)
        if self._answering is None or self._answering[1] != written:
            self._answering = self.speed.of(self.model), written
        return self._answering[0]

    def plain(self) -> 'Teacher':
        """The same teacher, made no faster than its config has it, and without its cache."""
        found = copy.copy(self)
        found.speed, found.cache, found._answering = Speed(fuse=False), None, None
        return found

    def apply_to_tensors(self, function: Callable[[Tensor], Tensor]) -> None:
        """Follows the student's ``.to()``, ``.cuda()`` or ``.half()``."""
        self._answering = None
        self.model._apply(function)

    def read(self, data: Sequence[str] | None = None, remedy: str | None = None) -> None:
        """Reads the file; its weights wait for :meth:`load`, which then does not read it again.

        Args:
            data: Class names of the training data, where the teacher must have been trained on
                them; None where it may have been on others.
            remedy: What to do where it was not.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It cannot be read, or it was trained on other classes than ``data`` or than
                ``classes`` of the setting names.
        """
        if self.checkpoint is None or self._weights is not None:
            return
        file = f'teacher checkpoint {self.checkpoint}'
        content = load_checkpoint_file(self.checkpoint, map_location='cpu')
        names = class_names(content)
        if names is None and self.specialist is None:
            text = f'{file} names no classes: their order is'
            MMLogger.get_current_instance().info(f'{text} not checked.')
        if names is not None and self.specialist not in (None, names):
            raise UserError(
                f'teacher: classes={list(self.specialist)} differ from those that the checkpoint '
                f'{self.checkpoint} was trained on, {list(names)}: list these, in their order.'
            )
        whole = names and data and self.specialist is None
        found = class_difference(names, data) if whole else None
        if found is not None:
            raise UserError(file, found.text, remedy)
        self.classes = names or self.specialist
        self.metrics = logged_metrics(content)
        self._weights = student_keys(content.get('state_dict', content))

    def load(self) -> None:
        """Takes over the checkpoint's weights; a file of a distilled student serves as well.

        A :class:`FeatureTeacher` may take its weights from ``init_cfg`` instead.

        Raises:
            FileNotFoundError, ValueError: As :meth:`read`; or no checkpoint is set, or its weights
                do not fit; names the file and the keys. Or as :meth:`Speed.check`.
        """
        self._answering = None
        self.speed.check(next(self.model.parameters()).device)
        self._load()
        if self.cache is not None:
            named = f'{self.source}, checkpoint {self.checkpoint}'
            # Half precision rounds what is kept.
            self.cache.open(named, (self._config, self.speed.dtype), self.model.state_dict())

    def _load(self) -> None:
        if self.checkpoint is None and getattr(self.model, 'pretrained', False):
            self.model.init_weights()
            return
        if self.checkpoint is None:
            raise UserError(
                f'teacher: {self.source}',
                'comes without weights, and an untrained teacher teaches noise',
                'set teacher=dict(config=..., checkpoint=...)',
            )
        self.read()
        weights, self._weights = self._weights or {}, None
        load_strictly(self.model, weights, f'teacher checkpoint {self.checkpoint}', self.source)

    def check_classes(self, data: Sequence[str], compared: bool = True) -> None:
        """Refuses to teach under other labels; a teacher that names no classes is not checked.

        Args:
            data: Class names of the training data, by label.
            compared: Whether a method compares classes; else others are no matter.

        Raises:
            ValueError: The names or their order differ; shows both lists. Of a specialist: the data
                lacks one of its classes, or has others and they are compared.
        """
        if self.specialist is not None:
            unknown = [name for name in self.specialist if name not in data]
            if unknown:
                raise UserError(
                    f'teacher: classes={list(self.specialist)} has {unknown}, which the training '
                    f'data lacks: it has {list(data)}.'
                )
            if compared and list(self.specialist) != list(data):
                raise UserError(
                    f'teacher: classes={list(self.specialist)} are not those of the training data, '
                    f'{list(data)}, and a method or inherit compares classes one by one: use a '
                    'method on features, or a teacher of this list.'
                )
            return
        found = class_difference(self.classes, data) if self.classes and compared else None
        if found is not None:
            raise UserError(
                f'the teacher {self.checkpoint} {found.text}: give the data set the same '
                'metainfo.classes in the same order, train a teacher on this list, or distil by a '
                "method on features, e.g. methods=[dict(type='mmkd.FGFI')]."
            )
