"""The parts that a setting names: which class, and whether it fits its place."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from mmkd.registry import MODELS
from mmkd.settings import accepted_arguments, check_arguments
from mmkd.utils.errors import UserError
from mmkd.utils.types import Setting


def named_class(name: Any) -> Any:
    """The class of a config's ``type``, which is its registered name or the class; None if none."""
    return name if isinstance(name, type) else MODELS.get(str(name))


def constructor(setting: str, config: Setting, **needs: Sequence[str]) -> partial:
    """A registered class and the arguments that a setting gives it, to be called.

    Args:
        setting: Its name, for the error.
        config: ``type`` and arguments.
        needs: Methods of the class that its place calls, and with which arguments by name.

    Raises:
        ValueError: The type is not registered, does not fit its place, or has no such argument.
    """
    arguments = dict(config)
    name = arguments.pop('type', None)
    kind = named_class(name)
    if kind is None:
        raise UserError(
            f'{setting}: type {name!r}',
            'is not registered',
            'import a part of your own through custom_imports',
        )
    for method, given in needs.items():
        function = getattr(kind, method, None)
        taken, open_ended = accepted_arguments(function) if function else ([], False)
        if function is None or not (open_ended or set(given) <= set(taken)):
            raise UserError(
                f'{setting}: {kind.__name__} cannot stand there, it has no {method}('
                f'{", ".join(given)}).'
            )
    check_arguments(setting, arguments, kind)
    return partial(kind, **arguments)
