"""The search against stand-ins for its runs: what it tries, what it costs, how it goes on."""

import io
import json
import sys
from dataclasses import replace

import pytest
from mmengine.config import Config
from rich.console import Console

from mmkd.study import Search, markers, read_study, search
from mmkd.study.candidates import Candidate, cut_split, fitting
from mmkd.study.results import collect
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_run_cfg, write_tiny_coco

EPOCH = 60.0
# Of the final seeds: fgfi - student alone = 0.02, 0.03, 0.04, ... by seed.
REACHED = {'student': 0.5, 'fgfi': 0.52, 'imitation': 0.45}


class Runs:
    """In place of the runner: a run takes a minute an epoch and reaches what its arm's name says.

    ``stop`` is the number of runs after which it is interrupted, with a run half done.
    """

    def __init__(self, stop=None, seconds=()):
        self.made, self.stop, self.seconds = [], stop, dict(seconds)

    def __call__(self, jobs, chosen):
        for job in chosen:
            parts = markers.fingerprint(job)
            if markers.is_finished(job, parts):
                continue
            if len(self.made) == self.stop:
                raise KeyboardInterrupt
            self.made.append(job)
            if job.arm.startswith('search_hint'):
                return {job.index: 'no room on the device'}
            value = next((v for k, v in REACHED.items() if k in job.arm), 0.8)
            value += 0.01 * (job.seed or 0) * ('fgfi' in job.arm)
            folder = job.work_dir / '20260101_000000' / 'vis_data'
            folder.mkdir(parents=True, exist_ok=True)
            line = {'coco/bbox_mAP': value, 'step': job.epochs}
            (folder / 'scalars.json').write_text(json.dumps(line) + '\n')
            job.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            job.checkpoint.write_text('weights')
            seconds = self.seconds.get(job.arm, EPOCH * job.epochs)
            markers.write_marker(job.work_dir, markers.Marker(parts, True, seconds, 0, 1, {}))
        return {}

    def names(self):
        return [f'{job.arm}/{job.seed}' for job in self.made]


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(search, 'write_outcome', lambda study, jobs, console: collect(study, jobs))
    (tmp_path / 't.pth').write_text('weights')
    for name in ('teacher', 'student'):
        cfg = tiny_run_cfg(tmp_path, tmp_path, tiny_faster_rcnn_cfg(), 9, validate=True)
        cfg.dump(tmp_path / f'{name}.py')
    settings = dict(
        teacher=dict(config=str(tmp_path / 'teacher.py'), checkpoint=str(tmp_path / 't.pth')),
        student=str(tmp_path / 'student.py'),
        methods=dict(hint='mmkd.Hint', fgfi='mmkd.FGFI', imitation='mmkd.Imitation'),
        search_options={'val_dataloader.dataset.ann_file': 'part.json'},
        work_dir=str(tmp_path / 'work'),
    )
    return read_study(None, settings)


@pytest.fixture
def fits(monkeypatch):
    """No detector is built to see which methods fit."""
    weights = dict(hint=(0.5,), fgfi=(0.01,), imitation=(6.0,))
    monkeypatch.setattr(
        search,
        'fitting',
        lambda study, console: {a.name: Candidate(a, weights[a.name]) for a in study.arms[1:]},
    )


def start(study, minutes, runs):
    pytest.importorskip('optuna')
    console = Console(file=io.StringIO(), width=300)
    return Search(study, minutes, console, runs, slots=1), console


def test_it_searches_on_its_split_and_spends_the_rest_on_paired_seeds(study, fits):
    runs = Runs()
    found, _ = start(study, 180, runs)
    sentence = found.spend()
    searched = [job for job in runs.made if job.arm.startswith('search_')]
    final = [job for job in runs.made if job not in searched]
    assert {job.config.val_dataloader.dataset.ann_file for job in searched} == {'part.json'}
    assert all(job.config.val_dataloader.dataset.ann_file != 'part.json' for job in final)
    # A trial takes at most 1 + 3 + 9 minutes; a final seed 18, taken as 18 / 0.8.
    minutes = sum(job.epochs for job in searched if 'hint' not in job.arm)  # which fails at once
    assert minutes <= 60 + 13 and minutes + sum(job.epochs for job in final) <= 180
    assert len({job.epochs for job in searched}) == 3
    seeds = len({job.seed for job in final if job.arm == 'student'})
    assert seeds == int((180 - minutes) / 22.5) > 2
    assert 'fgfi at weight 0.' in sentence and f'bbox_mAP over {seeds} paired seeds' in sentence
    assert 'beats the student alone by +0.0' in sentence
    assert sentence.endswith(f'{minutes} of 180 minutes were spent on the search.')


def test_the_journal_of_other_methods_is_refused(study, fits):
    start(study, 180, Runs())
    start(study, 180, Runs())
    other = replace(study, arms=study.arms[:-1])
    with pytest.raises(ValueError, match='search over other methods.*another --work-dir'):
        start(other, 180, Runs())


def test_what_was_finished_before_a_kill_is_not_run_again(study, fits):
    whole = Runs()
    sentence = start(study, 90, whole)[0].spend()
    other = replace(study, work_dir=study.work_dir.with_name('other'))
    made = []
    for _ in range(len(whole.made)):  # interrupted before every ninth run
        runs = Runs(stop=8)
        try:
            again = start(other, 90, runs)[0].spend()
        except KeyboardInterrupt:
            made += runs.names()
        else:
            made += runs.names()
            break
    kept = [name for name in made if 'hint' not in name]  # which fails each time
    assert len(kept) == len(set(kept)) and again.split(';')[0] == sentence.split(';')[0]


def test_a_slow_start_does_not_decide_who_wins(study, fits):
    # The share of the search is spent by its first trial; still the others have one.
    runs = Runs(seconds=dict(search_fgfi_1_e1=3000.0))
    found, _ = start(study, 90, runs)
    found.spend()
    assert {'search_fgfi_1_e1/0', 'search_imitation_1_e1/0'} <= set(runs.names())


def test_a_budget_that_is_too_short_is_refused_with_what_is_needed(study, fits):
    runs = Runs()
    # 3 trials of 1.5 minutes and 2 seeds of (9 + 13.5) / 0.8: 60.75 minutes.
    with pytest.raises(ValueError, match='--budget 60 is too short.*give --budget 61'):
        start(study, 60, runs)[0].spend()
    assert runs.names() == ['search_time/0']


def test_without_optuna_it_is_named(study, monkeypatch):
    monkeypatch.setitem(sys.modules, 'optuna', None)
    with pytest.raises(ImportError, match=r'--budget searches with Optuna: .*mmkd\[search\]'):
        Search(study, 60, Console(), Runs(), 1)


def test_methods_that_do_not_fit_the_pair_are_left_out_and_said(study):
    console = Console(file=io.StringIO(), width=300)
    ld = replace(study.arms[1], name='ld', title='ld', methods=(dict(type='mmkd.LD'),))
    found = fitting(replace(study, arms=(*study.arms[:3], ld)), console)
    assert {name: one.weights for name, one in found.items()} == dict(hint=(0.5,), fgfi=(0.01,))
    assert 'ld is left out: ld reads dense head' in console.file.getvalue()


def test_a_weight_that_is_found_on_the_pair_is_not_searched(study):
    scaled = replace(study.arms[2], methods=[dict(type='mmkd.FGFI', auto_scale=dict(fraction=0.5))])
    found = fitting(replace(study, arms=(study.arms[0], scaled)), Console(file=io.StringIO()))
    assert [one.weights for one in found.values()] == [(None,)]


def test_a_split_is_cut_from_the_training_images(tmp_path):
    write_tiny_coco(tmp_path, 10)
    train = dict(
        type='CocoDataset',
        data_root=str(tmp_path),
        ann_file='annotations.json',
        data_prefix=dict(img='images'),
        pipeline=[],
    )
    config = Config(
        dict(
            train_dataloader=dict(dataset=dict(type='RepeatDataset', times=2, dataset=train)),
            val_dataloader=dict(dataset=dict(train, ann_file='test.json', pipeline=['p'])),
            val_evaluator=dict(type='CocoMetric', ann_file='test.json'),
        )
    )
    options = cut_split(config)
    config.merge_from_dict(options)
    val = config.val_dataloader.dataset
    learnt = config.train_dataloader.dataset.dataset.indices
    assert sorted([*learnt, *val.indices]) == list(range(10)) and len(val.indices) == 2
    assert (val.ann_file, val.pipeline) == ('annotations.json', ['p'])
    assert config.val_evaluator == dict(
        type='mmkd.CocoMetric', ann_file=str(tmp_path / 'annotations.json')
    )
    assert cut_split(config)['train_dataloader.dataset.dataset.indices'] != learnt


@pytest.mark.parametrize(
    'low, high, words',
    [
        (0.01, 0.03, 'fgfi beats the student alone by +0.020 [0.010, 0.030] mAP over 5 paired'),
        (-0.03, -0.01, 'fgfi falls behind the student alone by'),
        (-0.01, 0.05, 'fgfi is not shown to beat the student alone: +0.020 [-0.010, 0.050] mAP'),
        (None, None, 'differs from the student alone by +0.020 mAP with one seed'),
    ],
)
def test_the_sentence_follows_the_interval(low, high, words):
    summary = dict(mean=0.02, low=low, high=high, count=5)
    text = search.verdict(dict(title='fgfi', paired=dict(summary=summary)), 'coco/mAP')
    assert words in text
