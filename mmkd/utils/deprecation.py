"""Old names go on working until 0.2, with one warning."""

import warnings
from functools import cache


@cache
def warn_renamed(old: str, new: str) -> None:
    """Says once in a process that a name has changed.

    Args:
        old: The name that was used.
        new: The one to use.
    """
    warnings.warn(f'{old} is now {new}; the old name goes in 0.2.', FutureWarning, stacklevel=4)
