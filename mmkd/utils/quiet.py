"""Keeps the host from talking where nobody asked."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from mmengine.logging import MMLogger


@contextmanager
def quiet_host() -> Iterator[None]:
    """Mutes its prints and warnings, such as the list of operations without a count of FLOPs."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
