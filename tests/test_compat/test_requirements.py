"""What is missing is said in one sentence, with the command that brings it."""

import importlib.metadata
import importlib.util
import subprocess
import sys

import pytest

from mmkd.compat import requirements


@pytest.fixture
def absent(monkeypatch):
    """Hides modules, and all distributions but those given."""

    def hide(modules, distributions=()):
        find_spec = importlib.util.find_spec

        def version(name):
            if name not in distributions:
                raise importlib.metadata.PackageNotFoundError(name)
            return '1'

        monkeypatch.setattr(
            importlib.util,
            'find_spec',
            lambda name, *a: None if name in modules else find_spec(name, *a),
        )
        monkeypatch.setattr(importlib.metadata, 'version', version)

    return hide


class TestHost:
    def test_with_nothing_there_both_families_are_offered(self, absent):
        absent({'mmengine', 'mmcv', 'mmdet'})
        with pytest.raises(ImportError) as caught:
            requirements.check_host()
        message = str(caught.value)
        assert 'mmengine, mmcv, mmdet cannot be found' in message
        assert "pip install 'mmkd[openmmlab]'" in message
        assert "pip install 'mmkd[onedl]'" in message
        assert message.count('. ') == 0 and message.endswith('.')

    @pytest.mark.parametrize(
        'distribution, offered, other',
        [('mmengine', 'openmmlab', 'onedl'), ('onedl-mmengine', 'onedl', 'openmmlab')],
    )
    def test_with_a_part_there_its_family_is_completed(self, absent, distribution, offered, other):
        absent({'mmdet'}, {distribution})
        with pytest.raises(ImportError) as caught:
            requirements.check_host()
        assert f'mmkd[{offered}]' in str(caught.value)
        assert f'mmkd[{other}]' not in str(caught.value)

    def test_here_nothing_is_missing(self):
        requirements.check()

    @pytest.mark.slow
    def test_importing_mmkd_without_the_host_ends_with_that_sentence(self):
        script = (
            'import sys\n'
            'class Hide:\n'
            '    def find_spec(self, name, path=None, target=None):\n'
            '        if name.split(".")[0] in ("mmengine", "mmcv", "mmdet"):\n'
            '            raise ModuleNotFoundError(name)\n'
            'import importlib.util\n'
            'real = importlib.util.find_spec\n'
            'importlib.util.find_spec = lambda name, *a: (\n'
            '    None if name in ("mmengine", "mmcv", "mmdet") else real(name, *a))\n'
            'sys.meta_path.insert(0, Hide())\n'
            'import mmkd\n'
        )
        run = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
        last = run.stderr.strip().splitlines()[-1]
        assert run.returncode == 1
        assert last.startswith('ImportError: mmkd extends MMDetection, and mmengine, mmcv, mmdet')


class TestTorch:
    @pytest.mark.parametrize('version', ['2.5.1', '1.13.0+cu117'])
    def test_an_old_one_is_refused_with_its_version(self, version):
        with pytest.raises(ImportError, match=r'torch >= 2\.6 and found ' + version.split('+')[0]):
            requirements.check_torch(version)

    @pytest.mark.parametrize('version', ['2.6.0', '2.14.1+cu130', '2.10.0a0+git1', '3.0.0'])
    def test_a_new_one_is_taken(self, version):
        requirements.check_torch(version)
