"""``mmkd::name.py`` names a shipped config; every other name is MMEngine's affair."""

from pathlib import Path

import pytest

import mmkd.compat.scope as scope  # isort: skip  first
import mmengine.hub
from mmengine.config import Config

from mmkd.utils import warn_renamed


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package with configs of its own in place of mmkd's."""
    package = tmp_path / 'mmkd'
    folder = package / '.mim' / 'configs'
    (folder / 'students').mkdir(parents=True)
    (folder / 'runtime.py').write_text('default_scope = "mmdet"\n')
    (folder / 'students' / 'plain.py').write_text(
        '_base_ = "../runtime.py"\nmodel = dict(type="FasterRCNN", depth=18)\n'
    )
    (folder / 'flat.py').write_text('_base_ = "mmkd::students/plain.py"\nflat = True\n')
    monkeypatch.setattr(scope, '_PACKAGE', package)
    return folder


class TestResolving:
    def test_a_flat_name_works_as_base(self, shipped, tmp_path):
        config = tmp_path / 'mine.py'
        config.write_text('_base_ = "mmkd::flat.py"\nmodel = dict(depth=50)\n')
        cfg = Config.fromfile(config)
        assert cfg.model.depth == 50 and cfg.model.type == 'FasterRCNN' and cfg.flat

    def test_no_scope_is_added_to_the_inherited_dicts(self, shipped, tmp_path):
        # MMEngine marks what comes from mmdet:: with _scope_; types of these configs name theirs.
        config = tmp_path / 'mine.py'
        config.write_text('_base_ = "mmkd::flat.py"\n')
        assert '_scope_' not in Config.fromfile(config).model

    def test_it_works_in_a_list_beside_others(self, shipped, tmp_path):
        (tmp_path / 'local.py').write_text('local = 1\n')
        config = tmp_path / 'mine.py'
        config.write_text(
            '_base_ = ["mmkd::students/plain.py", "./local.py",\n'
            '          "mmdet::_base_/schedules/schedule_1x.py"]\n'
        )
        cfg = Config.fromfile(config)
        assert (cfg.model.depth, cfg.local, cfg.train_cfg.max_epochs) == (18, 1, 12)

    def test_fromfile_and_the_hub_take_it_directly(self, shipped):
        assert Config.fromfile('mmkd::flat.py').flat
        assert mmengine.hub.get_config('mmkd::students/plain.py').default_scope == 'mmdet'

    def test_the_hub_has_no_weights_to_give(self, shipped):
        with pytest.raises(ValueError, match='publishes no weights for mmkd::flat.py'):
            mmengine.hub.get_config('mmkd::flat.py', pretrained=True)

    def test_a_wrong_name_is_answered_with_close_ones(self, shipped):
        with pytest.raises(FileNotFoundError, match='no config flatt.py.*Did you mean flat.py'):
            Config.fromfile('mmkd::flatt.py')

    def test_other_names_pass_unchanged(self):
        for name in ('configs/a.py', 'mmdet::_base_/default_runtime.py', '/a/b.py'):
            assert scope.resolve_config_path(name) == name

    def test_mmdet_names_still_get_mmdets_scope(self, tmp_path):
        config = tmp_path / 'mine.py'
        config.write_text('_base_ = "mmdet::_base_/models/faster-rcnn_r50_fpn.py"\n')
        assert Config.fromfile(config).model._scope_ == 'mmdet'
        name = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
        assert mmengine.hub.get_config(name).model.type == 'FasterRCNN'

    def test_installing_twice_wraps_once(self):
        before = Config.fromfile
        scope.install()
        assert Config.fromfile is before


class TestFolder:
    def test_the_real_one_exists(self):
        assert (scope.config_folder() / '_base_').is_dir()

    def test_a_checkout_without_links_has_it_beside_the_package(self, tmp_path, monkeypatch):
        monkeypatch.setattr(scope, '_PACKAGE', tmp_path / 'mmkd')
        (tmp_path / 'configs').mkdir()
        (tmp_path / 'setup.py').touch()
        assert scope.config_folder() == tmp_path / 'configs'

    def test_a_foreign_folder_in_site_packages_is_not_taken(self, tmp_path, monkeypatch):
        monkeypatch.setattr(scope, '_PACKAGE', tmp_path / 'mmkd')
        (tmp_path / 'configs').mkdir()
        with pytest.raises(FileNotFoundError, match='reinstall mmkd'):
            scope.config_folder()

    def test_it_belongs_to_the_package_that_runs(self):
        import mmkd

        assert scope._PACKAGE == Path(mmkd.__file__).resolve().parent


class TestFormerNames:
    @pytest.mark.parametrize('name, new', [
        ('students/faster_rcnn_r18thin_half_bccd.py',
         'students/faster_rcnn_r18_16th_bccd_128x96.py'),
        ('students/faster_rcnn_r18thin_shapes.py', 'students/faster_rcnn_r18_16th_shapes.py'),
        ('teachers/rfcn_r18_bccd.py', 'teachers/rfcn_r18_quarter_bccd.py'),
        ('_base_/models/faster_rcnn_r18half_fpn.py', '_base_/models/faster_rcnn_r18_half_fpn.py'),
        ('_base_/models/faster_rcnn_r18thin_fpn.py',
         '_base_/models/faster_rcnn_r18_3_16ths_fpn.py'),
        ('_base_/pairs/faster_rcnn_r50_voc.py', 'pairs/faster_rcnn_r50_voc.py'),
        ('fgfi_faster_rcnn_r18thin_bccd.py', 'fgfi_faster_rcnn_r18_16th_bccd.py'),
    ])  # fmt: skip
    @pytest.mark.parametrize('prefix', ['configs/', 'mmkd::'])
    def test_a_renamed_one_is_found_with_one_warning(self, name, new, prefix):
        warn_renamed.cache_clear()
        with pytest.warns(FutureWarning, match=f'the config {prefix}{name} is now {prefix}{new}'):
            assert Config.fromfile(prefix + name).filename.endswith(f'configs/{new}')

    @pytest.mark.parametrize('name, new', [
        ('hint_faster_rcnn_r50_coco.py',
         'run tools/train.py {}pairs/faster_rcnn_r50_coco.py --method hint'),
        ('chen2017_hint_faster_rcnn_r18thin_bccd.py',
         "run tools/train.py {}pairs/faster_rcnn_r18_16th_bccd.py --method '{{type: mmkd.Chen2017, "
         "mu: 1, nu: 0}}'"),
        ('two_stage_mimic_rfcn_r18thin_faster_rcnn_bccd.py',
         "run tools/train.py {}pairs/rfcn_r18_16th_faster_rcnn_bccd.py --method '{{type: "
         "mmkd.TwoStageMimic, feats_weight: 0.0, mimic: {{levels: [[1, 0]]}}}}'"),
        ('proposal_mimic_scales_faster_rcnn_r18thin_bccd.py',
         "run tools/train.py {}pairs/faster_rcnn_r18_16th_bccd_128x96.py --method '{{type: "
         "mmkd.ProposalMimic, upsample: deconv, loss_weight: 0.25}}'"),
        ('quantization_mimic_quantized_faster_rcnn_r18thin_bccd.py',
         "run tools/train.py {}pairs/faster_rcnn_r18_16th_quantized_bccd.py --method '{{type: "
         "mmkd.QuantizationMimic, step: 0.5, loss_weight: 0.25}}'"),
    ])  # fmt: skip
    @pytest.mark.parametrize('prefix', ['configs/', 'mmkd::'])
    def test_one_ends_in_what_replaces_it(self, name, new, prefix):
        with pytest.raises(FileNotFoundError) as error:
            Config.fromfile(prefix + name)
        said = f'the config {prefix}{name} has been replaced: {new.format(prefix)}.'
        assert str(error.value) == said

    def test_one_as_a_base_or_a_teacher_is_found_too(self, tmp_path):
        from mmkd.detectors.detector_source import resolve_spec

        (tmp_path / 'mine.py').write_text('_base_ = "./_base_/pairs/faster_rcnn_r50_voc.py"\n')
        warn_renamed.cache_clear()
        with pytest.warns(FutureWarning, match=r'now configs/pairs/faster_rcnn_r50_voc\.py'):
            assert Config.fromfile(tmp_path / 'mine.py').model.type == 'mmkd.DistillDetector'
        with pytest.warns(FutureWarning, match=r'teachers/faster_rcnn_r18_half_bccd\.py'):
            resolve_spec('configs/teachers/faster_rcnn_r18_bccd.py', 'teacher')

    @pytest.mark.parametrize(
        'name', ['fgfi_faster_rcnn_r50_vok.py', 'hint_mine_r50_voc.py', 'a.py']
    )
    def test_another_is_not_taken_for_one(self, name):
        assert scope.resolve_config_path(f'configs/{name}') == f'configs/{name}'
