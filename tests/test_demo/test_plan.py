from pathlib import Path

import pytest

from mmkd.datasets.shapes import ShapesConfig
from mmkd.demo import PROFILES, Profile, make_stages

CONFIGS = Path(__file__).parents[2] / 'configs'


def stages_of(profile, tmp_path, seed=3):
    return {stage.name: stage for stage in make_stages(profile, CONFIGS, tmp_path, seed)}


def test_the_standard_demo_trains_the_configs_as_they_are(tmp_path):
    for stage in stages_of(PROFILES['standard'], tmp_path).values():
        config = stage.load_config()
        assert config.train_cfg.max_epochs == stage.epochs
        assert {key.split('.')[0] for key in stage.options} == {
            'randomness', 'train_cfg', 'default_hooks'
        }  # fmt: skip
        assert 'train_cfg.max_epochs' not in stage.options


def test_student_and_distilled_student_share_budget_and_seed(tmp_path):
    for profile in PROFILES.values():
        stages = stages_of(profile, tmp_path)
        assert stages['student'].options == stages['distilled'].options
        assert stages['student'].iterations == stages['distilled'].iterations
        assert stages['student'].options['randomness.seed'] == 3


def test_the_distilled_student_learns_from_the_teachers_last_checkpoint(tmp_path):
    stages = stages_of(PROFILES['quick'], tmp_path)
    distilled = stages['distilled'].load_config()
    assert distilled.model.teacher.checkpoint == str(stages['teacher'].checkpoint)
    assert stages['distilled'].needs == ('teacher',)
    assert stages['student'].needs == ()


def test_a_short_run_shortens_the_schedule_with_it(tmp_path):
    profile = Profile(ShapesConfig(train=19, val=4), epochs=2, val_interval=1)
    stage = stages_of(profile, tmp_path)['student']
    warm_up, decay = stage.load_config().param_scheduler
    assert stage.iterations == 20  # two epochs of ten batches, the last one of one image
    assert (warm_up.end, decay.end) == (2, 2)


def test_a_folder_without_configs_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r'there is no config .*faster_rcnn_r18_half_shapes\.py'
    ):
        make_stages(PROFILES['quick'], tmp_path, tmp_path, 0)
