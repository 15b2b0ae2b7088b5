"""A page that goes with published weights: what they are, who taught them, on what data."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mmkd.compat import is_distillation, read_config_text
from mmkd.engine.commands.methods import method_name
from mmkd.utils.config_walk import datasets_of
from mmkd.utils.hashes import file_hash
from mmkd.utils.serialization import logged_metrics
from mmkd.utils.types import Entries, Setting
from mmkd.version import __version__

FILL_IN = 'FILL IN'
"""Stands where the publisher alone knows: the licences."""

_FRONT = f"""---
license: {FILL_IN}
library_name: mmdetection
pipeline_tag: object-detection
tags: [knowledge-distillation, mmkd]
---
"""


def model_card(file: Path, content: Setting, weights: Mapping[str, Tensor]) -> str:
    """Markdown, with the front matter that model hubs read; licences are left to fill in.

    Args:
        file: The exported student, which its SHA-256 identifies.
        content: The checkpoint that it was exported from.
        weights: Of the student, by key.
    """
    meta: Entries = content.get('meta') or {}
    config = read_config_text(meta['cfg']) if 'cfg' in meta else {}
    info = (content.get('message_hub') or {}).get('runtime_info') or {}
    teachers = info.get('teachers') or {}
    model = config.get('model') or {}
    distilled = is_distillation(config)
    student = model.get('student', {}) if distilled else model
    student = student if 'type' in student else student.get('config', {})
    facts = {
        'detector': f'{student.get("type", "unknown")}, {_millions(weights)} M weights and buffers',
        'methods': _listed(map(_method, model.get('methods') or ())) if distilled else 'none',
        **{role: _teacher(teacher) for role, teacher in teachers.items()},
        **dict(_data(config)),
        'classes': _listed((meta.get('dataset_meta') or {}).get('classes', ())),
        'trained': _trained(meta),
        'file': f'`{file.name}`, SHA-256 `{file_hash(str(file))}`',
        'written by': f'mmkd {__version__}',
    }
    metrics = [[name, f'{value:.4f}'] for name, value in logged_metrics(content).items()]
    licences = [[of, FILL_IN] for of in ('these weights', 'the images', "the teacher's weights")]
    text = meta.get('cfg', 'the checkpoint holds none').strip()
    parts = [
        _FRONT,
        f'# {file.stem}\n',
        f'Before publishing, replace every `{FILL_IN}`: what is licensed how, mmkd cannot know.\n',
        _table(('', ''), facts.items()),
        '## Numbers\n',
        'Of the last validation before the checkpoint, as its training logged them.\n',
        _table(('metric', 'value'), metrics or [['none recorded', '-']]),
        '## Licences\n',
        _table(('of', 'licence'), licences),
        '## Config of the training\n',
        f'```python\n{text}\n```',
    ]
    return '\n'.join(parts) + '\n'


def _method(setting: Setting) -> str:
    weight = setting.get('loss_weight')
    shown = f', loss_weight {weight:g}' if isinstance(weight, (int, float)) else ''
    return f'{method_name(setting)} ({setting["type"]}{shown})'


def _teacher(teacher: Setting) -> str:
    reached = [f'{name} {value:.4f}' for name, value in teacher['metrics'].items()]
    identity = f'SHA-256 `{teacher["sha256"]}`' if teacher['sha256'] else 'no local file'
    return _listed([f'{teacher["detector"]}, `{Path(teacher["file"]).name}`, {identity}', *reached])


def _data(config: Setting) -> Iterator[tuple[str, str]]:
    """What each split's data sets read, without the folders of one machine."""
    for split in ('train', 'val'):
        files = [
            f'{part["type"]} `{Path(part["ann_file"]).name}`'
            for _, part in datasets_of(config, split)
            if part.get('ann_file')
        ]
        if files:
            yield f'{split} data', _listed(files)


def _trained(meta: Setting) -> str:
    parts = {key: meta.get(key) for key in ('epoch', 'iter', 'seed', 'time')}
    known = [f'{key} {value}' for key, value in parts.items() if value is not None]
    return _listed([*known, f'MMEngine {meta.get("mmengine_version", "unknown")}'])


def _millions(weights: Mapping[str, Tensor]) -> str:
    return f'{sum(one.numel() for one in weights.values()) / 1e6:.3f}'


def _listed(parts: Any) -> str:
    return ', '.join(map(str, parts)) or 'unknown'


def _table(header: Sequence[str], rows: Any) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)
