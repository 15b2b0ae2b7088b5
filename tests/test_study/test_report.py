"""From finished runs to ``study.json``, the table and a page that a browser opens."""

import html
import itertools
import json
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from mmkd.study import make_jobs, markers, read_study
from mmkd.study.figures import draw_costs, draw_learning, draw_losses, draw_results
from mmkd.study.logs import read_scalars
from mmkd.study.report import render
from mmkd.study.results import collect, ordered
from mmkd.study.statistics import summarize
from mmkd.study.table import markdown, number, share
from mmkd.visualization import Boxes, draw_detections
from mmkd.visualization.curves import RunScalars

CONFIGS = Path(__file__).parents[2] / 'configs'
# Differences to the student alone: hint 0.02, 0.03, 0.01; fgfi 0.00, 0.03.
RESULTS = {
    'student': {0: 0.70, 1: 0.72, 2: 0.71},
    'hint': {0: 0.72, 1: 0.75, 2: 0.72},
    'fgfi': {0: 0.70, 1: 0.75},
}


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A study whose runs were made up."""
    root = tmp_path_factory.mktemp('study')
    (root / 't.pth').write_text('weights')
    teacher = str(CONFIGS / 'teachers' / 'faster_rcnn_r18_half_shapes.py')
    student = str(CONFIGS / 'students' / 'faster_rcnn_r18_16th_shapes.py')
    study = read_study(
        None,
        dict(
            name='<made up>', teacher=dict(config=teacher, checkpoint=str(root / 't.pth')),
            student=student, work_dir=str(root / 'work'), max_epochs=2,
            methods={'hint': dict(methods=['mmkd.Hint'], title='whole-map hint'),
                     'fgfi': 'mmkd.FGFI'},
        ),
    )  # fmt: skip
    jobs = make_jobs(study)
    for job in jobs:
        if job.arm == 'teacher':
            _tested(job, 0.80)
        elif job.seed in RESULTS[job.arm]:
            _trained(job, RESULTS[job.arm][job.seed])
    return study, jobs


def _tested(job, value):
    folder = job.work_dir / '20260101_000000'
    folder.mkdir(parents=True)
    metrics = {'pascal_voc/mAP': value, 'pascal_voc/AP_disc': value, 'time': 0.1}
    (folder / '20260101_000000.json').write_text(json.dumps(metrics))
    _finish(job)


def _trained(job, value):
    folder = job.work_dir / '20260101_000000' / 'vis_data'
    folder.mkdir(parents=True)
    lines = []
    for epoch in (1, 2):
        step = dict(lr=0.1, loss=1 / epoch, loss_cls=0.5 / epoch, time=0.2, iter=10 * epoch)
        lines.append(dict(step, step=10 * epoch))
        result = value * epoch / 2
        lines.append({'pascal_voc/mAP': result, 'pascal_voc/AP_disc': result, 'step': epoch})
    (folder / 'scalars.json').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    job.checkpoint.write_text('weights')
    _finish(job)


def _finish(job):
    marker = markers.Marker(markers.fingerprint(job), True, 60.0, 2**30, 1, dict(code='abc'))
    markers.write_marker(job.work_dir, marker)


@pytest.fixture(scope='module')
def outcome(finished):
    return collect(*finished)


def test_everything_is_found(outcome):
    assert outcome['metric'] == 'pascal_voc/mAP' and outcome['missing'] == ['fgfi, seed 2']
    hint, fgfi = outcome['arms']['hint'], outcome['arms']['fgfi']
    assert outcome['arms']['teacher']['summary']['mean'] == 0.80
    assert hint['paired']['differences'] == pytest.approx((0.02, 0.03, 0.01))
    assert hint['paired']['gap_closed'] == pytest.approx(0.02 / 0.09)
    assert fgfi['paired']['seeds'] == (0, 1)
    assert fgfi['paired']['gap_closed'] == pytest.approx(0.015 / 0.09)
    assert hint['per_class']['disc']['mean'] == pytest.approx(0.73)
    assert hint['step_seconds'] == 0.2 and hint['process_memory'] == 2**30
    assert all(run['config'] and run['versions'] and run['fingerprint'] for run in outcome['runs'])
    json.dumps(outcome)


def test_the_table_states_intervals_and_warns(outcome):
    text = markdown(outcome)
    row = next(line for line in text.splitlines() if line.startswith('| fgfi'))
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    assert cells[1:4] == ['2', '0.725', '0.035'] and cells[5] == '+0.015'
    assert 'fgfi: the interval of its difference to the student alone' in text
    assert 'The intervals of the methods overlap: the runs do not order them.' in text
    assert 'Not finished: fgfi, seed 2' in text


def test_methods_whose_intervals_lie_apart_are_named_best_first():
    arms = {
        name: dict(title=name, summary=asdict(summarize([mean - 0.01, mean, mean + 0.01])))
        for name, mean in dict(low=0.6, high=0.8, higher=0.81).items()
    }
    assert ordered(arms) == [
        'Only the intervals of higher and low; high and low lie apart; the runs order no other '
        'methods.'
    ]


def test_what_rounds_to_zero_is_no_difference_and_has_no_sign():
    assert [number(value, '+.3f') for value in (-0.0004, 0.0004, -0.01)] == [
        '0.000', '0.000', '-0.010'
    ]  # fmt: skip
    assert [share(value) for value in (-0.004, 0.0, 0.2)] == ['no difference'] * 2 + ['20%']


def test_eleven_arms_stay_apart_and_nothing_is_cut():
    names = ['student alone', *(f'a method with a long name, number {n}' for n in range(11))]
    steps, seeds = [1, 2, 3], (0.0, 0.01)
    runs = {
        name: [
            RunScalars(
                {'loss': (steps, [3.0, 2, 1]), 'loss_cls': (steps, [2.0, 1, 0.5])}
                | ({'loss_kd': (steps, [1.0, 1, 0.5])} if index else {}),
                {'mAP': (steps, [0.1 + seed, 0.2, 0.3 + index / 100])},
            )
            for seed in seeds
        ]
        for index, name in enumerate(names)
    }
    for figure in (draw_learning(runs, 'mAP', names[0]), draw_losses(runs, names[0])):
        figure.canvas.draw()
        panels = [axes for axes in figure.axes if axes.axison]
        assert len(panels) == 11 and all(len(axes.lines) >= 2 for axes in panels)
        texts = [axes.title for axes in panels] + [axes.xaxis.label for axes in panels]
        places = [text.get_window_extent() for text in texts] + [
            legend.get_window_extent() for legend in figure.legends
        ]
        assert all(not a.overlaps(b) for a, b in itertools.combinations(places, 2))
        assert all(0 <= place.x0 and place.x1 <= figure.bbox.x1 for place in places)


def test_one_seed_has_no_deviation(finished):
    study, jobs = finished
    text = markdown(collect(study, [job for job in jobs if job.seed in (None, 0)]))
    row = next(line for line in text.splitlines() if line.startswith('| whole-map hint'))
    assert row.split('|')[4:6] == [' - ', ' - ']
    assert 'one seed, so nothing is known of the spread' in text and '±' not in text


def test_runs_of_several_states_of_the_code_are_told_apart(finished):
    study, jobs = finished
    path = jobs[1].work_dir / markers.MARKER
    kept = path.read_text()
    path.write_text(kept.replace('"abc"', '"abd"'))
    try:
        assert any('2 states of the code' in note for note in collect(study, jobs)['warnings'])
    finally:
        path.write_text(kept)


def test_a_run_that_found_nothing_counts_as_zero(finished):
    study, jobs = finished
    path = next(jobs[2].work_dir.glob('*/vis_data/scalars.json'))
    kept = path.read_text()
    lines = [line for line in kept.splitlines() if 'mAP' not in line]
    path.write_text('\n'.join([*lines, json.dumps(dict(time=0.1, step=2))]))
    try:
        outcome = collect(study, jobs)
    finally:
        path.write_text(kept)
    assert outcome['arms']['hint']['values']['0'] == 0
    assert 'whole-map hint (seed 0): found nothing; counts as 0.' in outcome['warnings']


def test_nothing_finished_is_said(finished, tmp_path):
    with pytest.raises(ValueError, match='no run is finished yet'):
        collect(finished[0], [])


@pytest.fixture(scope='module')
def page(finished, outcome, tmp_path_factory):
    study, jobs = finished
    arms = outcome['arms']
    logs = {arm['title']: [] for arm in arms.values()}
    for run in outcome['runs']:
        logs[run['title']].append(read_scalars(Path(run['work_dir'])))
    costs = {name: dict(flops=10**9, parameters=10**6) for name in arms}
    boxes = Boxes(np.array([[1.0, 2, 30, 40]]), np.array([0]), np.array([0.9]))
    image = np.full((60, 80, 3), 127, np.uint8)
    plots = {
        'Seeds': (draw_results(arms, outcome['metric']), 'a'),
        'Learning': (draw_learning(logs, outcome['metric']), 'b'),
        'Losses': (draw_losses(logs), 'c'),
        'Costs': (draw_costs(arms, costs, outcome['metric']), 'd'),
    }
    found = draw_detections([image], [boxes], {'<i>': [boxes]}, ['disc'])
    path = tmp_path_factory.mktemp('page') / 'report.html'
    path.write_text(render(outcome, plots, {'Detections': (found, '<b>caption</b>')}))
    return path


def test_the_page_asks_for_nothing_and_is_small(page):
    text = page.read_text()
    assert page.stat().st_size < 3 * 2**20
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) == 6 and all(source.startswith('data:') for source in sources)
    assert '<b>caption' not in text and '&lt;made up&gt;' in text


def test_the_config_of_every_run_is_in_the_page(page, outcome):
    text = page.read_text()
    assert text.count('<details>') == len(outcome['runs'])
    assert 'config as changes to that of student alone, seed 0' in text
    assert '+randomness = {&#x27;seed&#x27;: 1}' in text and 'as for teacher' in text


# Written into the page for the test: before its own script what notes mistakes, behind it what
# clicks as a user would and writes down what is seen.
NOTES_MISTAKES = """<script>const errors = [];
addEventListener('error', event => errors.push(event.message || event.target.outerHTML), true);
for (const kind of ['error', 'warn']) console[kind] = text => errors.push(String(text));
</script>"""
CLICKS = """<script>addEventListener('load', () => {
  const told = {loaded: [...document.images].every(one => one.complete && one.naturalWidth > 0)};
  const table = document.querySelector('table');
  const sorted = index => {
    document.querySelectorAll('th button')[index].click();
    return [...table.tBodies[0].rows].map(row => row.cells[index].innerText);
  };
  Object.assign(told, {up: sorted(2), down: sorted(2), signed: sorted(5), names: sorted(0)});
  told.fits = table.scrollWidth <= table.parentElement.clientWidth;
  told.sort = document.querySelector('th').getAttribute('aria-sort');
  told.requests = performance.getEntriesByType('resource').map(one => one.name)
    .filter(name => !name.startsWith('data:'));
  const answer = document.createElement('pre');
  answer.id = 'told';
  answer.innerText = JSON.stringify({...told, errors});
  document.body.append(answer);
});</script>"""
CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')


@pytest.mark.skipif(
    CHROMIUM is None, reason='no Chromium: apt-get install chromium to test the page'
)
def test_a_browser_opens_the_page_without_an_error_and_sorts(page, tmp_path):
    text = page.read_text().replace('</body>', f'{CLICKS}</body>')
    probed = tmp_path / 'probed.html'
    probed.write_text(text.replace('<head>', f'<head>{NOTES_MISTAKES}'))
    options = ['--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=5000']
    options.append('--window-size=1280,900')
    command = [CHROMIUM, *options, f'--user-data-dir={tmp_path}', '--dump-dom', probed.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    told = json.loads(html.unescape(re.search('<pre id="told">(.*?)</pre>', seen, re.DOTALL)[1]))
    assert told['loaded'] and told['fits']
    assert told['up'] == ['0.710', '0.725', '0.730', '0.800'] == told['down'][::-1]
    assert told['signed'] == ['+0.015', '+0.020', '-', '-']  # what is not known comes last
    assert told['names'][0] == 'fgfi' and told['sort'] == 'ascending'
    assert told['errors'] == told['requests'] == []
