"""Every way in which MMEngine loads a checkpoint, with ``weights_only=True``.

Gap: MMEngine 0.10 leaves the choice to torch's default and so cannot read its own files on
torch >= 2.6; the OneDL fork falls back to running pickles. All schemes of MMEngine's
``CheckpointLoader`` are registered anew, so that ``load_from``, resuming, ``init_cfg`` and the
teacher go through ``safe_load``.

Removable when both families load safely by themselves.
"""

import io
import os.path as osp
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from mmengine.dist import get_dist_info
from mmengine.fileio import get_file_backend
from mmengine.runner import checkpoint as host
from mmengine.runner.checkpoint import CheckpointLoader

from .safe_pickle import (
    DamagedCheckpointError,
    allow_mmengine_checkpoints,
    explained_errors,
    safe_load,
)

# MMEngine prints the names of these functions from the eleventh letter on: "by local backend".


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """A file on this machine; ``~`` is expanded.

    Raises:
        FileNotFoundError: Naming the path.
    """
    path = osp.expanduser(filename)
    if not osp.isfile(path):
        raise FileNotFoundError(f'There is no checkpoint file {path}.')
    return safe_load(path, map_location, name=path)


def load_from_http(filename: str, map_location: Any = None, model_dir: str | None = None,
                   progress: bool | None = None) -> Any:
    """An address; downloaded once by rank 0 into torch.hub's folder, then read by all.

    Raises:
        OSError: Where it cannot be fetched.
    """
    rank, world_size = get_dist_info()
    checkpoint = None
    for turn in (True, False):  # rank 0 downloads, the others then find the file
        if turn == (rank == 0):
            checkpoint = _fetch(filename, map_location, model_dir, progress)
        if turn and world_size > 1:
            torch.distributed.barrier()
    return checkpoint


def _fetch(url: str, map_location: Any, model_dir: str | None, progress: bool | None) -> Any:
    """torch.hub's download and cache, with our errors."""
    shown = sys.stderr.isatty() if progress is None else progress
    try:
        with explained_errors(url):
            return torch.hub.load_state_dict_from_url(
                url, model_dir=model_dir, map_location=map_location, progress=shown,
                weights_only=True)
    except URLError as error:
        raise OSError(f'The checkpoint {url} cannot be fetched: {error}. Check the address and '
                      'the network, or download it and give the path.') from error


def load_from_ceph(filename: str, map_location: Any = None, backend: str = 'petrel') -> Any:
    """An object of an S3 store, through MMEngine's file backend."""
    store = get_file_backend(filename, backend_args={'backend': backend})
    return safe_load(io.BytesIO(store.get(filename)), map_location, name=filename)


def load_from_pavi(filename: str, map_location: Any = None) -> Any:
    """A model of the ``pavi`` service, whose client must be installed."""
    try:
        from pavi import modelcloud
    except ImportError as error:
        raise ImportError(f'{filename} needs the package pavi, which is not installed.') from error
    model = modelcloud.get(filename.removeprefix('pavi://'))
    with tempfile.TemporaryDirectory() as folder:
        path = osp.join(folder, model.name)
        model.download(path)
        return safe_load(path, map_location, name=filename)


def load_from_model_zoo(filename: str, map_location: Any = None) -> Any:
    """A model named in MMEngine's lists of public weights, e.g. ``torchvision://resnet18``.

    Raises:
        ValueError: For a name that is in no list.
    """
    scheme, _, name = filename.partition('://')
    places = _ZOO[scheme]()
    if scheme in ('open-mmlab', 'openmmlab'):
        name = host.get_deprecated_model_names().get(name, name)
    if name not in places:
        raise ValueError(f'{filename}: {scheme} has no model {name!r}.')
    if places[name].startswith(('http://', 'https://')):
        checkpoint = load_from_http(places[name], map_location)
    else:
        checkpoint = load_from_local(osp.join(host._get_mmengine_home(), places[name]),
                                     map_location)
    return host._process_mmcls_checkpoint(checkpoint) if scheme == 'mmcls' else checkpoint


_ZOO = {
    'modelzoo': host.get_torchvision_models,
    'torchvision': host.get_torchvision_models,
    'open-mmlab': host.get_external_models,
    'openmmlab': host.get_external_models,
    'mmcls': host.get_mmcls_models,
}
LOADERS = {
    '': load_from_local,
    'http://': load_from_http,
    'https://': load_from_http,
    'pavi://': load_from_pavi,
    r'(\S+\:)?s3://': load_from_ceph,
    r'(\S+\:)?petrel://': load_from_ceph,
    **{f'{scheme}://': load_from_model_zoo for scheme in _ZOO},
}


def install() -> None:
    """Allow-lists MMEngine's own files and takes over its loading schemes."""
    allow_mmengine_checkpoints()
    for prefix, loader in LOADERS.items():
        CheckpointLoader.register_scheme(prefix, loader, force=True)


def load_checkpoint_file(path_or_url: str | Path, map_location: Any = 'cpu') -> dict:
    """Reads a checkpoint as data, from a path, a URL or any scheme that MMEngine knows.

    Raises:
        FileNotFoundError: The file does not exist.
        UnsafeCheckpointError: It contains code; none was run.
        DamagedCheckpointError: It cannot be read, or is no dictionary.
    """
    checkpoint = CheckpointLoader.load_checkpoint(
        str(path_or_url), map_location=map_location, logger='current')
    if not isinstance(checkpoint, dict):
        raise DamagedCheckpointError(
            f'The checkpoint {path_or_url} holds a {type(checkpoint).__name__}; expected a '
            'dictionary of weights, or one with a state_dict.')
    return checkpoint
