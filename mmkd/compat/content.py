"""What a checkpoint must hold to be used, and what it may not make the host do.

Gap: MMEngine trusts a checkpoint's entries: it executes its config's text (``meta.config`` on
resuming, ``message_hub.runtime_info.cfg`` and ``meta.cfg`` in inferencers), deletes the files and
folders that it names as earlier best checkpoints, and fails with a traceback on wrong types.

Removable when MMEngine checks what it reads.
"""

import os.path as osp
from typing import Any

import torch
from mmengine.logging import print_log

from ..utils.errors import UserError
from .config_text import harmless_config_text
from .safe_pickle import DamagedCheckpointError, printable

_WEIGHTS = ('state_dict', 'ema_state_dict')
_TYPES = {
    **dict.fromkeys((*_WEIGHTS, 'meta', 'message_hub', 'optimizer'), dict),
    'param_schedulers': list | dict,
}
_META_TYPES = {'epoch': int, 'iter': int, 'seed': int, 'dataset_meta': dict}
_HUB_TYPES = {'log_scalars': dict, 'runtime_info': dict, 'resumed_keys': dict}


def usable(content: Any, name: str) -> dict:
    """A checkpoint's content, checked and rid of strings that MMEngine would execute or delete.

    ``content`` is what ``safe_load`` gave, and changed; ``name`` is what messages call the file.

    Raises:
        DamagedCheckpointError: It is not a dictionary, or an entry has not the type that it needs.
    """
    try:
        _check(content)
    except ValueError as error:
        raise DamagedCheckpointError(
            printable(
                f'The checkpoint {name} {error}. Give a file that a training or '
                'tools/export_student.py wrote, or torch.save one of that form.'
            )
        ) from error
    info = content.get('message_hub', {}).get('runtime_info', {})
    if 'cfg' in info:  # where a resumed run keeps the text of its own config
        content['meta'] = {'cfg': info.pop('cfg'), **content.get('meta', {})}
        content['message_hub'].get('resumed_keys', {}).pop('cfg', None)
    _neutralise_texts(content.get('meta', {}), name)
    _forget_foreign_files(info, name)
    return content


def _check(content: Any) -> None:
    """Raises a ValueError that says which part of a checkpoint is not as it must be."""
    if not isinstance(content, dict):
        raise UserError(
            f'holds a {type(content).__name__}; expected a dictionary of weights, or '
            'one with a state_dict'
        )
    _check_types(content, _TYPES, '')
    meta = content.get('meta', {})
    _check_types(meta, _META_TYPES, 'meta.')
    _check_types(content.get('message_hub', {}), _HUB_TYPES, 'message_hub.')
    for place, owner in (('meta', meta), ('meta.dataset_meta', meta.get('dataset_meta', {}))):
        for key in ('classes', 'CLASSES'):
            names = owner.get(key)
            names = names if isinstance(names, (list, tuple)) else [names or '']
            if not all(isinstance(one, str) for one in names):
                raise UserError(f'is unfit: {place}.{key} is {owner[key]!r:.80}; expected names')
    for key, value in content.items():
        _check_key(key, 'it')
        if '.' in key and 'state_dict' not in content:  # a file of weights alone
            _check_weight(key, value, 'it')
    for place in _WEIGHTS:
        for key, value in content.get(place, {}).items():
            _check_key(key, place)
            _check_weight(key, value, place)


def _check_types(owner: dict, types: dict, place: str) -> None:
    """Compares entries with what MMEngine needs; None counts as absent, and goes."""
    for key, needed in types.items():
        if owner.get(key) is None:
            owner.pop(key, None)
        elif not isinstance(owner[key], needed):
            expected = 'an integer' if needed is int else 'a dictionary'
            raise UserError(
                f'is unfit: {place}{key} is of type {type(owner[key]).__name__}; '
                f'expected {expected}'
            )


def _check_key(key: Any, place: str) -> None:
    if not isinstance(key, str) or not key.isprintable():
        raise UserError(f'is unfit: {place} has the key {key!r}; expected a readable name')


def _check_weight(key: str, value: Any, place: str) -> None:
    if not isinstance(value, torch.Tensor) and not key.endswith('_extra_state'):
        raise UserError(
            f'is unfit: {key} in {place} is of type {type(value).__name__}; expected a tensor'
        )


def _neutralise_texts(meta: dict, name: str) -> None:
    """Leaves of the texts of configs what imports and calls nothing."""
    for key in [key for key in ('cfg', 'config') if key in meta]:
        try:
            meta[key] = harmless_config_text(str(meta[key]))
        except (ValueError, RecursionError) as error:
            del meta[key]
            print_log(
                printable(
                    f'{name}: meta.{key}, the text of its config, is left out: {error}. An '
                    'inferencer then needs model=CONFIG.'
                ),
                logger='current',
            )


def _forget_foreign_files(info: dict, name: str) -> None:
    """Drops earlier checkpoints that do not lie beside this one: MMEngine deletes them."""
    folder = osp.dirname(osp.abspath(name))
    for key in [key for key in info if str(key).startswith('best_ckpt')]:
        path = str(info[key])
        beside = osp.dirname(osp.abspath(path)) == folder
        if not beside or not osp.basename(path).startswith('best_') or not path.endswith('.pth'):
            del info[key]
    steps = info.pop('keep_ckpt_ids', None)
    if isinstance(steps, list) and all(type(step) is int for step in steps):
        info['keep_ckpt_ids'] = steps
