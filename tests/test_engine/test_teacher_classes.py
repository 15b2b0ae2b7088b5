from types import SimpleNamespace

import pytest

from mmkd.engine import TeacherClassesHook


def runner(ours, theirs, **model):
    teacher = SimpleNamespace(classes=theirs, checkpoint='teacher.pth')
    return SimpleNamespace(
        model=SimpleNamespace(**{'teacher': teacher, **model}),
        train_dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo={'classes': ours})),
    )


@pytest.mark.parametrize('theirs', [('dog', 'cat'), ('cat', 'bird')])
def test_other_names_or_another_order_are_refused_with_both_lists(theirs):
    with pytest.raises(ValueError, match=r"teacher.pth .*, the training data has \('cat', 'dog'\)"):
        TeacherClassesHook().before_train(runner(('cat', 'dog'), theirs))


@pytest.mark.parametrize('theirs', [['cat', 'dog'], None])
def test_the_same_list_and_an_unknown_one_pass(theirs):
    TeacherClassesHook().before_train(runner(('cat', 'dog'), theirs))


def test_a_plain_detector_passes():
    TeacherClassesHook().before_train(runner(('cat', 'dog'), None, teacher=None))
