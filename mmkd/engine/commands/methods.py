"""``--teacher`` and ``--method`` of the tools: what a plain config or a pair file leaves out."""

import argparse
import inspect
import re
from ast import literal_eval
from collections.abc import Sequence
from typing import Any

import yaml
from mmengine.config import Config

from mmkd.detectors.build import DEFAULT_METHODS, check_method_type
from mmkd.engine.checks.preflight import is_distillation
from mmkd.registry import MODELS
from mmkd.utils import snake_case
from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries, Setting

_CONSTANTS = {'true': True, 'false': False, 'null': None, '~': None}


def add_method_option(parser: argparse.ArgumentParser) -> None:
    """``--teacher``, for :func:`use_teacher`, and ``--method``, as ``args.methods``."""
    parser.add_argument(
        '--teacher',
        metavar='CONFIG',
        help="distil a plain config's detector under this one's; replaces a distillation's teacher",
    )
    parser.add_argument(
        '--method',
        action='append',
        dest='methods',
        metavar='NAME',
        help='method to distil with, by its name in the log (fgfi) or its type (mmkd.FGFI), or '
        "with options '{type: mmkd.FGFI, loss_weight: 0.02}'; given several times they add up; "
        "replaces all methods of a config that names some; default: the config's, else the recipe",
    )


def use_teacher(cfg: Config, teacher: Config) -> None:
    """Puts a config's detector under a teacher, in place; a distillation config's is replaced.

    The teacher's model is written out, so that the dumped config needs no other file than its
    checkpoint.

    Args:
        cfg: The whole config of a plain detector, or of a distillation.
        teacher: The whole config of the teacher.

    Raises:
        ValueError: The teacher's config is a distillation itself.
    """
    if is_distillation(teacher):
        raise UserError(
            f'--teacher {teacher.filename} is a distillation config itself: give the plain config '
            'of the detector, e.g. a file of configs/teachers/.'
        )
    if not is_distillation(cfg):
        cfg.model = dict(type='mmkd.DistillDetector', student=cfg.model)
    cfg.model.teacher = dict(config=teacher.model)
    named = [config.get('custom_imports') or {} for config in (cfg, teacher)]
    names = [name for one in named for name in one.get('imports', ())]
    cfg.custom_imports = dict(
        imports=list(dict.fromkeys([*names, 'mmkd'])), allow_failed_imports=False
    )


def use_methods(cfg: Config, given: Sequence[str | Entries] | None) -> None:
    """Has a distillation config train with the methods of ``--method``, in place.

    The texts are as :func:`read_method` reads them. Without any a config keeps its own, and a pair,
    which leaves ``methods`` out, gets the default recipe. ``stages`` go with a config's methods.

    Raises:
        ValueError: A text names no method, or the config distils nothing.
    """
    if given:
        if not is_distillation(cfg):
            raise UserError(
                f'--method {given[0]}: the config has no teacher, its model is '
                f'{cfg.model.get("type")}. Add --teacher CONFIG --teacher-checkpoint FILE, or give '
                'a file of configs/pairs/.'
            )
        cfg.model.methods = [registered_method(read_method(text)) for text in given]
        cfg.model.pop('stages', None)  # they name the config's own methods
    elif lacks_methods(cfg):
        cfg.model.methods = [dict(one) for one in DEFAULT_METHODS]


def lacks_methods(cfg: Config) -> bool:
    """Whether the config is a pair: student and teacher, and no setting for methods."""
    return is_distillation(cfg) and 'methods' not in cfg.model


def read_method(text: str | Entries) -> Entries:
    """A method's config from a command line: a name, or a dict in YAML's notation, or a config.

    Numbers are those of Python (``1e-2``, which YAML takes for text), and ``on`` is a name.

    Raises:
        ValueError: It is neither.
    """
    try:
        setting = yaml.load(text, _Loader) if isinstance(text, str) else text
    except yaml.YAMLError as error:
        why = f'cannot be read ({" ".join(str(error).split())})'
    else:
        if isinstance(setting, str):
            return dict(type=setting)
        if isinstance(setting, dict) and isinstance(setting.get('type'), str):
            return setting
        why = 'names no method'
    raise UserError(
        f"--method {text!r} {why}: write a name, or '{{type: mmkd.FGFI, loss_weight: 0.02}}'."
    )


def read_arms(texts: Sequence[str]) -> dict[str, Entries]:
    """Methods to compare, by ``NAME`` of ``NAME=METHOD``, else by their names in the log.

    Raises:
        ValueError: A text names no method, or two have one name.
    """
    arms: dict[str, Entries] = {}
    for text in texts:
        prefix = re.match(r'([\w.+-]+)=', text)
        method = read_method(text[prefix.end() :] if prefix else text)
        name = prefix[1] if prefix else method_name(method)
        if name in arms:
            raise UserError(f'--method {text}: {name!r} is given twice: write another NAME=...')
        arms[name] = method
    return arms


def registered_method(setting: Setting) -> Entries:
    """The config with its type as the registry knows it, where it is a name of the log.

    Raises:
        ValueError: There is no such method: names the nearest and all.
    """
    known = _log_names() | method_types()
    kind = known.get(setting['type'], setting['type'])
    check_method_type(kind)
    return dict(setting, type=kind)


def method_name(setting: Setting) -> str:
    """Name in the log of a method's config, without building it."""
    kind = setting['type']
    word = kind if isinstance(kind, str) else kind.__name__
    return setting.get('name') or snake_case(word.rpartition('.')[2])


def method_types() -> dict[str, str]:
    """Types of the methods that mmkd's registry has, by their names in the log."""
    kinds = (name for name, kind in MODELS.module_dict.items() if hasattr(kind, 'teacher_fields'))
    return {snake_case(kind): f'mmkd.{kind}' for kind in sorted(kinds)}


def _log_names() -> dict[str, str]:
    """Types of the methods whose ``name`` is not their class in snake case, by that name."""
    names = {}
    for kind in method_types().values():
        signature = inspect.signature(MODELS.module_dict[kind.removeprefix('mmkd.')])
        name = signature.parameters['name'].default if 'name' in signature.parameters else None
        if isinstance(name, str):
            names[name] = kind
    return names


class _Loader(yaml.BaseLoader):
    """Reads unquoted words as Python does, where they are numbers, or as constants."""

    def construct_scalar(self, node: yaml.Node) -> Any:
        """The value of a word; a quoted one is text."""
        word = super().construct_scalar(node)
        if node.style is not None or not isinstance(word, str):
            return word
        try:
            value = literal_eval(word)
        except (ValueError, SyntaxError):
            return _CONSTANTS.get(word.lower(), word)
        return value if value is None or isinstance(value, (bool, int, float)) else word
