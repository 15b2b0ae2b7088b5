"""What MMDetection needs to run here; the one place that asks for versions or builds.

Imported first by ``mmkd``. One file a gap; each says what makes it removable.
"""

from . import requirements

requirements.check()

from . import checkpoints, ops, scope  # noqa: E402  they import the host, which is now known to be there
from .checkpoints import load_checkpoint_file  # noqa: E402
from .class_names import class_difference, class_names  # noqa: E402
from .config_text import is_distillation, read_config_text, write_config_text  # noqa: E402
from .progress import begin_progress  # noqa: E402
from .safe_pickle import DamagedCheckpointError, UnsafeCheckpointError, printable  # noqa: E402
from .scope import resolve_config_path  # noqa: E402
from .stand_ins import log_history  # noqa: E402

__all__ = [
    'DamagedCheckpointError',
    'UnsafeCheckpointError',
    'begin_progress',
    'class_difference',
    'class_names',
    'is_distillation',
    'load_checkpoint_file',
    'log_history',
    'printable',
    'read_config_text',
    'resolve_config_path',
    'write_config_text',
]

ops.install()
checkpoints.install()
scope.install()
