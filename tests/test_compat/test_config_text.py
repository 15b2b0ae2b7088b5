"""A config's text from a checkpoint is read as data; what is handed on can run nothing."""

import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mmkd.compat import read_config_text, write_config_text
from mmkd.compat.config_text import harmless_config_text
from mmkd.testing import tiny_retinanet_cfg

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.mark.parametrize(
    'text, settings',
    [
        (
            'a = 1\nb = dict(c=[1, -2.5], d=(None, True))\n',
            dict(a=1, b=dict(c=[1, -2.5], d=(None, True))),
        ),
        (
            "a = {'x-y': dict(type='A')}\nb = ('one '\n     'two')\n",
            dict(a={'x-y': dict(type='A')}, b='one two'),
        ),
        ('', {}),
    ],
)
def test_values_are_read(text, settings):
    assert read_config_text(text) == settings
    assert read_config_text(write_config_text(settings)) == settings


@pytest.mark.parametrize(
    'text',
    [
        "__import__('os').abort()",
        "x = __import__('os').abort()",
        'import os',
        'x = y',
        'x = dict(*y)',
        'x = dict(**y)',
        'x = list(a=1)',
        'x[0] = 1',
        'x = y = 1',
        'x = [a for a in (1,)]',
        'def f():\n    pass',
        "x = f'{1}'",
        'x = lambda: 1',
        'x = 1 if 1 else 2',
        'x = (',
        '\0',
        'x = ' + '[' * 5000,
        'x = ' + '(' * 150 + ')' * 150 + '(',
        'x = {[]: 1}',
        'del x',
        'x: int = 1',
    ],
)
def test_anything_else_is_refused_and_not_run(text):
    with pytest.raises(ValueError, match='more than values'):
        read_config_text(text)


def test_the_text_of_a_plain_config_comes_through_whole():
    config = Config(
        dict(
            model=tiny_retinanet_cfg(),
            names=('a', 'b'),
            load_from=None,
            lr=-1e-4,
            env={'x-y': [1, True], 'a': {3: {}}},
            note='two\nlines',
        )
    )
    text = harmless_config_text(config.pretty_text)
    assert Config.fromstring(text, '.py').to_dict() == config.to_dict()


def test_of_a_distillation_only_a_teacher_in_another_file_is_left_out():
    config = Config.fromfile(CONFIGS / 'fgfi_faster_rcnn_r18_16th_shapes.py').to_dict()
    assert isinstance(config['model']['teacher']['config'], str)
    got = read_config_text(harmless_config_text(write_config_text(config)))
    config['model']['teacher'] = None
    assert got == config


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A module, a package of registries and configs that leave a mark where they are run."""
    mark = tmp_path / 'it_ran'
    code = f'open({str(mark)!r}, "w").close()\nmodel = dict(type="FPN")\n'
    (tmp_path / 'planted.py').write_text(code)
    (tmp_path / 'planted_scope').mkdir()
    (tmp_path / 'planted_scope/__init__.py').write_text(code)
    (tmp_path / 'planted.json').write_text('{"_base_": "planted.py"}')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return mark


@pytest.mark.parametrize(
    'text',
    [
        "model = dict(type='os.system', command='touch it_ran')",
        "model = dict(type='planted')",
        "model = dict(type='planted.Detector')",
        "model = dict(type='mmengine.Config.fromfile', filename='planted.py')",
        "model = dict(type='mmengine.load', file='planted.pkl')",
        "model = dict(type='FPN', _scope_='planted_scope')",
        "default_scope = 'planted_scope'",
        "_base_ = 'planted.py'",
        "x = '{{$NOT_SET:it_ran}}'",
        "test_dataloader = dict(collate_fn='os.system')",
        "model = dict(type='LAD', teacher_config='planted.json')",
        "model = dict(type='mmkd.DistillDetector', student='planted.json', teacher=None)",
        "model = dict(type='DistillDetector', student=dict(config='planted.json'))",
        "model = dict(any=['planted.py'])",
        """model = dict(nms=dict(type='open("it_ran", "w")'))""",
        """model = dict(warp_mode='[open("it_ran", "w")]')""",
    ],
)
def test_what_building_would_import_or_evaluate_is_refused(planted, text):
    with pytest.raises(ValueError):
        harmless_config_text(text)
    assert not planted.exists()


@pytest.mark.parametrize(
    'text',
    [
        "model = dict(type='mmdet.FPN', norm=dict(type='BN'), name='speaker (stereo) x')",
        "data = dict(ann_file='a/train.json', img='a/b (1) copy.jpg', url='https://a.b/c?d=e')",
        "custom_imports = dict(imports=['mmkd', 'mmdet.models'], allow_failed_imports=False)",
    ],
)
def test_what_configs_have_is_kept(text):
    assert read_config_text(harmless_config_text(text)) == read_config_text(text)


@pytest.mark.parametrize(
    'imports',
    [
        "dict(imports=['planted'])",
        "dict(imports='planted')",
        "['a']",
        '3',
        'dict(imports=[[]])',
        "dict(imports=['mmkd', 'planted'])",
    ],
)
def test_imports_of_modules_that_are_not_there_yet_are_left_out(planted, imports):
    text = harmless_config_text(f'custom_imports = {imports}\nx = 1')
    assert Config.fromstring(text, '.py').to_dict() == {'x': 1}
    assert not planted.exists() and 'planted' not in sys.modules
