"""Steps every method on every detector of MMDetection, and writes docs/support.md.

python tools/support_table.py
python tools/support_table.py --detectors RetinaNet 'Faster R-CNN under DINO' --methods kd cwd

Each pair is built with random weights and takes a training step on two small images: ten seconds a
detector on one core. A run that was stopped goes on where it was; what is named is run again.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from mmkd.engine.commands.methods import method_types
from mmkd.engine.commands.support import CRASH, outcomes, page
from mmkd.engine.commands.support_detectors import all_pairs
from mmkd.engine.commands.tool_options import new_parser
from mmkd.engine.readable_errors import run_readably

ROOT = Path(__file__).resolve().parents[1]


def main(argv: list[str] | None = None) -> int:
    """Runs what is missing or named; 1 if something crashed."""
    pairs = {pair.name: pair for pair in all_pairs()}
    methods = list(method_types())
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('--detectors', nargs='+', metavar='NAME', choices=pairs, help='rows of the table')
    add('--methods', nargs='+', metavar='NAME', choices=methods, help='names of methods in the log')
    add('--results', type=Path, default=ROOT / 'work_dirs' / 'support.json', metavar='FILE')
    add('--page', type=Path, default=ROOT / 'docs' / 'support.md', metavar='FILE')
    args = parser.parse_args(argv)
    init_default_scope('mmdet')
    MMLogger.get_current_instance().setLevel('ERROR')
    found = json.loads(args.results.read_text('utf-8')) if args.results.exists() else {}
    again = args.detectors or args.methods
    args.results.parent.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names := args.detectors or list(pairs), 1):
        row = found.setdefault(name, {})
        todo = [one for one in args.methods or methods if again or one not in row]
        if not todo:
            continue
        for method, outcome in outcomes(pairs[name], todo):
            row[method] = outcome
            print(f'{place}/{len(names)} {name}, {method}: {outcome}', flush=True)
        args.results.write_text(json.dumps(found, indent=1), 'utf-8')
    rows = {name: found[name] for name in pairs if name in found}
    args.page.write_text(page(rows, methods), 'utf-8')
    return any(told.startswith(CRASH) for row in rows.values() for told in row.values())


if __name__ == '__main__':
    sys.exit(run_readably(main))
