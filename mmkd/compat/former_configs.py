"""Names that configs had before their pairs, and what stands in their place.

Widths are written out since (``r18thin`` was a sixteenth of ResNet-18), pairs of a student and a
teacher are files of their own, and methods beside them come from ``--method``.

Removable with 0.2.
"""

import re
from pathlib import Path, PurePosixPath

_RENAMED = (
    ('faster_rcnn_r18thin_half_bccd', 'faster_rcnn_r18_16th_bccd_128x96'),
    ('faster_rcnn_r18thin_fpn', 'faster_rcnn_r18_3_16ths_fpn'),
    ('r18thin|r18sixteenth', 'r18_16th'),
    ('r18(half|quarter)', r'r18_\1'),
    (r'faster_rcnn_r18_(bccd|quantized_bccd|shapes|tiny_coco)', r'faster_rcnn_r18_half_\1'),
    (r'rfcn_r18_(bccd|shapes)', r'rfcn_r18_quarter_\1'),
)
_VARIANTS = {
    'chen2017_soft': ('', '{type: mmkd.Chen2017, nu: 0, gamma: 0}'),
    'chen2017_bounded': ('', '{type: mmkd.Chen2017, mu: 1, gamma: 0}'),
    'chen2017_hint': ('', '{type: mmkd.Chen2017, mu: 1, nu: 0}'),
    'proposal_mimic_scales': (
        '_128x96',
        '{type: mmkd.ProposalMimic, upsample: deconv, loss_weight: 0.25}',
    ),
    'quantization_mimic_quantized': (
        'quantized_',
        '{type: mmkd.QuantizationMimic, step: 0.5, loss_weight: 0.25}',
    ),
}
"""Of a config's prefix what its pair's name adds, and the method."""
_TYPES = {
    'fgfi': 'FGFI',
    'hint': 'Hint',
    'chen2017': 'Chen2017',
    'proposal_mimic': 'ProposalMimic',
    'two_stage_mimic': 'TwoStageMimic',
    'quantization_mimic': 'QuantizationMimic',
}
_FLAT = re.compile(
    f'({"|".join((*_VARIANTS, *_TYPES))})_((?:faster_rcnn|rfcn)_(?:r50|r18_16th|vgg16|inception).*)'
)


def replacement_of(path: str, folder: Path) -> str | None:
    """What to use in place of a config that an earlier mmkd had; None if it had none so named.

    ``path`` does not exist, and may have the folders above; the answer is the new path relative to
    ``folder``, mmkd's configs, or the pair with ``--method`` that trains the same.
    """
    former = PurePosixPath(path.replace('\\', '/'))
    name = former.name
    for pattern, new in _RENAMED:
        name = re.sub(pattern, new, name)
    kinds = {'students': 'students', 'teachers': 'teachers', 'models': '_base_/models'}
    for place in (kinds.get(former.parent.name, ''), 'pairs'):
        if (folder / place / name).is_file():
            return str(PurePosixPath(place) / name)
    found = _FLAT.fullmatch(name.removesuffix('.py'))
    if found is None:
        return None
    pair, method = _pair_and_method(*found.groups())
    known = (folder / 'pairs' / f'{pair}.py').is_file()
    return f'pairs/{pair}.py --method {method}' if known else None


def _pair_and_method(prefix: str, pair: str) -> tuple[str, str]:
    if prefix in _VARIANTS:
        more, method = _VARIANTS[prefix]
        pair = pair + more if more.startswith('_') else pair.replace('bccd', f'{more}bccd')
        return pair, f"'{method}'"
    options = _options(prefix, pair)
    kind = _TYPES[prefix]
    return pair, f"'{{type: mmkd.{kind}, {options}}}'" if options else prefix


def _options(method: str, pair: str) -> str:
    """The method's settings in the former config of a thin pair, where they were no defaults."""
    crossed = re.search(r'r18_16th_(rfcn|faster_rcnn)_', pair)
    if crossed:
        levels = f'levels: {"[[0, 1]]" if crossed[1] == "rfcn" else "[[1, 0]]"}'
        within = {
            'chen2017': f'on: roi_head, hint: {{{levels}}}',
            'two_stage_mimic': f'feats_weight: 0.0, mimic: {{{levels}}}',
        }
        return within.get(method, levels)
    if '_r18_16th_' not in pair:
        return ''
    weighted = {'proposal_mimic': 'loss_weight: 0.25', 'two_stage_mimic': 'loss_weight: 0.125'}
    if pair.startswith('faster_rcnn'):
        weighted['quantization_mimic'] = 'step: 0.5, loss_weight: 0.25'
    return weighted.get(method, '')
