"""Every way in which MMEngine loads a checkpoint, as data.

Gap: MMEngine 0.10 leaves the choice to torch's default and so cannot read its own files on
torch >= 2.6; the OneDL fork falls back to running pickles. All schemes of MMEngine's
``CheckpointLoader`` are registered anew, so that ``load_from``, resuming, ``init_cfg``,
inferencers and the teacher go through ``read_checkpoint``.

Removable when both families load safely by themselves.
"""

import io
import os.path as osp
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import BinaryIO

import torch
from mmengine.dist import get_dist_info
from mmengine.fileio import get_file_backend
from mmengine.runner import checkpoint as host
from mmengine.runner.checkpoint import CheckpointLoader

from ..utils.errors import UserError, UserFileNotFoundError, UserImportError, UserOSError
from .content import usable
from .download import cached_file, fetch
from .safe_pickle import printable, safe_load

# MMEngine prints the names of these functions from the eleventh letter on: "by local backend".


def read_checkpoint(file: str | BinaryIO, map_location: object, name: str) -> dict:
    """A checkpoint's content, checked and without anything that could be run.

    ``map_location`` is as in ``torch.load``, ``name`` how messages call the file.
    """
    return usable(safe_load(file, map_location, name), name)


def load_from_local(filename: str, map_location: object = None) -> dict:
    """A file on this machine; ``~`` is expanded."""
    path = osp.expanduser(filename)
    if not osp.isfile(path):
        raise UserFileNotFoundError(printable(f'There is no checkpoint file {path}.'))
    return read_checkpoint(path, map_location, path)


def load_from_http(
    filename: str,
    map_location: object = None,
    model_dir: str | None = None,
    progress: bool | None = None,
) -> dict:
    """An address; downloaded once by rank 0 into torch.hub's folder, then read by all."""
    rank, world_size = get_dist_info()
    folder = Path(model_dir or osp.join(torch.hub.get_dir(), 'checkpoints'))
    shown = sys.stderr.isatty() if progress is None else progress
    checkpoint = {}
    for turn in (True, False):  # rank 0 downloads, the others then find the file
        if turn == (rank == 0):
            path = cached_file(filename, folder)
            if path is not None:
                name = f'{filename} (cached as {path})'
                checkpoint = read_checkpoint(str(path), map_location, name)
            else:
                read = partial(read_checkpoint, map_location=map_location, name=filename)
                checkpoint = fetch(filename, folder, read, shown)
        if turn and world_size > 1:
            torch.distributed.barrier()
    return checkpoint


def load_from_ceph(filename: str, map_location: object = None, backend: str = 'petrel') -> dict:
    """An object of an S3 store, through MMEngine's file backend, whose client must be installed."""
    try:
        store = get_file_backend(filename, backend_args={'backend': backend})
        content = io.BytesIO(store.get(filename))
    except Exception as error:  # each client has its own
        raise UserOSError(f'The checkpoint {filename} cannot be fetched: {error}') from error
    return read_checkpoint(content, map_location, filename)


def load_from_pavi(filename: str, map_location: object = None) -> dict:
    """A model of the ``pavi`` service, whose client must be installed."""
    try:
        from pavi import modelcloud
    except ImportError as error:
        raise UserImportError(
            f'{filename} needs the package pavi, which is not installed.'
        ) from error
    model = modelcloud.get(filename.removeprefix('pavi://'))
    with tempfile.TemporaryDirectory() as folder:
        path = osp.join(folder, model.name)
        model.download(path)
        return read_checkpoint(path, map_location, filename)


def load_from_model_zoo(filename: str, map_location: object = None) -> dict:
    """A model named in MMEngine's lists of public weights, e.g. ``torchvision://resnet18``."""
    scheme, _, name = filename.partition('://')
    places = _ZOO[scheme]()
    if scheme in ('open-mmlab', 'openmmlab'):
        name = host.get_deprecated_model_names().get(name, name)
    if name not in places:
        raise UserError(f'{filename}: {scheme} has no model {name!r}.')
    if places[name].startswith(('http://', 'https://')):
        checkpoint = load_from_http(places[name], map_location)
    else:
        path = osp.join(host._get_mmengine_home(), places[name])
        checkpoint = load_from_local(path, map_location)
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
    """Takes over MMEngine's loading schemes."""
    for prefix, loader in LOADERS.items():
        CheckpointLoader.register_scheme(prefix, loader, force=True)


def load_checkpoint_file(path_or_url: str | Path, map_location: object = 'cpu') -> dict:
    """Reads a checkpoint as data, from a path, a URL or any scheme that MMEngine knows.

    Raises:
        FileNotFoundError: The file does not exist.
        UnsafeCheckpointError: It contains code; none was run.
        DamagedCheckpointError: It cannot be read, or lacks the form of a checkpoint.
        OSError: An address cannot be fetched.
    """
    return CheckpointLoader.load_checkpoint(
        str(path_or_url), map_location=map_location, logger='current'
    )
