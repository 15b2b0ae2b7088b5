"""Checkpoints that call the classes of the data by other labels are refused, or it is said."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmkd.compat import class_names
from mmkd.engine import ClassNamesHook, TeacherClassesHook
from mmkd.engine.commands import train_and_test
from mmkd.registry import HOOKS
from mmkd.testing import tiny_run_cfg, train, write_tiny_coco
from mmkd.testing.distill import build_distill, distill_cfg

DATA = ('cat', 'dog')
REORDERED, OTHER, MORE = ('dog', 'cat'), ('cat', 'bird'), ('cat', 'dog', 'cow')
BOTH_LISTS = r"trained on the classes \('dog', 'cat'\), the {} data has \('cat', 'dog'\)"
SPELLINGS = {
    '3': lambda names: dict(dataset_meta=dict(classes=names)),
    '3.0rc': lambda names: dict(dataset_meta=dict(CLASSES=names)),
    '2': lambda names: dict(mmdet_version='2.25.0', CLASSES=names),
    '2 beside an empty dataset_meta': lambda names: dict(dataset_meta=None, CLASSES=list(names)),
}


@pytest.fixture
def said():
    """What is logged, as (level, text)."""
    lines = []
    handler = logging.Handler()
    handler.addFilter(lambda record: 'Loads checkpoint' not in record.msg)  # MMEngine's
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage()))
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def file(folder, names, spelling='3'):
    """A checkpoint that names classes; ``names`` None: it has none."""
    path = folder / 'a.pth'
    meta = {} if names is None else SPELLINGS[spelling](names)
    torch.save(dict(meta=meta, state_dict={}), path)
    return str(path)


def runner_of(model=None, load_from=None, resume=False):
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo={'classes': list(DATA)}))
    return SimpleNamespace(
        model=model or torch.nn.Module(), train_dataloader=loader, test_dataloader=loader,
        _load_from=load_from, _resume=resume, iter=0,
    )  # fmt: skip


def begin(loop, path, **kw):
    """What the runner tells the hook between reading the file and the first batch."""
    hook, runner = ClassNamesHook(), runner_of(load_from=path, **kw)
    hook.after_load_checkpoint(runner, torch.load(path, weights_only=True))
    getattr(hook, f'before_{loop}')(runner)
    return hook, runner


@pytest.mark.parametrize('spelling', SPELLINGS)
def test_every_spelling_of_mmdetection_is_read(tmp_path, spelling):
    for names in (DATA, MORE):
        assert class_names(torch.load(file(tmp_path, names, spelling), weights_only=True)) == names
    with pytest.raises(ValueError, match=BOTH_LISTS.format('training')):
        begin('train', file(tmp_path, REORDERED, spelling))


@pytest.mark.parametrize('meta', [
    None, 'a text', {}, dict(dataset_meta={}), dict(dataset_meta='cat'), dict(CLASSES=None),
    dict(CLASSES='cat'), dict(CLASSES=()), dict(dataset_meta=dict(classes=[1, 2])),
])  # fmt: skip
def test_a_file_without_a_list_of_names_has_none(meta):
    assert class_names(dict(meta=meta)) is None and class_names({}) is None


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    methods = [dict(type='mmkd.FGFI'), dict(type='mmkd.SoftClassification')]
    return build_distill(tmp_path_factory.mktemp('teacher'), methods=methods)


class TestTeacher:
    @pytest.mark.parametrize('names', [REORDERED, OTHER, MORE])
    def test_any_other_list_is_refused(self, model, names):
        model.teacher.classes = names
        with pytest.raises(ValueError, match=r"teacher.pth .*, the training data has \('cat', 'd"):
            TeacherClassesHook().before_train(runner_of(model))

    @pytest.mark.parametrize('names', [REORDERED, OTHER, MORE])
    def test_for_features_alone_any_list_will_do(self, tmp_path, names):
        alone = build_distill(tmp_path)
        alone.teacher.classes = names
        TeacherClassesHook().before_train(runner_of(alone))

    def test_a_specialist_knows_some_of_the_datas_classes(self, tmp_path):
        alone = build_distill(tmp_path)
        for names in (('dog',), ('dog', 'bird')):
            alone.teacher.specialist = alone.teacher.classes = names
            if names == ('dog',):
                TeacherClassesHook().before_train(runner_of(alone))
                continue
            with pytest.raises(ValueError, match=r"has \['bird'\], which the training data lacks"):
                TeacherClassesHook().before_train(runner_of(alone))

    @pytest.mark.parametrize('names', [DATA, None])
    def test_the_same_list_and_an_unknown_one_pass(self, model, names):
        model.teacher.classes = names
        ClassNamesHook().before_train(runner_of(model))

    def test_a_file_without_names_is_said_to_have_none(self, model, said):
        model.teacher.load()
        assert said[-1][1].endswith('teacher.pth names no classes: their order is not checked.')


class TestResumed:
    @pytest.mark.parametrize('names', [REORDERED, OTHER, MORE])
    def test_any_other_list_is_refused(self, tmp_path, names):
        with pytest.raises(ValueError, match=r'resume: .*a.pth .* Resume with the classes that'):
            begin('train', file(tmp_path, names), resume=True)

    def test_the_same_list_passes(self, tmp_path):
        begin('train', file(tmp_path, DATA), resume=True)


class TestStartedFrom:
    """By ``load_from``, or as the checkpoint of a distillation's student."""

    @pytest.fixture(params=['load_from', 'student'])
    def start(self, request, tmp_path):
        def start(names):
            path = file(tmp_path, names)
            if request.param == 'load_from':
                return begin('train', path)
            model = torch.nn.Module()
            model.student_checkpoint = path
            return ClassNamesHook().before_train(runner_of(model))

        return start

    def test_another_order_is_refused_with_both_lists(self, start):
        with pytest.raises(ValueError, match=BOTH_LISTS.format('training')) as error:
            start(REORDERED)
        assert "label 0 is 'dog' there and 'cat' here. Set metainfo.classes" in str(error.value)

    @pytest.mark.parametrize('names', [OTHER, MORE, [f'class{i}' for i in range(80)]])
    def test_other_names_are_a_line_in_the_log(self, start, said, names):
        start(names)
        ((level, text),) = said
        assert level == 'INFO' and len(text.splitlines()) == 1
        assert f'a.pth was trained on {len(names)} classes (' in text and 'has 2 others' in text

    def test_a_file_without_names_is_said_to_have_none(self, start, said):
        start(None)
        assert said[0][1].endswith('a.pth names no classes: their order is not checked.')

    def test_the_same_list_passes_in_silence(self, start, said):
        start(DATA)
        assert not said


class TestInitialised:
    def start(self, path, place, **setting):
        """Training with ``init_cfg`` in a part of the model."""
        model = torch.nn.Module()
        model.student = torch.nn.Module()
        model.student.backbone, model.student.bbox_head = torch.nn.Module(), torch.nn.Module()
        setting = dict(type='Pretrained', checkpoint=path, **setting)
        model.get_submodule(place).init_cfg = [dict(type='Normal', layer='Linear'), setting]
        hook, runner = ClassNamesHook(), runner_of(model)
        hook.before_train(runner)
        return hook, runner

    @pytest.mark.parametrize('place', ['', 'student', 'student.bbox_head'])
    def test_another_order_is_a_warning_at_start_and_beside_each_result(
        self, tmp_path, said, place
    ):
        hook, runner = self.start(file(tmp_path, REORDERED), place)
        ((level, text),) = said
        assert level == 'WARNING' and "data has ('cat', 'dog'), the same names in another" in text
        assert text.startswith(f'model.{place}.init_cfg: '.replace('..', '.'))
        for runner.iter in (10, 20):
            hook.after_val(runner)
            assert said[-1] == (level, f'The validation above, of iteration {runner.iter}: {text}')
        assert len(said) == 3

    def test_other_names_are_a_line_in_the_log(self, tmp_path, said):
        hook, runner = self.start(file(tmp_path, MORE), 'student')
        hook.after_val(runner)
        assert [level for level, _ in said] == ['INFO']

    def test_a_backbone_may_come_from_any_detector(self, tmp_path, said):
        self.start(file(tmp_path, REORDERED), 'student.backbone', prefix='backbone.')
        assert not said

    def test_what_was_loaded_later_counts(self, tmp_path, said):
        model = torch.nn.Module()
        model.init_cfg = dict(type='Pretrained', checkpoint='gone.pth')
        begin('train', file(tmp_path, DATA), model=model)
        assert not said


class TestTested:
    def test_another_order_is_a_warning_at_start_and_beside_the_result(self, tmp_path, said):
        hook, runner = begin('test', file(tmp_path, REORDERED))
        ((level, text),) = said
        assert level == 'WARNING' and "the test data has ('cat', 'dog'), the same names" in text
        hook.after_test(runner)
        assert said[1:] == [(level, f'The test above: {text}')]

    @pytest.mark.parametrize('names', [OTHER, MORE])
    def test_other_names_are_refused(self, tmp_path, names):
        with pytest.raises(ValueError, match=r"the test data has \('cat', 'dog'\). Set test_datal"):
            begin('test', file(tmp_path, names))

    def test_a_file_without_names_is_said_to_have_none(self, tmp_path, said):
        begin('test', file(tmp_path, None))
        assert said[0][1].endswith('a.pth names no classes: their order is not checked.')

    def test_a_model_that_was_trained_since_is_not_judged_by_what_it_started_from(self, tmp_path):
        hook, runner = begin('train', file(tmp_path, OTHER))
        hook.before_test(runner)


def test_a_model_that_is_told_the_names_is_not_looked_at(tmp_path):
    model = torch.nn.Module()
    model.language_model = torch.nn.Module()
    for loop in ('train', 'test'):
        begin(loop, file(tmp_path, MORE), model=model, resume=True)


def test_a_plain_runner_needs_no_hook_for_the_teacher(tmp_path):
    data = write_tiny_coco(tmp_path / 'data')
    model = distill_cfg(tmp_path, methods=[dict(type='mmkd.SoftClassification')])
    content = torch.load(model.teacher.checkpoint, weights_only=True)
    content['meta'] = dict(CLASSES=('class1', 'class0', 'class2'))
    torch.save(content, model.teacher.checkpoint)
    cfg = tiny_run_cfg(data, tmp_path, model, epochs=1, num_workers=0, custom_hooks=[])
    with pytest.raises(ValueError, match=r"the training data has \('class0', 'class1', 'clas"):
        train(cfg)


@pytest.mark.parametrize('hooks', [[], [TeacherClassesHook()]])
def test_the_tools_add_the_hook_where_a_config_lacks_it(monkeypatch, hooks):
    hooks = list(hooks)
    runner = SimpleNamespace(hooks=hooks, register_hook=hooks.append)
    monkeypatch.setattr(train_and_test.Runner, 'from_cfg', lambda cfg: runner)
    hooks = train_and_test.build_runner(Config(dict(launcher='none'))).hooks
    assert [type(hook) for hook in hooks].count(ClassNamesHook) == 1


def test_both_names_of_the_hook_are_registered():
    assert HOOKS.get('mmkd.TeacherClassesHook') is HOOKS.get('mmkd.ClassNamesHook')
