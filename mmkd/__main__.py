"""The command ``mmkd``: each sub-command is a script of ``tools/``, run as Python would run it."""

import runpy
import sys
from collections.abc import Sequence
from typing import NamedTuple

from .compat.scope import config_folder
from .settings import nearest

_STATUS_OF_A_WRONG_COMMAND = 2


class Command(NamedTuple):
    """A sub-command.

    Attributes:
        script: In ``tools/``.
        what: What it does, in a few words.
        example: Its arguments in an example.
    """

    script: str
    what: str
    example: str


_TEACHER = '--teacher large.py --teacher-checkpoint large.pth'
_DATA = '--data data/mine --format voc'
_PAIR = 'mmkd::pairs/faster_rcnn_r18_16th_bccd.py'
COMMANDS = {
    'distill': Command(
        'distill.py',
        'trains a student under a teacher, exports and tests it',
        f'--student small.py {_TEACHER} --method fgfi {_DATA}',
    ),
    'train': Command('train.py', 'trains a detector, or distils it', f'large.py {_DATA}'),
    'test': Command('test.py', 'evaluates a detector', 'small.py work_dirs/small/epoch_12.pth'),
    'compare': Command(
        'compare.py',
        'trains methods over seeds and says what the runs show',
        f'{_TEACHER} --student small.py --method fgfi --method hint',
    ),
    'diagnose': Command(
        'diagnose.py',
        'looks for what would ruin a distillation',
        f'small.py {_TEACHER} --method fgfi',
    ),
    'browse': Command('browse_dataset.py', 'draws images with their boxes', 'small.py pictures'),
    'check': Command('check_dataset.py', 'looks for faults of a data set', 'data/mine'),
    'export': Command(
        'export_student.py',
        "writes the student's weights alone",
        'work_dirs/small_large_fgfi/epoch_12.pth student.pth',
    ),
    'benchmark': Command(
        'benchmark.py', 'times a distillation step', 'small.py --teacher large.py --method fgfi'
    ),
    'list': Command(
        'list_parts.py', 'shows methods, pairs and data sets, and what each needs', 'methods'
    ),
    'demo': Command('demo.py', 'distils on drawn shapes, in minutes', '--quick'),
    'visualize': Command(
        'visualize_imitation.py', 'draws where the student imitates', f'{_PAIR} --method fgfi'
    ),
    'complexity': Command('complexity.py', 'counts parameters and multiply-adds', 'small.py'),
    'calibrate': Command(
        'calibrate_quantizer.py',
        'suggests a step of quantization mimic',
        f'small.py {_TEACHER} --method quantization_mimic',
    ),
    'neurons': Command(
        'select_neurons.py',
        'chooses the channels of NeuronSelection',
        f'small.py {_TEACHER} --method hint --out channels.json',
    ),
    'cache': Command(
        'cache_teacher.py',
        "keeps the teacher's maps of all images on disk",
        f'{_PAIR} --method fgfi --cfg-options model.teacher.cache=work_dirs/cache',
    ),
    'download': Command('download_dataset.py', 'fetches a public data set', 'voc2007 --unpack'),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a sub-command, which ends the process with its own exit status.

    Args:
        argv: Its name and arguments; None: those of the process.

    Returns:
        0 after help, 2 where there is no such sub-command.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    name = words[0] if words else '--help'
    if name in ('-h', '--help'):
        print(f'example: mmkd distill {COMMANDS["distill"].example}\n\nusage: mmkd COMMAND ...\n')
        for key, command in COMMANDS.items():
            print(f'  {key:<10} {command.what}')
        print("\nmmkd COMMAND --help shows a command's options.")
        return 0
    if name not in COMMANDS:
        near = nearest(name, COMMANDS)
        print(f'error: there is no command {name!r}.{near} See mmkd --help.', file=sys.stderr)
        return _STATUS_OF_A_WRONG_COMMAND
    command = COMMANDS[name]
    if {'-h', '--help'} & set(words):
        print(f'example: mmkd {name} {command.example}\n', flush=True)
    sys.argv = words
    runpy.run_path(str(config_folder().with_name('tools') / command.script), run_name='__main__')
    return 0


if __name__ == '__main__':
    sys.exit(main())
