"""The plain student lies beside the last checkpoint, and is nothing to resume from."""

import torch
from mmengine.runner import Runner, find_latest_checkpoint

from mmkd.testing import tiny_run_cfg, write_tiny_coco
from mmkd.testing.distill import build_plain, distill_cfg


def test_a_run_ends_with_the_student_alone_and_resumes_from_its_checkpoint(tmp_path):
    data = write_tiny_coco(tmp_path / 'data', num_images=2)
    model = distill_cfg(tmp_path)
    hooks = (dict(type='mmkd.StudentHook'),)
    cfg = tiny_run_cfg(data, tmp_path / 'run', model, epochs=1, num_workers=0, hooks=hooks)
    run = Runner.from_cfg(cfg)
    run.train()
    file = tmp_path / 'run' / 'student_epoch_1.pth'
    state = torch.load(file, weights_only=True)['state_dict']
    assert run.model.writes_student
    assert set(state) == set(build_plain(model.student).state_dict())
    assert find_latest_checkpoint(str(tmp_path / 'run')).endswith('run/epoch_1.pth')
