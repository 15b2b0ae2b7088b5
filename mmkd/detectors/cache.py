"""A cache of a frozen teacher's maps on disk: what was computed once is read afterwards."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.logging import MMLogger
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmkd.observation import Observation
from mmkd.settings import check_arguments, check_number
from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries

CACHED = ('backbone', 'features')
"""Fields that depend on the teacher and the image alone; its heads run on these maps."""

_NOTE = 'teacher.json'
_SUFFIX = '.safetensors'
_META = 'img_path ori_shape img_shape scale_factor flip flip_direction'.split()
_CHECKED_EVERY = 100
_TOLERANCE = 0.05
"""Relative L2 distance at which cached maps are another image's: half precision is at 0.001."""
_HALF_MAX = 6e4


class FeatureCache:
    """The maps of one teacher, a file an image, field and augmentation, in half precision.

    A file's name is a digest of the image's path and size in bytes, of what resized and flipped it,
    and of the padded size of its batch: the teacher sees its padding. What a step lacks is computed
    and added. Maps are rounded to half precision also when they are new, so that each step has the
    same values whether they are new or read. The first batch that is read and each hundredth after
    it are computed besides, and compared.

    Args:
        folder: Of one teacher.
        max_gb: Size in 10^9 bytes beyond which nothing is added, > 0; ranks share it equally.

    Attributes:
        max_gb: As given.
        left: Bytes that may be added; known after :meth:`open`.
        entry: Bytes of the largest entry that was to be added so far.
    """

    def __init__(self, folder: str, max_gb: float = 20.0) -> None:
        check_number('teacher.cache: max_gb', max_gb, '> 0')
        self.folder = Path(folder)
        self.left = 0.0
        self.entry = 0
        self.max_gb = max_gb
        self._batches_read = 0
        self._said_full = False

    @classmethod
    def from_setting(cls, setting: object) -> 'FeatureCache':
        """Of ``cache``: a folder, or a dict of arguments.

        Raises:
            ValueError: It is neither, or an argument is unknown or out of range.
        """
        arguments = dict(folder=setting) if isinstance(setting, str) else setting
        check_arguments('teacher.cache', arguments, cls)
        assert isinstance(arguments, Mapping)
        if not arguments.get('folder'):
            raise UserError(f'teacher.cache={setting!r}', 'has no folder', 'set cache=FOLDER')
        return cls(**arguments)

    def open(self, teacher: str, config: object, weights: Mapping[str, Tensor]) -> None:
        """Takes the folder for a teacher.

        Args:
            teacher: Its config and checkpoint, for messages.
            config: Of its model.
            weights: Its state dict.

        Raises:
            ValueError: The folder holds the maps of another teacher.
        """
        fingerprint = _fingerprint(config, weights)
        note = self.folder / _NOTE
        if note.is_file():
            known = json.loads(note.read_text('utf-8'))
            if known['fingerprint'] != fingerprint:
                raise UserError(
                    f'teacher.cache={self.folder}',
                    f'holds maps of another teacher or of other weights: {known["teacher"]}',
                    'name another folder, or delete this one',
                )
        else:
            text = json.dumps(dict(teacher=teacher, fingerprint=fingerprint), indent=1)
            write_atomically(text.encode(), note)
        held = sum(file.stat().st_size for file in self.folder.glob(f'*/*{_SUFFIX}'))
        self.left = (self.max_gb * 1e9 - held) / get_world_size()
        MMLogger.get_current_instance().info(
            f'teacher.cache: {self.folder} holds {held / 1e9:.2f} GB of at most {self.max_gb:g}'
        )

    def through(
        self,
        sources: Mapping[str, Callable[[Observation], Any]],
        metas: Sequence[Entries],
        inputs: Tensor,
    ) -> dict[str, Callable[[Observation], Any]]:
        """The sources of an observation, the maps among them read from the cache where it has them.

        Args:
            sources: See :class:`mmkd.observation.Observation`.
            metas: Metainfo of the images.
            inputs: (B, 3, H, W), what the maps are of.
        """
        keys = [_key(meta, inputs.shape[-2:]) for meta in metas]
        plain = {name: sources[name] for name in CACHED if name in sources}

        def maps(name: str) -> Callable[[Observation], tuple[Tensor, ...]]:
            return lambda _: self._maps(
                [self._file(f'{key} {name}') for key in keys],
                lambda: getattr(Observation(**plain), name),
                inputs.device,
                metas,
            )

        return {**sources, **{name: maps(name) for name in plain}}

    def _maps(
        self,
        files: Sequence[Path],
        compute: Callable[[], tuple[Tensor, ...]],
        device: torch.device,
        metas: Sequence[Entries],
    ) -> tuple[Tensor, ...]:
        kept = [_read(file) for file in files]
        found = [one for one in kept if one is not None]
        if len(found) < len(files):
            rounded = [_rounded(level) for level in compute()]
            for place, (file, one) in enumerate(zip(files, kept, strict=True)):
                if one is None:
                    self._add(file, [level[place] for level in rounded])
            return tuple(level.float() for level in rounded)
        maps = tuple(
            torch.stack([level.float() for level in levels]).to(device, non_blocking=True)
            for levels in zip(*found, strict=True)
        )
        if self._batches_read % _CHECKED_EVERY == 0:
            self._compare(maps, compute(), metas)
        self._batches_read += 1
        return maps

    def _add(self, file: Path, maps: Sequence[Tensor]) -> None:
        size = sum(level.numel() * level.element_size() for level in maps)
        self.entry = max(self.entry, size)
        if self.left < size:
            self._say_full()
            return
        if not all(bool(level.isfinite().all()) for level in maps):
            return  # the guard against NaN tells of it
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(f'.{os.getpid()}.tmp')
        content = {f'{i:02d}': level.contiguous().cpu() for i, level in enumerate(maps)}
        save_file(content, temporary)
        os.replace(temporary, file)
        self.left -= size

    def _say_full(self) -> None:
        if not self._said_full:
            self._said_full = True
            MMLogger.get_current_instance().warning(
                f'teacher.cache: {self.folder} is full at max_gb={self.max_gb:g}; what it '
                'lacks is computed in every step. An image and flip takes '
                f'{self.entry / 1e6:.2f} MB.'
            )

    def _compare(
        self, read: Sequence[Tensor], computed: Sequence[Tensor], metas: Sequence[Entries]
    ) -> None:
        for first, second in zip(read, computed, strict=True):
            second = second.float()
            away = (first - second).flatten(1).norm(dim=1)
            wrong = (away > _TOLERANCE * second.flatten(1).norm(dim=1)).nonzero()[:, 0].tolist()
            if wrong:
                raise UserError(
                    f'teacher.cache={self.folder}',
                    f'holds other maps of {metas[wrong[0]].get("img_path")} than the teacher gives '
                    'now: the image has changed, or the training pipeline does more to it than '
                    'resize, flip and pad',
                    'take cache out of the teacher, or such transforms out of the pipeline and '
                    'delete the folder',
                )

    def _file(self, key: str) -> Path:
        name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return self.folder / name[:2] / f'{name[2:]}{_SUFFIX}'


def _key(meta: Entries, padded: Sequence[int]) -> str:
    path = meta.get('img_path')
    if path is None:
        raise UserError(
            'teacher.cache',
            'knows an image by its path, which the data do not tell',
            "add 'img_path' to meta_keys of PackDetInputs in the training pipeline",
        )
    size = os.path.getsize(path) if os.path.isfile(path) else None
    return repr([[meta.get(name) for name in _META], size, tuple(padded)])


def _read(file: Path) -> list[Tensor] | None:
    try:
        content = load_file(file)
    except (FileNotFoundError, SafetensorError):  # the latter: half of it, after a power cut
        return None
    return [content[name] for name in sorted(content)]


def _rounded(level: Tensor) -> Tensor:
    """To half precision, unless that would overflow."""
    return level.float() if bool(level.abs().max() > _HALF_MAX) else level.half()


def _fingerprint(config: object, weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of a teacher's model config and weights."""
    digest = hashlib.sha256(repr(config).encode())
    for name, value in sorted(weights.items()):
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}'.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
