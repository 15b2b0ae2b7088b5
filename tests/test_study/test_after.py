"""What finished runs show: each trap planted in files that look like a run's, and found."""

import copy
import json
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from mmdet.evaluation.functional import eval_map
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope

from mmkd.compat.config_text import write_config_text
from mmkd.detectors.batch import batch_of
from mmkd.engine.diagnose import Check, State
from mmkd.observation import gradient_cosine
from mmkd.registry import MODELS
from mmkd.study.after import diagnose_after, gains, read_finished
from mmkd.study.after.agreement import check_agreement, measure_agreement
from mmkd.study.after.copies import Copy, check_copies, near_copies
from mmkd.study.after.finished import restore
from mmkd.study.after.influence import Influence, check_direction, check_strength
from mmkd.study.after.run import choose
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_run_cfg, write_tiny_coco
from mmkd.testing.oracle import oracle_cfg, save_oracle
from mmkd.visualization import Boxes

CLASSES = ('class0', 'class1', 'class2')
# Three steps an epoch: the last logs of each third of a training of two epochs.
LOSSES = {2: 0.02, 4: 0.01, 6: 0.03}


def write_run(folder, cfg, losses, epochs=(1, 2)):
    """The log, the config and the checkpoints of a training of two epochs."""
    log = folder / '20260101_000000' / 'vis_data'
    log.mkdir(parents=True)
    cfg.work_dir = str(folder)
    cfg.train_cfg.max_epochs = 2
    (log / 'config.py').write_text(write_config_text(cfg.to_dict()))
    lines = [
        dict(lr=0.1, loss=1.0 + own, loss_cls=0.75, loss_bbox=0.25, loss_fgfi=own, iter=step)
        for step, own in losses.items()
    ]
    lines += [{'coco/bbox_mAP': 0.1 * epoch, 'step': epoch} for epoch in (1, 2)]
    (log / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    init_default_scope('mmdet')
    for epoch in epochs:
        torch.manual_seed(epoch)
        model = MODELS.build(cfg.model)
        state = dict(state_dict=model.state_dict(), meta=dict(epoch=epoch, iter=3 * epoch))
        torch.save(state, folder / f'epoch_{epoch}.pth')
    return folder


@pytest.fixture(scope='module', autouse=True)
def progress_of_others():
    """Tests of other modules do not find the progress of these runs."""
    yield
    for key in ('iter', 'epoch', 'max_iters', 'max_epochs'):
        MessageHub.get_current_instance().pop_info(key)


@pytest.fixture(scope='module')
def configs(tmp_path_factory):
    """Of a distillation and of its student alone."""
    root = tmp_path_factory.mktemp('after')
    data = write_tiny_coco(root / 'data', num_images=8)
    model = dict(
        type='mmkd.DistillDetector',
        student=tiny_faster_rcnn_cfg(),
        teacher=None,
        methods=[dict(type='mmkd.FGFI', loss_weight=0.02)],
    )
    distilled = tiny_run_cfg(data, root, model, num_workers=0, validate=True)
    distilled.custom_imports.imports.append('mmkd.testing.oracle')
    path = save_oracle(oracle_cfg(), root / 'oracle.pth', distilled.train_dataloader, CLASSES)
    distilled.model.teacher = dict(config=oracle_cfg(), checkpoint=path)
    alone = tiny_run_cfg(data, root, tiny_faster_rcnn_cfg(), num_workers=0, validate=True)
    return distilled, alone


@pytest.fixture(scope='module')
def folders(configs, tmp_path_factory):
    root = tmp_path_factory.mktemp('runs')
    return (
        write_run(root / 'distilled', copy.deepcopy(configs[0]), LOSSES),
        write_run(root / 'alone', copy.deepcopy(configs[1]), {}, epochs=[2]),
    )


@pytest.fixture(scope='module')
def outcome(folders):
    told = []
    run = read_finished(folders[0], '--after')
    alone = read_finished(folders[1], '--alone')
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, 'imagehash', None)
        found = diagnose_after(run, alone, 8, 0.5, 'cpu', told.append)
    return found, told


class TestWhole:
    def test_findings_name_what_was_seen_and_a_remedy(self, outcome):
        found = {check.name: check for check in outcome[0].findings}
        gain = found['gain']
        assert gain.state is State.FINDING and 'within the noise' in gain.text
        assert '--seeds 0 1 2 3 4 5' in gain.remedy
        assert 'lead of the teacher' not in found  # the oracle finds everything

    def test_without_imagehash_one_sentence_says_how_to_get_it(self, outcome):
        (skipped,) = [check for check in outcome[0].findings if check.state is State.SKIPPED]
        assert 'not run: near-copies need the package imagehash' in skipped.text
        assert "pip install 'mmkd[diagnose]'" in skipped.text

    def test_losses_are_shares_of_the_task_by_thirds_and_gradients_by_checkpoint(self, outcome):
        columns = [list(column.cells) for column in outcome[0].tables[0].columns]
        assert columns[:2] == [['fgfi'], ['0.02 0.01 0.03']]
        assert 'epoch_1: ' in columns[2][0] and 'epoch_2: ' in columns[2][0]

    def test_the_oracle_scores_1_and_students_0(self, outcome):
        table = outcome[0].tables[-1]
        rows = list(zip(*(column.cells for column in table.columns)))
        assert rows[0] == ('all', '16', '1.000', '0.000', '0.000', '+0.000 [+0.000, +0.000]')
        assert [row[0] for row in rows[1:4]] == list(CLASSES)

    def test_pictures_are_written_beside_the_run_and_stages_are_told(self, outcome, folders):
        names = [path.name for path in outcome[0].pictures]
        assert names[:2] == ['losses.png', 'metric.png']
        assert all(path.parent == folders[0] / 'diagnose' for path in outcome[0].pictures)
        assert all(path.is_file() for path in outcome[0].pictures)
        assert any('gradients at epoch_1: batch 2 of 4' in stage for stage in outcome[1])
        assert any('detections, alone: 8 of 8 images' in stage for stage in outcome[1])

    def test_without_the_student_alone_nothing_is_said_of_a_gain(self, folders):
        run = read_finished(folders[0], '--after', {'test_dataloader': None})
        found = diagnose_after(run, None, 2, 0.5, 'cpu', lambda stage: None)
        names = {check.name for check in found.findings}
        assert not names & {'gain', 'lead of the teacher', 'what it lost'}


class TestFolders:
    def test_the_checkpoint_of_the_end_is_the_last_by_number(self, configs, tmp_path):
        write_run(tmp_path / 'run', copy.deepcopy(configs[1]), LOSSES, epochs=(10, 9))
        run = read_finished(tmp_path / 'run', '--alone')
        assert [path.stem for path in run.checkpoints] == ['epoch_9', 'epoch_10']

    def test_schedules_stand_where_they_stood_at_the_checkpoint(self, folders):
        run = read_finished(folders[0], '--after')
        restore(run, run.checkpoints[0], 'cpu')
        batch = batch_of([])
        assert (batch.step, batch.epoch, batch.max_steps, batch.max_epochs) == (2, 0, 6, 2)

    @pytest.mark.parametrize('spoil, message', [
        (lambda folder: folder.rename(folder.parent / 'gone'), r'--after .* has no log.*seed_N'),
        (lambda folder: [file.unlink() for file in folder.glob('*.pth')],
         r'--after .* has no checkpoint, epoch_N.pth .*: train with default_hooks.checkpoint'),
    ])  # fmt: skip
    def test_what_is_missing_is_named_with_its_remedy(self, folders, tmp_path, spoil, message):
        folder = shutil.copytree(folders[0], tmp_path / 'run')
        spoil(folder)
        with pytest.raises(FileNotFoundError, match=message):
            read_finished(folder, '--after')

    def test_a_student_alone_is_no_distillation_nor_the_reverse(self, folders):
        with pytest.raises(ValueError, match='--after .* distils nothing: .*--alone'):
            read_finished(folders[1], '--after')
        with pytest.raises(ValueError, match='--alone .* is itself a distillation'):
            read_finished(folders[0], '--alone')

    def test_a_student_alone_of_other_data_is_refused(self, configs, folders, tmp_path):
        cfg = copy.deepcopy(configs[1])
        cfg.train_dataloader.dataset.indices = 5
        alone = read_finished(write_run(tmp_path / 'alone', cfg, {}), '--alone')
        run = read_finished(folders[0], '--after')
        with pytest.raises(ValueError, match='has other data .*5 and 8 train images, 5 of them'):
            diagnose_after(run, alone, 2, 0.5, 'cpu', lambda stage: None)
        cfg = copy.deepcopy(configs[1])
        cfg.val_dataloader.dataset.metainfo.classes = CLASSES[::-1]
        alone = read_finished(write_run(tmp_path / 'classes', cfg, {}), '--alone')
        with pytest.raises(ValueError, match=r"classes \[\('class2', 'class1', 'class0'\)\]"):
            diagnose_after(run, alone, 2, 0.5, 'cpu', lambda stage: None)


class TestInfluence:
    def one(self, losses, cosine, configs):
        method = MODELS.build(configs[0].model).distill['fgfi']
        return Influence(method, losses, {'epoch_2': (0.1, cosine)})

    @pytest.mark.parametrize('losses, state', [
        ([0.003, 0.003, 0.003], State.FINDING),
        ([30.0, 20.0, 10.0], State.FINDING),
        ([0.02, 0.01, 0.03], State.OK),
        ([0.02, float('nan'), 0.02], State.OK),
        ([0.0, 0.0, 0.0], State.OK),  # its weight is 0
    ])  # fmt: skip
    def test_a_loss_orders_apart_from_the_task_is_found(self, losses, state, configs):
        check = check_strength(self.one(losses, 0.0, configs), 0.5)
        assert check.state is state
        if losses[0] == 0.003:  # 0.02 * 0.5 / 0.003
            assert '0.30% of the task loss' in check.text
            assert check.remedy.startswith('loss_weight=3.33 makes it 50%')

    def test_a_gradient_against_the_task_is_found_and_when_to_stop_is_said(self, configs, folders):
        run = read_finished(folders[0], '--after', {'train_cfg.max_epochs': 12})
        check = check_direction(self.one([0.1] * 3, -0.4, configs), run)
        assert check.state is State.FINDING and 'at epoch_2 (cosine -0.40)' in check.text
        assert "dict(type='stop', begin=8)" in check.remedy
        assert check_direction(self.one([0.1] * 3, -0.05, configs), run).state is State.OK

    def test_a_cosine_by_hand(self):
        maps = [torch.tensor([1.0, 2.0], requires_grad=True), torch.ones(1, requires_grad=True)]
        first = 3 * maps[0][0]  # (3, 0), none
        second = 4 * maps[0][0] + 3 * maps[0][1]  # (4, 3), none: 12 / (3 * 5)
        assert gradient_cosine(first, second, maps) == pytest.approx(0.8)
        assert gradient_cosine(first, -first, maps) == -1
        third = first + 4 * maps[1].sum()  # (3, 0), (4): 9 / (3 * 5)
        assert gradient_cosine(first, third, maps) == pytest.approx(0.6)
        assert gradient_cosine(first, torch.zeros(()), maps) == 0


class TestAgreement:
    def test_of_a_teacher_that_calls_everything_background(self, folders):
        run = read_finished(folders[0], '--after')
        model = restore(run, run.checkpoints[-1], 'cpu').eval()
        state = {key: value.clone() for key, value in model.state_dict().items()}
        with torch.no_grad():
            model.teacher.model.roi_head.bbox_head.fc_cls.bias[-1] += 1e3
        counts = measure_agreement(run, model, 'teacher', 8)
        assert counts[:, 0].sum() > 0 and (counts[:, 2] == counts[:, 0]).all()
        assert not counts[:, 1].any() and counts[2, 0] == 0  # images of 64 x 96 have no large one
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())

    def test_the_worst_size_is_found_where_it_has_enough_objects(self):
        check = check_agreement(np.array([[19, 0, 19], [100, 60, 30], [50, 50, 0]]), True)
        assert check.state is State.FINDING
        assert 'on medium objects the teacher calls 60% as the label does and 30%' in check.text
        few = np.array([[19, 0, 19], [9, 0, 0], [9, 0, 0]])
        assert check_agreement(few, True).state is State.OK

    def test_what_no_method_compares_is_no_finding(self):
        assert check_agreement(np.array([[90, 0, 90]] * 3), False).state is State.OK


def boxes(*corners, labels=None, scores=None):
    table = np.array(corners, float).reshape(-1, 4)
    return Boxes(table, np.zeros(len(table), int) if labels is None else np.array(labels), scores)


class TestGains:
    SMALL, LARGE = (0, 0, 20, 20), (100, 100, 300, 300)

    def rows(self):
        truths = [boxes(self.SMALL, self.LARGE, labels=[0, 1])] * 4
        scores = np.array([0.9, 0.8])
        both = [boxes(self.SMALL, self.LARGE, labels=[0, 1], scores=scores)] * 4
        small = [boxes(self.SMALL, labels=[0], scores=scores[:1])] * 4
        found = {'teacher': small, 'alone': both, 'distilled': small}
        return gains.measure_gains(found, truths, ('a', 'b', 'c'))

    def test_by_class_and_size(self):
        rows = {row.name: row for row in self.rows()}
        assert list(rows) == ['all', 'a', 'b', 'small', 'large']  # no 'c', nothing medium
        assert [row.objects for row in rows.values()] == [8, 4, 4, 4, 4]
        assert rows['all'].scores == dict(teacher=0.5, alone=1.0, distilled=0.5)
        assert rows['b'].gain == rows['large'].gain == (-1, -1, -1)
        assert rows['a'].gain == rows['small'].gain == (0, 0, 0)

    def test_a_false_detection_counts_for_its_own_size_alone(self):
        scores = np.array([0.9, 0.8, 0.7])
        found = [boxes((400, 400, 600, 600), self.SMALL, self.LARGE, scores=scores)] * 2
        truths = [boxes(self.SMALL, self.LARGE)] * 2
        rows = gains.measure_gains({'distilled': found}, truths, ('a',))
        scores = {row.name: row.scores['distilled'] for row in rows}
        assert scores['small'] == 1 and scores['large'] == 0.5  # two false, then two of four
        assert rows[0].gain is None

    def test_a_loss_is_found_and_that_the_teacher_is_no_better_there(self):
        rows = self.rows()
        check = gains.check_gain(rows)
        assert check.state is State.FINDING and check.text.startswith('it lost: -0.500')
        check = gains.check_parts(rows)
        assert check.text.startswith('b: -1.000') and 'the teacher is no better' in check.text
        check = gains.check_lead(rows)
        assert check.state is State.FINDING and 'teacher 0.500, student alone 1.000' in check.text

    def test_a_gain_beyond_noise_is_no_finding_and_still_of_one_seed(self):
        row = gains.Row('all', 9, dict(teacher=0.9, alone=0.5, distilled=0.6), (0.1, 0.02, 0.2))
        check = gains.check_gain([row])
        assert check.state is State.INFO and '+0.100 [+0.020, +0.200]' in check.text
        assert 'one seed cannot tell' in check.remedy
        assert gains.check_lead([row]).state is State.OK
        assert gains.check_parts([row, row]).state is State.OK

    def test_equal_to_the_reference_and_the_interval_covers_it(self):
        rng = np.random.default_rng(1)

        def draw(count):
            corner = rng.uniform(0, 300, (count, 2))
            return np.hstack([corner, corner + rng.uniform(10, 150, (count, 2))])

        truths, found = [], []
        for _ in range(12):
            truth = draw(6)
            near = truth + rng.normal(0, 6, truth.shape)
            labels = rng.integers(0, 2, 6)
            truths.append(boxes(*truth, labels=labels))
            found.append(
                boxes(*near, *draw(6), labels=[*labels, *labels], scores=rng.uniform(size=12))
            )
        detections = [
            [np.hstack([one.bboxes, one.scores[:, None]])[one.labels == k] for k in range(2)]
            for one in found
        ]
        annotations = [dict(bboxes=one.bboxes, labels=one.labels) for one in truths]
        mean, by_class = eval_map(detections, annotations, logger='silent')
        rows = gains.measure_gains({'alone': found, 'distilled': found}, truths, ('a', 'b'))
        assert rows[0].scores['alone'] == pytest.approx(mean, abs=1e-6)
        for row, reference in zip(rows[1:3], by_class):
            assert row.scores['distilled'] == pytest.approx(reference['ap'], abs=1e-6)
        assert 0 < mean < 1 and rows[0].gain == (0, 0, 0)  # pairs of the same images
        half = {'alone': [boxes(scores=np.zeros(0))] * 12, 'distilled': found}
        gain, low, high = gains.measure_gains(half, truths, ('a', 'b'))[0].gain
        assert low < gain < high and high - low < 0.5

    def test_images_are_ranked_by_what_was_lost_on_them(self):
        scores = np.array([0.9])
        hit, faint = boxes(self.SMALL, scores=scores), boxes(self.SMALL, scores=scores - 0.7)
        false = boxes(self.LARGE, scores=scores)
        found = {'alone': [hit] * 4, 'distilled': [hit, faint, false, hit]}
        assert gains.lost_most(found, [boxes(self.SMALL)] * 4, 3) == [2, 1]


def test_near_copies_are_found_and_others_are_not(tmp_path):
    pytest.importorskip('imagehash', reason='the extra mmkd[diagnose] is not installed')
    rng = np.random.default_rng(0)
    pictures = [cv2.resize(rng.integers(0, 256, (9, 9, 3), np.uint8), (90, 60)) for _ in range(3)]
    for name, picture in zip('abc', pictures):
        cv2.imwrite(str(tmp_path / f'{name}.png'), picture)
    darker = cv2.resize(pictures[1], (45, 30)) // 2
    cv2.imwrite(str(tmp_path / 'copy.jpg'), darker)
    train = [str(tmp_path / f'{name}.png') for name in 'ab']
    told = []
    others = [str(tmp_path / 'c.png'), str(tmp_path / 'copy.jpg')]
    splits = dict(val=others, test=others[:1])
    near = near_copies(train, splits, told.append)
    (found,), none = near['val'], near['test']
    assert (found.image, found.original) == (others[1], train[1]) and found.bits < 30
    assert none == []
    assert told == ['hashes of the images: 0 of 4']


def test_few_near_copies_are_worth_knowing_and_many_are_a_finding():
    pair = Copy('images/0007.png', 'images/0003.png', 9)
    check = check_copies(dict(val=[], test=[pair] * 3), dict(val=100, test=100))
    assert check.state is State.FINDING
    assert '3 of 100 images of test nearly equal training images, such as 0007.png' in check.text
    assert check_copies(dict(val=[pair]), dict(val=100)).state is State.INFO
    assert check_copies(dict(val=[]), dict(val=100)).state is State.OK


def test_at_most_five_findings_are_shown():
    checks = [Check(str(i), State.FINDING, '') for i in range(7)]
    checks += [Check('fine', State.OK, ''), Check('not run', State.SKIPPED, '')]
    assert [check.name for check in choose(checks)] == ['0', '1', '2', '3', '4', 'not run']
