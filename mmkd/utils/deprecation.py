"""Old names go on working until 0.2, with one warning."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from mmkd.utils.types import Entries


@cache
def warn_renamed(old: str, new: str) -> None:
    """Says once in a process that a name has changed."""
    warnings.warn(f'{old} is now {new}; the old name goes in 0.2.', FutureWarning, stacklevel=4)


def renamed_in(module: str, names: Entries, new_names: dict[str, str]) -> Callable:
    """A module's ``__getattr__`` that answers for old names.

    ``module`` is its ``__name__``, ``names`` its ``globals()``; ``new_names`` gives the one to use.
    """

    def answer(name: str) -> Any:
        if name not in new_names:
            raise AttributeError(f'module {module!r} has no attribute {name!r}')
        warn_renamed(f'{module}.{name}', new_names[name])
        return names[new_names[name]]

    return answer
