"""What MMDetection needs to run here; the one place that asks for versions or builds.

Imported first by ``mmkd``. One file a gap; each says what makes it removable.
"""

from . import ops

ops.install()
