"""``--method``: what a text means, what is refused, and what becomes of a config."""

import argparse

import pytest
from mmengine.config import Config

from mmkd.engine.commands.methods import (
    add_method_option,
    method_name,
    read_arms,
    read_method,
    registered_method,
    use_methods,
)
from mmkd.engine.commands.tool_options import read_config


@pytest.mark.parametrize('text, setting', [
    ('fgfi', dict(type='fgfi')),
    ('mmkd.FGFI', dict(type='mmkd.FGFI')),
    ('{type: mmkd.FGFI, loss_weight: 1e-2}', dict(type='mmkd.FGFI', loss_weight=0.01)),
    ('{type: a, x: -1, y: 1_000, z: .5, off: No}', dict(type='a', x=-1, y=1000, z=0.5, off='No')),
    ('{type: a, on: roi_head, hint: {levels: [[0, 1]]}}',
     dict(type='a', on='roi_head', hint=dict(levels=[[0, 1]]))),
    ('{type: a, x: true, y: False, z: null, u: None}',
     dict(type='a', x=True, y=False, z=None, u=None)),
    ("{type: a, x: '1e-2', y: 1:30, z: 2024-01-01}",
     dict(type='a', x='1e-2', y='1:30', z='2024-01-01')),
])  # fmt: skip
def test_a_text_is_read_as_python_reads_its_words(text, setting):
    assert read_method(text) == setting
    assert list(map(type, read_method(text).values())) == list(map(type, setting.values()))


@pytest.mark.parametrize('text', ['', '3', '[fgfi, hint]', '{loss_weight: 1}', '{type: mmkd.FGFI'])
def test_a_text_that_names_no_method_is_refused(text):
    with pytest.raises(ValueError, match=r"--method .* write a name, or '\{type: mmkd.FGFI"):
        read_method(text)


def test_names_are_those_of_the_log_or_types():
    for name, kind in (('fgfi', 'mmkd.FGFI'), ('two_stage_mimic', 'mmkd.TwoStageMimic')):
        assert registered_method(dict(type=name)) == dict(type=kind)
        assert registered_method(dict(type=kind, x=1)) == dict(type=kind, x=1)
        assert method_name(dict(type=kind)) == name
    for name in ('fitnets', 'fit_nets'):  # in the log, and of the class
        assert registered_method(dict(type=name)) == dict(type='mmkd.FitNets')
    assert method_name(dict(type='mmkd.FGFI', name='mine')) == 'mine'
    with pytest.raises(ValueError, match=r"'fgfy' is not registered\. Did you mean 'mmkd.FGFI'\?"):
        registered_method(dict(type='fgfy'))


def test_methods_to_compare_have_one_name_each():
    arms = read_arms(['fgfi', 'weak={type: mmkd.FGFI, loss_weight: 2e-3}', '{type: a, x: b=c}'])
    weak = dict(type='mmkd.FGFI', loss_weight=0.002)
    assert arms == dict(fgfi=dict(type='fgfi'), weak=weak, a=dict(type='a', x='b=c'))
    with pytest.raises(ValueError, match="--method mmkd.FGFI: 'fgfi' is given twice"):
        read_arms(['fgfi', 'mmkd.FGFI'])


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Arguments of a command for a config whose model is given."""
    monkeypatch.chdir(tmp_path)

    def parse(model, *options):
        Config(dict(model=model)).dump(tmp_path / 'pair.py')
        parser = argparse.ArgumentParser()
        add_method_option(parser)
        parser.set_defaults(config='pair.py', launcher='none', work_dir=None, cfg_options=None)
        return parser.parse_args(options)

    return parse


PAIR = dict(type='mmkd.DistillDetector', student='s.py', teacher='t.py')


def test_methods_add_up_and_tell_work_directories_apart(parse):
    options = ['--method', 'fgfi', '--method', '{type: mmkd.Hint, loss_weight: 1e-1}']
    cfg = read_config(parse(PAIR, *options))
    assert cfg.model.methods == [dict(type='mmkd.FGFI'), dict(type='mmkd.Hint', loss_weight=0.1)]
    assert cfg.work_dir == 'work_dirs/pair_fgfi_hint'
    again = Config.fromstring(cfg.pretty_text, '.py')  # what a run writes into its work directory
    assert again.model.methods == cfg.model.methods


def test_they_replace_those_of_a_config_and_come_before_its_options(parse):
    own = dict(PAIR, methods=[dict(type='mmkd.Hint')], stages=[dict(methods=['hint'])])
    args = parse(own, '--method', 'fgfi')
    args.cfg_options = {'model.methods.0.loss_weight': 3}
    model = read_config(args).model
    assert model.methods == [dict(type='mmkd.FGFI', loss_weight=3)] and 'stages' not in model
    kept = read_config(parse(dict(PAIR, methods=[dict(type='mmkd.Hint')])))
    assert kept.model.methods == [dict(type='mmkd.Hint')] and kept.work_dir == 'work_dirs/pair'


def test_a_pair_without_methods_gets_the_recipe(parse):
    assert read_config(parse(PAIR)).model.methods == [dict(type='mmkd.Recipe')]


def test_a_plain_config_with_methods_is_refused(parse):
    with pytest.raises(ValueError, match='--method fgfi: the config has no teacher.*FasterRCNN'):
        use_methods(Config(dict(model=dict(type='FasterRCNN'))), ['fgfi'])


class TestAPlainConfigUnderATeacher:
    """``--teacher`` makes a distillation of it."""

    PLAIN = dict(type='FasterRCNN')

    @pytest.fixture
    def teacher(self, tmp_path):
        model = dict(type='RetinaNet', neck=dict(out_channels=7))
        imports = dict(imports=['mmkd', 'mmkd.testing'], allow_failed_imports=False)
        Config(dict(model=model, custom_imports=imports)).dump(tmp_path / 'large.py')
        return dict(config=model)

    def test_it_is_whole_in_the_dumped_config(self, parse, teacher):
        cfg = read_config(parse(self.PLAIN, '--teacher', 'large.py', '--method', 'fgfi'))
        again = Config.fromstring(cfg.pretty_text, '.py')
        assert again.model == dict(
            type='mmkd.DistillDetector',
            student=self.PLAIN,
            teacher=teacher,
            methods=[dict(type='mmkd.FGFI')],
        )
        assert again.custom_imports['imports'] == ['mmkd', 'mmkd.testing']
        assert cfg.work_dir == 'work_dirs/pair_large_fgfi'

    def test_without_a_method_it_gets_the_recipe_as_a_pair_does(self, parse, teacher):
        cfg = read_config(parse(self.PLAIN, '--teacher', 'large.py'))
        assert cfg.model.methods == [dict(type='mmkd.Recipe')]

    def test_a_distillation_gets_the_teacher_in_place_of_its_own(self, parse, teacher):
        cfg = read_config(parse(PAIR, '--teacher', 'large.py', '--method', 'fgfi'))
        assert (cfg.model.student, cfg.model.teacher) == ('s.py', teacher)

    def test_a_distillation_is_no_teacher(self, parse):
        with pytest.raises(ValueError, match='--teacher .*is a distillation config itself'):
            read_config(parse(PAIR, '--teacher', 'pair.py', '--method', 'fgfi'))
