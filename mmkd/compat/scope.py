"""Makes ``mmkd::name.py`` mean a config that ships with mmkd, as ``mmdet::`` does for MMDetection.

Gap: MMEngine resolves ``package::path`` for a fixed list of packages, refuses names without a
folder, while mmkd's configs are flat, and takes a second for each base of MMDetection.

Removable when MMEngine looks packages up instead of listing them.
"""

import difflib
import functools
import importlib.util
from pathlib import Path

import mmengine.hub
from mmengine.config import Config

from ..utils.deprecation import warn_renamed
from ..utils.errors import UserError, UserFileNotFoundError
from .former_configs import replacement_of

PREFIX = 'mmkd::'
_PACKAGE = Path(__file__).resolve().parents[1]


def config_folder() -> Path:
    """Where the configs are: in the installed package, or beside it in a checkout."""
    installed, checkout = _PACKAGE / '.mim' / 'configs', _PACKAGE.parent / 'configs'
    if installed.is_dir():
        return installed
    # site-packages may hold a foreign folder named configs; a checkout has our setup.py.
    if checkout.is_dir() and (_PACKAGE.parent / 'setup.py').is_file():
        return checkout
    raise UserFileNotFoundError(
        f'The configs of mmkd are neither at {installed} nor at {checkout}: reinstall mmkd.'
    )


def resolve_config_path(name: str | Path) -> str:
    """The path that ``mmkd::relative/name.py`` stands for; any other name as it is.

    Raises:
        FileNotFoundError: There is no such config of mmkd: names those that resemble it; or mmkd
            had it once: names the pair and ``--method`` in its place. A file that was only renamed
            is found, with one warning.
    """
    name = str(name)
    if not name.startswith(PREFIX):
        if '::' not in name and not Path(name).is_file():
            return _renamed(name, 'configs/') or name
        return name
    folder = config_folder()
    relative = name.removeprefix(PREFIX)
    path = folder / relative
    if path.is_file():
        return str(path)
    renamed = _renamed(name, PREFIX)
    if renamed is not None:
        return renamed
    known = [str(file.relative_to(folder)) for file in folder.rglob('*.py')]
    close = difflib.get_close_matches(relative, known, n=3)
    hint = f' Did you mean {" or ".join(close)}?' if close else ''
    raise UserFileNotFoundError(f'mmkd has no config {relative} in {folder}.{hint}')


def _renamed(name: str, prefix: str) -> str | None:
    """The file that a former name has today, with one warning; None for other names.

    Raises:
        FileNotFoundError: A pair and ``--method`` stand in its place.
    """
    try:
        new = replacement_of(name.removeprefix(PREFIX), config_folder())
    except FileNotFoundError:  # an installation without configs
        return None
    if new is None:
        return None
    if '--method' in new:
        raise UserFileNotFoundError(
            f'the config {name} has been replaced: run tools/train.py {prefix}{new}.'
        )
    warn_renamed(f'the config {name}', f'{prefix}{new}')
    return str(config_folder() / new)


def _shipped(package: str, name: str) -> str | None:
    """A config that a package ships, to find which MMEngine reads its hundred metafiles in vain."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(folders[0]) / '.mim' / 'configs' / name if folders else Path()
    return str(path) if path.is_file() else None


def install() -> None:
    """Teaches ``_base_``, ``Config.fromfile`` and ``mmengine.hub.get_config`` the prefix."""
    host_base, host_file = Config._get_cfg_path, Config.fromfile
    host_hub = mmengine.hub.get_config
    if hasattr(host_base, '__wrapped__'):
        return

    @functools.wraps(host_base)
    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            # No scope: the configs' default scope is mmdet's and their mmkd types are written out.
            return resolve_config_path(cfg_path), None
        package, is_external, name = cfg_path.partition('::')
        if is_external and (path := _shipped(package, name)) is not None:
            return path, package
        path, scope = host_base(cfg_path, filename)
        return resolve_config_path(path) if scope is None else path, scope

    @functools.wraps(host_file)
    def fromfile(filename: str | Path, *args: object, **kwargs: object) -> Config:
        return host_file(resolve_config_path(filename), *args, **kwargs)

    @functools.wraps(host_hub)
    def get_config(cfg_path: str, pretrained: bool = False) -> Config:
        if not cfg_path.startswith(PREFIX):
            return host_hub(cfg_path, pretrained)
        if pretrained:
            raise UserError(f'pretrained=True: mmkd publishes no weights for {cfg_path}.')
        return Config.fromfile(cfg_path)

    Config._get_cfg_path = staticmethod(get_cfg_path)
    Config.fromfile = staticmethod(fromfile)
    mmengine.hub.get_config = mmengine.hub.hub.get_config = get_config
