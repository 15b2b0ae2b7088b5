"""The text of a config as data: read without being run, and made fit to be run by MMEngine.

Gap: a checkpoint holds its run's config as text, and MMEngine executes that text as Python
(``Runner.resume``, ``BaseInferencer``), then builds what it names, importing any module for it.

Removable when MMEngine stores configs as data and builds registered classes alone.
"""

import ast
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pprint import pformat
from typing import Any

from ..utils.errors import UserError

_UNREADABLE = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)
_CONFIG_FILES = ('.py', '.yml', '.yaml')


def read_config_text(text: str) -> dict[str, Any]:
    """The settings in a config's text: assignments of literals and of ``dict(name=literal)``.

    ``Config.pretty_text`` and :func:`write_config_text` write nothing else.

    Raises:
        ValueError: The text does anything else; nothing of it is run.
    """
    try:
        return dict(_assignment(statement) for statement in ast.parse(text).body)
    except _UNREADABLE as error:
        raise UserError(f'it holds more than values ({error})') from error


def write_config_text(settings: Mapping[str, Any]) -> str:
    """The text that :func:`read_config_text` reads; ``Config.pretty_text`` takes seconds."""
    return ''.join(
        f'{key} = {pformat(value, width=100, sort_dicts=False)}\n'
        for key, value in settings.items()
    )


def is_distillation(config: Any) -> bool:
    """Whether the model of a config is a ``DistillDetector``."""
    model = config.get('model')
    return isinstance(model, dict) and str(model.get('type')).split('.')[-1] == 'DistillDetector'


def harmless_config_text(text: str) -> str:
    """A config's text from elsewhere, such that running it and building its model imports nothing.

    Written anew from the values alone, without a ``custom_imports`` that would import a module,
    and without a teacher that is read from a config file, as prediction needs none.

    Raises:
        ValueError: It holds anything but values, or a value that MMEngine or a detector would
            look up in a module, read as a config file or evaluate.
    """
    settings = read_config_text(text)
    if not _are_imported(settings.get('custom_imports')):
        settings.pop('custom_imports', None)
    if '_base_' in settings:
        raise UserError('it names a base file')
    if is_distillation(settings):
        model = settings['model']
        if _names_a_file(model.get('student')):
            raise UserError("its student's config is in another file")
        if _names_a_file(model.get('teacher')):
            model['teacher'] = None
    _check('', settings)
    return write_config_text(settings)


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    if not (
        isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and len(statement.targets) == 1
    ):
        raise UserError(f'line {statement.lineno}')
    return statement.targets[0].id, ast.literal_eval(_DictCalls().visit(statement.value))


class _DictCalls(ast.NodeTransformer):
    """``dict(a=1)`` and ``dict({'a': 1})`` as ``{'a': 1}``."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name('dict'), args=[ast.Dict() as given], keywords=[]):
                return given
            case ast.Call(func=ast.Name('dict'), args=[], keywords=entries):
                if all(entry.arg for entry in entries):
                    return ast.Dict(
                        keys=[ast.Constant(entry.arg) for entry in entries],
                        values=[entry.value for entry in entries],
                    )
        raise UserError(f'a call in line {node.lineno}')


def _are_imported(custom_imports: Any) -> bool:
    """Whether ``custom_imports`` names nothing but modules that are there already."""
    names = custom_imports.get('imports') if isinstance(custom_imports, dict) else None
    names = [names] if isinstance(names, str) else names
    return isinstance(names, list) and all(
        isinstance(name, str) and name in sys.modules for name in names
    )


def _names_a_file(detector: Any) -> bool:
    """Whether a student or teacher is given by the path of its config."""
    if isinstance(detector, dict) and 'type' not in detector:
        return _names_a_file(detector.get('config'))
    return isinstance(detector, str)


def _check(key: Any, value: object) -> None:
    """Refuses a setting that makes code run, see :func:`harmless_config_text`."""
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, item)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            _check(key, item)
    elif isinstance(value, str):
        fault = _fault(str(key), value)
        if fault:
            raise UserError(f'{key}={value[:80]!r} {fault}')


def _fault(key: str, value: str) -> str | None:
    """What a string would make MMEngine or a detector do."""
    if '{{' in value:
        return 'is replaced before the config is read'
    if key in ('type', 'collate_fn') and _is_importable(value):
        return 'is found in a module, not in a registry'
    if key in ('_scope_', 'default_scope') and value not in sys.modules:
        return 'imports a package'
    if key.endswith('config') or value.endswith(_CONFIG_FILES):
        return 'names a config file'
    if '(' in value and _calls(value):
        return 'is a call in Python, which some settings are evaluated as'
    return None


def _is_importable(name: str) -> bool:
    """Whether the registry, which finds no such class, might look for it in a module."""
    package, _, rest = name.partition('.')
    known = sys.modules.get(package)
    if rest and (known is None or '.' in rest or hasattr(known, rest)):
        return True
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return True
    return spec is not None and spec.origin is not None  # a bare folder has none


def _calls(text: str) -> bool:
    try:
        return any(isinstance(node, ast.Call) for node in ast.walk(ast.parse(text.strip())))
    except (SyntaxError, ValueError):
        return False
    except (MemoryError, RecursionError):
        return True
