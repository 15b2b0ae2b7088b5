"""What a checkpoint holds is checked, and can make the host run or delete nothing."""

import io
import os
import struct
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from mmkd.compat import DamagedCheckpointError, load_checkpoint_file, write_config_text
from mmkd.engine.readable_errors import run_readably
from mmkd.testing import tiny_retinanet_cfg, tiny_run_cfg
from mmkd.testing.distill import build_plain, distill_cfg

TEXT = "model = dict(type='mmdet.RetinaNet')\n"
ONES = torch.ones(2)


@pytest.fixture
def load(tmp_path):
    def saved(content):
        torch.save(content, tmp_path / 'file.pth')
        return load_checkpoint_file(tmp_path / 'file.pth')

    return saved


def hub(**info):
    return dict(log_scalars={}, runtime_info=info, resumed_keys=dict.fromkeys(info, True))


class TestTexts:
    def test_the_text_of_the_run_is_in_meta_alone(self, load):
        got = load(dict(state_dict={}, message_hub=hub(cfg=TEXT, iter=3)))
        assert got['message_hub'] == hub(iter=3)
        assert Config.fromstring(got['meta']['cfg'], '.py').model.type == 'mmdet.RetinaNet'

    @pytest.mark.parametrize('foreign', ['x = f()', 'no python', 'import os', 3, None, b'x = 1'])
    def test_of_another_text_nothing_is_left(self, load, foreign, monkeypatch):
        said = []
        monkeypatch.setattr('mmkd.compat.content.print_log', lambda text, logger: said.append(text))
        got = load(
            dict(
                state_dict={},
                meta=dict(cfg=foreign, config=foreign, epoch=1),
                message_hub=hub(cfg=foreign),
            )
        )
        assert got['meta'] == dict(epoch=1) and got['message_hub'] == hub()
        assert 'file.pth: meta.cfg, the text of its config, is left out: it holds' in said[0]

    @pytest.mark.parametrize('key', ['cfg', 'config'])
    def test_resuming_runs_nothing_and_keeps_the_runs_own_text(self, key, tmp_path, make_runner):
        first = make_runner()
        first.train()
        path = os.path.join(first.work_dir, 'epoch_1.pth')
        content = load_checkpoint_file(path)
        mark = tmp_path / 'it_ran'
        foreign = f'open({str(mark)!r}, "w")'
        content['meta'][key] = content['message_hub']['runtime_info']['cfg'] = foreign
        torch.save(content, tmp_path / 'foreign.pth')
        resumed = make_runner(epochs=2, load_from=str(tmp_path / 'foreign.pth'), resume=True)
        resumed.train()
        assert resumed.epoch == 2 and not mark.exists()
        with open(os.path.join(resumed.work_dir, 'epoch_2.pth'), 'rb') as file:
            written = torch.load(file, weights_only=False)
        own = resumed.cfg.pretty_text
        assert written['meta']['cfg'] == written['message_hub']['runtime_info']['cfg'] == own
        assert 'config' not in written['meta']


class TestInferencer:
    """``DetInferencer(weights=FILE)`` builds the model of the file's own text."""

    @pytest.fixture
    def student(self, tmp_path):
        def saved(model, weights, edit=lambda text: text):
            test = dict(
                dataset=dict(
                    type='CocoDataset',
                    ann_file='absent.json',
                    pipeline=[
                        dict(type='LoadImageFromFile'),
                        dict(type='Resize', scale=(96, 64)),
                        dict(type='PackDetInputs'),
                    ],
                )
            )
            cfg = tiny_run_cfg(
                tmp_path,
                tmp_path,
                model,
                test_dataloader=test,
                visualizer=dict(
                    type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')]
                ),
            )
            info = dict(cfg=edit(write_config_text(cfg.to_dict())))
            torch.save(
                dict(
                    state_dict=weights,
                    message_hub=hub(**info),
                    meta=dict(dataset_meta=dict(classes=('a', 'b', 'c'), palette='random'), **info),
                ),
                tmp_path / 'student.pth',
            )
            return str(tmp_path / 'student.pth')

        return saved

    def test_a_plain_and_a_distilled_students_file_predict_the_same(self, student, tmp_path):
        from mmdet.apis import DetInferencer

        config = distill_cfg(tmp_path)
        plain, image = build_plain(config['student']), np.full((64, 96, 3), 120, np.uint8)
        (tmp_path / 'teacher.py').write_text('raise SystemExit("it ran")')
        distilled = {**config, 'teacher': dict(config=str(tmp_path / 'teacher.py'))}
        found = [
            DetInferencer(weights=student(model, plain.state_dict()), device='cpu')(image)
            for model in (config['student'], distilled)
        ]
        assert found[0]['predictions'] == found[1]['predictions']

    def test_a_foreign_text_is_not_run(self, student, tmp_path):
        from mmdet.apis import DetInferencer

        mark = tmp_path / 'it_ran'
        code = f'\nx = open({str(mark)!r}, "w")'
        path = student(tiny_retinanet_cfg(), {}, lambda text: text + code)
        with pytest.raises(ValueError, match='Cannot find the config in the checkpoint'):
            DetInferencer(weights=path, device='cpu')
        assert not mark.exists()


class TestFilesToDelete:
    def test_only_a_best_checkpoint_beside_the_file_is_remembered(self, load, tmp_path):
        beside = str(tmp_path / 'best_coco_bbox_mAP_epoch_1.pth')
        foreign = [
            str(tmp_path),
            '/',
            str(tmp_path / 'thesis.tex'),
            '../best_x.pth',
            3,
            str(tmp_path / 'best_x.pth/..'),
            str(tmp_path.parent / 'best_x.pth'),
        ]
        info = {f'best_ckpt_{i}': path for i, path in enumerate(foreign)}
        got = load(dict(state_dict={}, message_hub=hub(best_ckpt=beside, best_score=0.5, **info)))
        assert got['message_hub']['runtime_info'] == dict(best_ckpt=beside, best_score=0.5)

    @pytest.mark.parametrize(
        'steps, kept', [([1, 2], True), (['/../../x'], False), ('12', False), ([True], False)]
    )
    def test_kept_steps_are_numbers(self, load, steps, kept):
        info = load(dict(state_dict={}, message_hub=hub(keep_ckpt_ids=steps)))['message_hub']
        assert ('keep_ckpt_ids' in info['runtime_info']) == kept


@pytest.mark.parametrize(
    'content, what',
    [
        ([1], 'holds a list; expected a dictionary'),
        ('text', 'holds a str; expected a dictionary'),
        (dict(state_dict=[ONES]), '.*: state_dict is of type list; expected a dictionary'),
        (dict(state_dict={3: ONES}), '.*: state_dict has the key 3; expected a readable name'),
        ({3: ONES}, '.*: it has the key 3'),
        (dict(state_dict={'a\x1b[2Jb': ONES}), r".*: state_dict has the key 'a\\x1b\[2Jb'"),
        (dict(state_dict=dict(a=1)), '.*: a in state_dict is of type int; expected a tensor'),
        ({'a.weight': [1.0]}, '.*: a.weight in it is of type list; expected a tensor'),
        (dict(state_dict={}, ema_state_dict=3), '.*: ema_state_dict is of type int'),
        (dict(state_dict={}, meta='text'), '.*: meta is of type str; expected a dictionary'),
        (dict(state_dict={}, meta=dict(epoch='1')), '.*: meta.epoch is of type str; .* an integer'),
        (dict(state_dict={}, meta=dict(dataset_meta=[1])), '.*: meta.dataset_meta is of type list'),
        (
            dict(state_dict={}, meta=dict(dataset_meta=dict(classes=3))),
            '.*: meta.dataset_meta.classes is 3; expected names',
        ),
        (dict(state_dict={}, meta=dict(CLASSES=('a', 2))), r".*: meta.CLASSES is \('a', 2\)"),
        (
            dict(state_dict={}, message_hub=dict(runtime_info=3)),
            '.*: message_hub.runtime_info is of',
        ),
        (dict(state_dict={}, optimizer='SGD'), '.*: optimizer is of type str'),
        (dict(state_dict={}, param_schedulers='x'), '.*: param_schedulers is of type str'),
    ],
)
def test_an_unfit_content_is_named(load, content, what, capsys):
    with pytest.raises(DamagedCheckpointError, match=f'file.pth {what}.* Give a file that'):
        load(content)
    assert run_readably(lambda: load(content)) == 2
    assert '\x1b' not in capsys.readouterr().err


def test_parts_that_are_none_count_as_absent(load):
    got = load(dict(state_dict={}, meta=None, message_hub=None, optimizer=None))
    assert got == dict(state_dict={})


def test_names_of_two_versions_and_extra_states_are_fit(load):
    meta = dict(CLASSES=('a', 'b'), dataset_meta=dict(classes=['a', 'b']))
    state = {'w': ONES, 'x._extra_state': dict(scale=1)}
    assert load(dict(state_dict=state, meta=meta))['meta'] == meta


class TestArchives:
    @pytest.fixture
    def path(self, tmp_path):
        weights = OrderedDict(w=torch.arange(1000.0))
        torch.save(
            dict(state_dict=weights, meta=dict(a=np.ones(2), b=HistoryBuffer([1], [1]))),
            tmp_path / 'file.pth',
        )
        return tmp_path / 'file.pth'

    def repack(self, path, edit, compression=zipfile.ZIP_STORED):
        with zipfile.ZipFile(path) as old:
            parts = {name: old.read(name) for name in old.namelist()}
        edit(parts)
        with zipfile.ZipFile(path, 'w', compression) as new:
            for name, part in parts.items():
                new.writestr(name, part)

    def refused(self, path, words):
        with pytest.raises(DamagedCheckpointError, match=f'file.pth cannot be read: .*{words}'):
            load_checkpoint_file(path)

    def test_a_damaged_weight_is_refused_that_torch_would_load(self, path):
        content = bytearray(path.read_bytes())
        content[content.index(struct.pack('<f', 500))] ^= 1
        path.write_bytes(content)
        assert torch.load(io.BytesIO(content), weights_only=False)['state_dict']['w'][500] != 500
        self.refused(path, 'file/data/0 differs from its checksum')

    def test_an_archive_larger_than_its_file_is_refused_before_it_is_unpacked(self, path):
        self.repack(
            path, lambda parts: parts.update({'file/bomb': bytes(1 << 24)}), zipfile.ZIP_DEFLATED
        )
        assert path.stat().st_size < 1 << 20
        self.refused(path, 'its parts claim 16.* bytes, and the file has')

    def test_a_weight_that_is_missing_is_refused(self, path):
        self.repack(path, lambda parts: parts.pop('file/data/0'))
        self.refused(path, 'data/0')

    def test_a_tensor_larger_than_its_data_is_refused(self, path):
        def enlarge(parts):
            parts['file/data.pkl'] = parts['file/data.pkl'].replace(
                b'M' + struct.pack('<H', 1000), b'J' + struct.pack('<i', 1 << 30)
            )

        self.repack(path, enlarge)
        self.refused(path, 'size')

    @pytest.mark.parametrize(
        'edit',
        [
            lambda pickled: pickled.replace(b'state_dict', b'state_\xff\xfe\xfdct'),  # not UTF-8
            lambda pickled: pickled[:-1],  # no end
            lambda pickled: pickled.replace(b'M\xe8\x03', b'M\xe8'),  # struct.error
            lambda pickled: b'\x80\x02h\x05.',  # KeyError
            lambda pickled: b'\x80\x02ctorch\nSize\nK\x01R.',  # TypeError
            lambda pickled: b'\x80\x02' + b'(' * 10 + b'.',  # IndexError
        ],
    )
    def test_a_damaged_pickle_is_explained(self, path, edit):
        def damage(parts):
            parts['file/data.pkl'] = edit(parts['file/data.pkl'])

        self.repack(path, damage)
        self.refused(path, r'\(.+\)\. Download or write it again')

    @pytest.mark.parametrize('made', [b'cbuiltins\nbytearray\n', b'ctorch\nTensor\n'])
    def test_memory_that_is_not_there_is_named(self, path, made):
        pickled = b'\x80\x02' + made + b'\x8a\x07' + b'\xff' * 6 + b'\x0f\x85R.'
        self.repack(path, lambda parts: parts.update({'file/data.pkl': pickled}))
        self.refused(path, 'it asks for more memory than there is. Free some')

    def test_other_formats_are_named_with_the_remedy(self, path):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
        self.refused(path, 'a TorchScript program .* torch.save its state_dict')
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('epoch_1.pth', b'')
        self.refused(path, 'a zip archive of other files.* Unpack it')
        with tarfile.open(path, 'w') as archive:
            archive.add(__file__, 'storages')
        self.refused(path, 'the tar format of torch before 0.4')

    def test_a_file_that_may_not_be_read_is_named(self, path, monkeypatch):
        def forbidden(*args, **kwargs):
            raise PermissionError(13, 'Permission denied')

        monkeypatch.setattr(torch, 'load', forbidden)
        with pytest.raises(OSError, match='file.pth cannot be read: Permission denied'):
            load_checkpoint_file(path)

    def test_a_name_with_escape_sequences_is_spelt_out(self, path, capsys):
        odd = path.with_name('a\x1b[31m.pth')
        odd.write_bytes(b'')
        assert run_readably(lambda: load_checkpoint_file(odd)) == 2
        assert run_readably(lambda: load_checkpoint_file(f'{odd}x')) == 2
        said = capsys.readouterr().err
        assert said.count(r'a\x1b[31m.pth') == 2 and '\x1b' not in said
