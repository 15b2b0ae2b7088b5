import argparse
import logging

import pytest
from mmengine.logging import MMLogger

from mmkd.engine.commands.tool_options import add_distillation_options, read_distillation
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_run_cfg, write_tiny_coco


@pytest.fixture
def parse(tmp_path):
    """Arguments of a tool for a tiny distillation config."""
    model = dict(
        type='mmkd.DistillDetector', student=tiny_faster_rcnn_cfg(), teacher='large.py', methods=[]
    )
    cfg = tiny_run_cfg(write_tiny_coco(tmp_path / 'data'), tmp_path / 'run', model)
    cfg.dump(tmp_path / 'config.py')

    def parse(*options):
        parser = argparse.ArgumentParser()
        add_distillation_options(parser)
        return parser.parse_args([str(tmp_path / 'config.py'), *options])

    return parse


@pytest.fixture
def level():
    """The log's level, put back afterwards."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    yield lambda: logger.level
    logger.setLevel(before)


def test_options_reach_the_config_and_the_log_shows_warnings_alone(parse, level):
    config = read_distillation(
        parse('--teacher-checkpoint', 'my.pth', '--cfg-options', 'train_cfg.max_epochs=7'),
        ['train'],
    )
    assert config.model.teacher == dict(config='large.py', checkpoint='my.pth')
    assert config.train_cfg.max_epochs == 7
    assert level() == logging.WARNING


def test_missing_data_are_refused_of_the_splits_to_read(parse, level):
    args = parse('--cfg-options', 'train_dataloader.dataset.data_root=gone')
    with pytest.raises(FileNotFoundError, match='train_dataloader.dataset.data_root'):
        read_distillation(args, ['train'])
    read_distillation(args, [])
