"""Ten kinds of detectors and one method of each field: what runs, and what is refused and why."""

from types import SimpleNamespace

import pytest
from mmengine.logging import MMLogger

from mmkd.detectors.build import _check_offered
from mmkd.engine.commands.support import CRASH, _told, outcomes, page
from mmkd.engine.commands.support_detectors import DETECTORS, Pair, all_pairs
from mmkd.utils.errors import UserError

FIELD_OF = dict(
    attention_transfer='backbone',
    cwd='features',
    fgfi='priors',
    proposal_mimic='proposals',
    soft_classification='rpn',
    bounded_regression='rpn_bbox_coder',
    kd='roi_head',
    rkd='roi_embedding',
)
MAPS = {'attention_transfer', 'cwd', 'fgfi'}
TEN = {
    'Faster R-CNN': set(FIELD_OF),
    'RetinaNet': {*MAPS, 'proposal_mimic', 'soft_classification', 'bounded_regression', 'kd'},
    'RepPoints': {*MAPS, 'proposal_mimic'},
    'VFNet': {*MAPS, 'proposal_mimic'},
    'CenterNet': {*MAPS, 'proposal_mimic'},
    'SOLO': {*MAPS, 'proposal_mimic'},
    'DETR': {*MAPS, 'proposal_mimic'},
    'Sparse R-CNN': MAPS,
    'Cascade RPN': set(FIELD_OF) - {'proposal_mimic'},
    'GA-RetinaNet': MAPS,
}


@pytest.fixture(autouse=True)
def quiet():
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    yield
    logger.setLevel(level)


@pytest.mark.parametrize('name', TEN)
def test_a_method_runs_or_is_refused(name):
    found = dict(outcomes(Pair(name, name), list(FIELD_OF)))
    assert not [told for told in found.values() if told.startswith(CRASH)]
    assert {m for m, told in found.items() if told == 'works' or told.startswith('on=')} == TEN[
        name
    ]
    for method in set(FIELD_OF) - TEN[name]:
        assert found[method].startswith('the student has no ')


def test_what_a_detector_lacks_is_told_without_its_name_and_the_methods():
    method, info = SimpleNamespace(name='kd'), SimpleNamespace(name='RetinaNet', fields=())
    with pytest.raises(UserError) as refused:
        _check_offered(method, 'student', frozenset({'roi_head', 'proposals'}), info)
    assert _told(refused.value) == 'the student has no proposals, no RoI head'


def test_there_are_forty_detectors_and_families_are_crossed():
    assert len(DETECTORS) >= 40
    crossed = [pair for pair in all_pairs() if pair.student != pair.teacher]
    assert {'DINO', 'Cascade R-CNN', 'ViT of timm', 'RTMDet-s'} <= {p.teacher for p in crossed}


def test_the_page_tells_a_reason_once():
    rows = {
        'A': dict(kd='works', cwd='works', ld='no bins'),
        'B': dict(kd="on='dense'", ld='no bins'),
    }
    text = page(rows, ['kd', 'cwd', 'ld'])
    assert "| A | yes | yes | 1 |\n| B | `on='dense'` |  | 1 |" in text
    assert text.count('no bins') == 1 and '* **A**: kd\n' in text
