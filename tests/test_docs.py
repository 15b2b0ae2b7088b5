"""What the documents say can be done, done."""

import re
from pathlib import Path

import torch

from mmkd.engine.commands.methods_table import with_table
from mmkd.study.effects import effects
from mmkd.testing.distill import build_distill, loss_of

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text()


def test_the_method_of_the_readme_trains(tmp_path):
    (code,) = [
        block for block in re.findall(r'```python\n(.*?)```', README, re.S) if 'class' in block
    ]
    exec(compile(code, 'README.md', 'exec'), {'__name__': 'readme'})
    model = build_distill(tmp_path, methods=[dict(type='mmkd.LogitMatch')])
    loss = loss_of(model)['loss_logit_match']
    loss.backward()
    assert loss > 0 and torch.isfinite(loss)


def test_every_file_that_the_documents_name_exists():
    missing = []
    for page in [ROOT / 'README.md', *(ROOT / 'docs').rglob('*.md')]:
        text = page.read_text()
        links = re.findall(r'\]\((?!https?:|#)([^)#]+)', text)
        missing += [f'{page.name}: {link}' for link in links if not (page.parent / link).exists()]
        names = re.findall(r'(?:tools|configs|mmkd|docs)/[\w./]+\.(?:py|sh|md)', text)
        missing += [f'{page.name}: {name}' for name in names if not (ROOT / name).exists()]
        configs = re.findall(r'`(fgfi_\w+\.py)`', text)
        missing += [f'{page.name}: {c}' for c in configs if not (ROOT / 'configs' / c).exists()]
    assert not missing


def test_the_readme_has_the_table_of_the_registry():
    found = effects(ROOT / 'configs' / 'studies')
    assert with_table(README, ROOT, found) == README, 'python tools/methods_table.py --update'
