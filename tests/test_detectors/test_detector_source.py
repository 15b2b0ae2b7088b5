import pytest
from mmengine.config import Config

from mmkd.detectors.detector_source import resolve_spec
from mmkd.testing import tiny_faster_rcnn_cfg


@pytest.fixture
def config_file(tmp_path):
    file = tmp_path / 'student.py'
    Config(dict(model=tiny_faster_rcnn_cfg())).dump(file)
    return file


def widths(spec):
    return resolve_spec(spec, 'student').model.backbone.base_channels


def test_path_config_dict_and_model_dict_mean_the_same(config_file):
    config = Config.fromfile(config_file)
    for spec in (
        str(config_file),
        config_file,
        config,
        dict(config=str(config_file)),
        config.model,
    ):
        assert widths(spec) == 8


def test_options_change_the_config_of_a_path(config_file):
    options = {'model.backbone.base_channels': 12}
    assert widths(dict(config=str(config_file), cfg_options=options)) == 12


def test_mmdet_paths_resolve():
    spec = resolve_spec('mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py', 'student')
    assert spec.model.roi_head.bbox_head.num_classes == 20


def test_a_missing_config_is_named_with_its_role():
    with pytest.raises(FileNotFoundError, match="teacher: no config at 'configs/none.py'"):
        resolve_spec('configs/none.py', 'teacher')


@pytest.mark.parametrize('spec, error, message', [
    (5, TypeError, 'student must be a config path.*got int'),
    (dict(checkpoint='a.pth'), ValueError, '"config" is needed'),
    (dict(config='a.py', chekpoint='a.pth'), ValueError, 'chekpoint'),
    (Config(dict(data=1)), ValueError, 'has no "model"'),
    (Config(dict(model=dict(type='mmkd.DistillDetector'))), ValueError, 'is itself a distillation'),
])  # fmt: skip
def test_what_holds_no_detector_is_refused(spec, error, message):
    with pytest.raises(error, match=message):
        resolve_spec(spec, 'student')
