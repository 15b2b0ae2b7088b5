"""A field and a method of a user's own, imported through custom_imports, train a step."""

import sys

import torch
from mmengine.config import Config

import mmkd  # noqa: F401
from mmkd.registry import FIELDS, MODELS
from mmkd.testing.batches import demo_batch
from mmkd.testing.distill import distill_cfg

SOURCE = '''
from mmkd.fields import Field
from mmkd.methods import DistillMethod
from mmkd.registry import FIELDS, MODELS


@FIELDS.register_module()
class Brightness(Field):
    """(B,), the mean of the coarsest level."""

    name = 'brightness'
    words = 'mean of the coarsest level'

    def offered(self, detector):
        return hasattr(detector, 'neck')

    def describe(self, detector, run):
        return len(run.maps)

    def record(self, detector, recorder):
        recorder.on_forward(
            detector.neck, lambda args, out: recorder.first('brightness', out[-1].mean((1, 2, 3)))
        )

    def teacher(self, observation, query):
        return observation.features[-1].mean((1, 2, 3))


@MODELS.register_module()
class MatchBrightness(DistillMethod):
    student_fields = teacher_fields = frozenset({'brightness'})

    def setup(self, student, teacher):
        assert student.brightness == teacher.brightness == 5

    def forward(self, student, teacher, batch):
        difference = student.brightness - teacher.brightness
        return {f'loss_{self.name}': self.loss_weight * difference.square().mean()}
'''


def test_they_train_a_step(tmp_path, monkeypatch):
    (tmp_path / 'my_brightness.py').write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    model = distill_cfg(tmp_path, methods=[dict(type='mmkd.MatchBrightness')])
    file = tmp_path / 'config.py'
    file.write_text(
        f'custom_imports = dict(imports=["my_brightness"], allow_failed_imports=False)\n'
        f'model = {model.to_dict() if hasattr(model, "to_dict") else dict(model)!r}\n'
    )
    try:
        built = MODELS.build(Config.fromfile(file).model)
        built.init_weights()
        data = built.data_preprocessor(demo_batch(), True)
        losses = built.loss(data['inputs'], data['data_samples'])
        assert losses['loss_match_brightness'].isfinite()
        built.parse_losses(losses)[0].backward()
        grad = built.student.neck.fpn_convs[0].conv.weight.grad
        assert grad is not None and torch.isfinite(grad).all()
    finally:
        FIELDS.module_dict.pop('Brightness', None)
        MODELS.module_dict.pop('MatchBrightness', None)
        sys.modules.pop('my_brightness', None)
